//go:build !nowebrtc

package webrtc_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// gate holds one goroutine until the test opens it.
type gate struct {
	reached, open chan struct{}
	once          sync.Once
}

func newGate() *gate { return &gate{reached: make(chan struct{}), open: make(chan struct{})} }

func (g *gate) pass() {
	g.once.Do(func() { close(g.reached) })
	<-g.open
}

// held is a socket that holds who writes what is encrypted, and then fails it.
type held struct {
	net.PacketConn
	hold   atomic.Bool
	writer *gate
}

func (h *held) WriteTo(b []byte, to net.Addr) (int, error) {
	const applicationData = 23 // RFC 9147, section 4.1
	if h.hold.Load() && b[0] == applicationData {
		h.writer.pass()
		return 0, io.ErrClosedPipe // the one error that the library does not pass over
	}
	return h.PacketConn.WriteTo(b, to)
}

// order is a log by which a test learns how far the library is, and holds its
// reader where it has met an acknowledgement.
type order struct {
	hold    atomic.Bool
	reader  *gate
	written chan struct{} // closed when the writer has ended
	cookie  atomic.Bool   // the reader has met a cookie afterwards
	stuck   atomic.Bool   // an end was given up
}

func newOrder() *order { return &order{reader: newGate(), written: make(chan struct{})} }

func (*order) Enabled(context.Context, slog.Level) bool { return true }
func (o *order) WithAttrs([]slog.Attr) slog.Handler     { return o }
func (o *order) WithGroup(string) slog.Handler          { return o }
func (o *order) Handle(_ context.Context, r slog.Record) error {
	switch {
	case strings.Contains(r.Message, "COOKIE-ACK received") && o.hold.Load():
		o.reader.pass()
	case strings.Contains(r.Message, "writeLoop exited"):
		close(o.written)
	case strings.Contains(r.Message, "COOKIE-ECHO received in state 'Closed'"):
		o.cookie.Store(true)
	case strings.Contains(r.Message, "does not end"):
		o.stuck.Store(true)
	}
	return nil
}
