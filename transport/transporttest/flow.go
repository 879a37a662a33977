package transporttest

import (
	"testing"

	"github.com/peermesh/peermesh/transport"
)

func testTryFlush(t testing.TB, a, b transport.Conn) {
	const beyondBuffers = 64 << 20
	size := min(a.Max(), 32<<10)
	var want [][]byte
	gather := func() {
		msg := message(len(want), size)
		send(t, a, msg)
		want = append(want, msg)
	}
	for full := false; !full; {
		if len(want)*size > beyondBuffers {
			t.Fatalf("TryFlush took %d bytes that nobody reads, want it to report false", len(want)*size)
		}
		gather()
		full = !tryFlush(t, a)
	}
	for range 3 {
		gather()
		tryFlush(t, a)
	}
	flushed := start(a.Flush)
	arrives(t, b, want...)
	if err := awaitResult(t, "Flush", flushed); err != nil {
		t.Fatal(err)
	}
}

func tryFlush(t testing.TB, c transport.Conn) bool {
	t.Helper()
	return await(t, "TryFlush", func() bool {
		done, err := c.TryFlush()
		if err != nil {
			t.Errorf("TryFlush: got %v, want no error", err)
		}
		return done
	})
}

func testDuplex(t testing.TB, a, b transport.Conn) {
	const count = 300
	var want [][]byte
	for i := range count {
		want = append(want, message(i, i*13%3000))
	}
	sender := func(c transport.Conn) func() error {
		return func() error {
			for i, msg := range want {
				if err := c.Send(msg); err != nil {
					return err
				}
				if done, err := c.TryFlush(); err != nil {
					return err
				} else if done && i < count-1 {
					continue
				}
				if err := c.Flush(); err != nil {
					return err
				}
			}
			return nil
		}
	}
	jobs := []<-chan error{
		start(sender(a)), start(sender(b)),
		start(func() error { return expect(a, want...) }),
		start(func() error { return expect(b, want...) }),
	}
	for _, job := range jobs {
		if err := awaitResult(t, "traffic both ways", job); err != nil {
			t.Error(err)
		}
	}
}
