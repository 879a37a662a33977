//go:build !nowebrtc

package webrtc

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"

	"github.com/pion/logging"
)

// levelTrace is what the library says of every packet.
const levelTrace = slog.LevelDebug - 4

// loggers makes the library's loggers. What it calls a warning or an error
// happens in the ordinary course of an attempt and is reported by the errors
// of this package, so it is logged for debugging only.
type loggers struct{ log *slog.Logger }

// NewLogger implements logging.LoggerFactory.
func (l loggers) NewLogger(scope string) logging.LeveledLogger {
	log := logger{l.log.With("pion", scope)}
	if scope == "sctp" {
		return sctpLogger{log}
	}
	return log
}

// sctpLogger keeps the library from locking up for good. A peer's COOKIE-ECHO that
// is read after the own writer has failed leads the reader (pion/sctp 1.11.1 to
// 1.12.1) to wait, with the association's lock, for somebody to whom the handshake
// matters; there is nobody, and nothing can end the association any more. Any peer
// can bring that about that does not tell its sctp-init. It is logged just before,
// by the reader, and there the reader ends: it gives back the lock and closes the
// association on its way out. A handshake in good order never meets that state.
type sctpLogger struct{ logger }

// What the library says, and of which state.
const (
	cookieMet   = "[%s] COOKIE-ECHO received in state '%s'"
	stateClosed = "Closed"
)

func (l sctpLogger) Debugf(f string, a ...any) {
	l.logger.Debugf(f, a...)
	if f == cookieMet && len(a) == 2 && a[1] == stateClosed {
		runtime.Goexit()
	}
}

// logger adapts slog to the library.
type logger struct{ log *slog.Logger }

func (l logger) say(level slog.Level, msg string) { l.log.Log(context.Background(), level, msg) }

func (l logger) sayf(level slog.Level, format string, args []any) {
	if l.log.Enabled(context.Background(), level) {
		l.say(level, fmt.Sprintf(format, args...))
	}
}

func (l logger) Trace(msg string)          { l.say(levelTrace, msg) }
func (l logger) Debug(msg string)          { l.say(levelTrace, msg) }
func (l logger) Info(msg string)           { l.say(slog.LevelDebug, msg) }
func (l logger) Warn(msg string)           { l.say(slog.LevelDebug, msg) }
func (l logger) Error(msg string)          { l.say(slog.LevelDebug, msg) }
func (l logger) Tracef(f string, a ...any) { l.sayf(levelTrace, f, a) }
func (l logger) Debugf(f string, a ...any) { l.sayf(levelTrace, f, a) }
func (l logger) Infof(f string, a ...any)  { l.sayf(slog.LevelDebug, f, a) }
func (l logger) Warnf(f string, a ...any)  { l.sayf(slog.LevelDebug, f, a) }
func (l logger) Errorf(f string, a ...any) { l.sayf(slog.LevelDebug, f, a) }
