package transporttest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/peermesh/peermesh/transport"
)

// message returns n bytes that depend on seed, so that mixed-up ones differ.
func message(seed, n int) []byte {
	b := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}

// memory returns a buffer function with room for the longest message of c.
func memory(c transport.Conn) func() []byte {
	room := make([]byte, c.Max()+1)
	return func() []byte { return room }
}

func send(t testing.TB, c transport.Conn, msg []byte) {
	t.Helper()
	if err := c.Send(msg); err != nil {
		t.Fatalf("Send of %d bytes: got %v, want no error", len(msg), err)
	}
}

func flush(t testing.TB, c transport.Conn) {
	t.Helper()
	if err := await(t, "Flush", c.Flush); err != nil {
		t.Fatalf("Flush: got %v, want no error", err)
	}
}

// expect receives len(want) messages and compares them.
func expect(c transport.Conn, want ...[]byte) error {
	room := memory(c)
	for i, w := range want {
		got, err := c.Receive(room)
		if err != nil {
			return fmt.Errorf("message %d of %d: %w", i, len(want), err)
		}
		if !bytes.Equal(got, w) {
			return fmt.Errorf("message %d of %d: got %s, want %s", i, len(want), shown(got), shown(w))
		}
	}
	return nil
}

func shown(b []byte) string {
	return fmt.Sprintf("%d bytes %x", len(b), b[:min(len(b), 8)])
}

// arrives fails unless the messages arrive.
func arrives(t testing.TB, c transport.Conn, want ...[]byte) {
	t.Helper()
	if err := await(t, "Receive", func() error { return expect(c, want...) }); err != nil {
		t.Fatal(err)
	}
}

// receiveError is what the next Receive fails with.
func receiveError(c transport.Conn) error {
	msg, err := c.Receive(memory(c))
	if err == nil {
		return fmt.Errorf("got a message: %s", shown(msg))
	}
	return err
}

// startBlockedFlush gathers more than the carrier takes while the peer does
// not read, and flushes it.
func startBlockedFlush(t testing.TB, c transport.Conn) <-chan error {
	t.Helper()
	const beyondBuffers = 8 << 20 // more than sockets hold for a peer that does not read
	size := min(c.Max(), 32<<10)
	for total := 0; total < beyondBuffers; total += size {
		if total == size {
			tryFlush(t, c) // a queue may take one batch of any size
		}
		send(t, c, message(total, size))
	}
	return start(c.Flush)
}
