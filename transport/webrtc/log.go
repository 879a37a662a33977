//go:build !nowebrtc

package webrtc

import (
	"context"
	"fmt"
	"log/slog"

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
	return logger{l.log.With("pion", scope)}
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
