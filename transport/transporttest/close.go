package transporttest

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/peermesh/peermesh/transport"
)

// wantClosed checks the error of the end that was closed.
func wantClosed(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, net.ErrClosed) || !errors.Is(err, transport.ErrClosed) {
		t.Errorf("%s on the closed end: got %v, want ErrClosed", what, err)
	}
}

// wantEOF checks the error of the other end.
func wantEOF(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		t.Errorf("%s on the other end: got %v, want io.EOF", what, err)
	}
}

func testCloseWakesReceive(t testing.TB, a, b transport.Conn) {
	got := start(func() error { return receiveError(a) })
	_ = a.Close()
	wantClosed(t, "Receive", awaitResult(t, "Receive", got))
}

func testCloseWakesPeer(t testing.TB, a, b transport.Conn) {
	got := start(func() error { return receiveError(b) })
	_ = a.Close()
	wantEOF(t, "Receive", awaitResult(t, "Receive", got))
}

func testCloseWakesFlush(t testing.TB, a, b transport.Conn) {
	got := startBlockedFlush(t, a)
	_ = a.Close()
	wantClosed(t, "Flush", awaitResult(t, "Flush", got))
}

func testCloseWakesPeersFlush(t testing.TB, a, b transport.Conn) {
	got := startBlockedFlush(t, a)
	_ = b.Close()
	wantEOF(t, "Flush", awaitResult(t, "Flush", got))
}

func testCloseOften(t testing.TB, a, b transport.Conn) {
	receivers := []<-chan error{
		start(func() error { return receiveError(a) }),
		start(func() error { return receiveError(b) }),
	}
	var closers sync.WaitGroup
	for range 4 {
		for _, c := range []transport.Conn{a, b} {
			closers.Go(func() {
				_ = c.Close()
				_ = c.Close()
			})
		}
	}
	await(t, "Close", func() bool { closers.Wait(); return true })
	for _, r := range receivers {
		if err := awaitResult(t, "Receive", r); err == nil {
			t.Error("Receive: got no error, want one")
		}
	}
}

func testCloseAfterFlush(t testing.TB, a, b transport.Conn) {
	want := [][]byte{message(1, 10), message(2, 5000)}
	for _, msg := range want {
		send(t, a, msg)
	}
	flush(t, a)
	_ = a.Close()
	arrives(t, b, want...)
	wantEOF(t, "Receive", await(t, "Receive", func() error { return receiveError(b) }))
}

func testAfterClose(t testing.TB, a, b transport.Conn) {
	send(t, b, message(1, 10))
	flush(t, b)
	send(t, a, message(2, 10))
	_ = a.Close()
	wantClosed(t, "Receive", await(t, "Receive", func() error { return receiveError(a) }))
	wantClosed(t, "Send", await(t, "Send", func() error { return a.Send(message(3, 10)) }))
	wantClosed(t, "Flush", await(t, "Flush", a.Flush))
	wantClosed(t, "TryFlush", await(t, "TryFlush", func() error { _, err := a.TryFlush(); return err }))
}
