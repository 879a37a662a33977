package transporttest

import (
	"errors"
	"testing"

	"github.com/peermesh/peermesh/transport"
)

func testDescription(t testing.TB, a, b transport.Conn) {
	for _, c := range []transport.Conn{a, b} {
		if c.Max() < 1 {
			t.Errorf("Max: got %d, want at least 1", c.Max())
		}
		if c.Kind() == "" {
			t.Error("Kind: got nothing, want the carrier's name")
		}
		_, _ = c.RemoteAddr(), c.Binding()
	}
	if a.Kind() != b.Kind() {
		t.Errorf("Kind: got %q and %q, want the same at both ends", a.Kind(), b.Kind())
	}
}

func testOrder(t testing.TB, a, b transport.Conn) {
	const count = 500
	var want [][]byte
	for i := range count {
		want = append(want, message(i, i%97))
	}
	sent := start(func() error {
		for i, msg := range want {
			if err := a.Send(msg); err != nil {
				return err
			}
			if i%7 == 0 || i == count-1 {
				if err := a.Flush(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	arrives(t, b, want...)
	if err := awaitResult(t, "Flush", sent); err != nil {
		t.Fatal(err)
	}
}

func testBoundaries(t testing.TB, a, b transport.Conn) {
	var want [][]byte
	for i, size := range []int{0, 1, 125, 126, 127, 0, 4095, 4096, 4097, 16 << 10, 0, a.Max() - 1, a.Max(), 0, 1} {
		want = append(want, message(i, min(size, a.Max())))
	}
	for _, pipe := range []struct{ from, to transport.Conn }{{a, b}, {b, a}} {
		for _, msg := range want {
			send(t, pipe.from, msg)
		}
		done := start(pipe.from.Flush)
		arrives(t, pipe.to, want...)
		if err := awaitResult(t, "Flush", done); err != nil {
			t.Fatal(err)
		}
	}
}

func testSendCopies(t testing.TB, a, b transport.Conn) {
	msg := message(1, 1000)
	send(t, a, msg)
	clear(msg)
	flush(t, a)
	arrives(t, b, message(1, 1000))
}

func testGathered(t testing.TB, a, b transport.Conn) {
	var want [][]byte
	for i := range 100 {
		want = append(want, message(i, 300))
		send(t, a, want[i])
	}
	flush(t, a)
	arrives(t, b, want...)
	flush(t, a) // of nothing
	if done, err := a.TryFlush(); err != nil {
		t.Fatalf("TryFlush of nothing: got %v, %v, want no error", done, err)
	}
}

func testLateMemory(t testing.TB, a, b transport.Conn) {
	calls := 0
	room := memory(b)
	received := start(func() error {
		for {
			_, err := b.Receive(func() []byte { calls++; return room() })
			if err != nil {
				return nil
			}
		}
	})
	send(t, a, message(1, 10))
	send(t, a, nil)
	flush(t, a)
	arrivesBack(t, a, b)
	_ = b.Close()
	_ = awaitResult(t, "Receive", received)
	if calls > 2 {
		t.Errorf("calls of buf for two messages: got %d, want 2", calls)
	}
}

// arrivesBack sends one message from b to a, on the sending side of b.
func arrivesBack(t testing.TB, a, b transport.Conn) {
	t.Helper()
	send(t, b, message(9, 9))
	flush(t, b)
	arrives(t, a, message(9, 9))
}

func testExactFit(t testing.TB, a, b transport.Conn) {
	want := message(1, 100)
	send(t, a, want)
	flush(t, a)
	got := await(t, "Receive", func() error {
		msg, err := b.Receive(func() []byte { return make([]byte, len(want)+1) })
		if err == nil && len(msg) != len(want) {
			t.Errorf("got %s, want %s", shown(msg), shown(want))
		}
		return err
	})
	if got != nil {
		t.Fatalf("Receive into one byte more than the message: got %v, want no error", got)
	}
}

func testReceiveTooBig(t testing.TB, a, b transport.Conn) {
	send(t, a, message(1, 100))
	flush(t, a)
	peer := start(func() error { return receiveError(a) })
	got := await(t, "Receive", func() error {
		_, err := b.Receive(func() []byte { return make([]byte, 100) })
		return err
	})
	if !errors.Is(got, transport.ErrMessageTooBig) {
		t.Fatalf("Receive into memory without the extra byte: got %v, want ErrMessageTooBig", got)
	}
	if err := awaitResult(t, "the peer's Receive", peer); err == nil {
		t.Error("Receive at the other end: got no error, want the end of the pipe")
	}
	if err := await(t, "Receive", func() error { return receiveError(b) }); !errors.Is(err, transport.ErrMessageTooBig) {
		t.Errorf("Receive afterwards: got %v, want ErrMessageTooBig", err)
	}
}
