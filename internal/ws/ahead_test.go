package ws

import (
	"errors"
	"testing"
	"time"
)

// Who receives is told once, when all that has arrived has been read.
func TestBeforeWait(t *testing.T) {
	a, z := pair(t, Settings{}, false)
	sizes := []int{1, 20, 9000, 30} // more than the library's buffer holds
	for _, n := range sizes {
		if err := a.Send(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
	told, room := 0, inRoom(10_000)
	waits, sent := make(chan struct{}), make(chan error, 1)
	for i, n := range sizes {
		if i > 0 && !z.BeforeWait(func() { told++ }) {
			t.Skip("this system cannot tell")
		}
		msg, err := z.Receive(room)
		if err != nil || len(msg) != n {
			t.Fatalf("message %d: got %d bytes, %v, want %d", i, len(msg), err, n)
		}
	}
	if told != 0 {
		t.Errorf("told %d times although more had arrived", told)
	}
	z.BeforeWait(func() { told++; close(waits) })
	go func() {
		<-waits
		sent <- errors.Join(a.Send([]byte("one")), a.Send([]byte("two")), a.Flush())
	}()
	for _, want := range []string{"one", "two"} {
		if msg, err := z.Receive(room); err != nil || string(msg) != want {
			t.Fatalf("after the wait: got %q, %v, want %q", msg, err, want)
		}
	}
	if err := <-sent; err != nil || told != 1 {
		t.Errorf("told %d times (%v), want once", told, err)
	}
}

// Who receives is told before a wait inside a message, too, wherever it is read to.
func TestBeforeWaitInsideAMessage(t *testing.T) {
	const size = 3 * readAhead
	whole := frame(2, true, make([]byte, size))
	for _, cut := range []int{1, 100, readAhead, 2*readAhead + 1} {
		raw, c := rawPair(t, Settings{}, false)
		if _, err := raw.Write(whole[:cut]); err != nil {
			t.Fatal(err)
		}
		waits := make(chan struct{})
		if !c.BeforeWait(func() { close(waits) }) {
			t.Skip("this system cannot tell")
		}
		go func() {
			select {
			case <-waits:
			case <-time.After(5 * time.Second):
				t.Errorf("%d bytes have come: not told of the wait for the others", cut)
			}
			_, _ = raw.Write(whole[cut:])
		}()
		if msg, err := c.Receive(inRoom(size)); err != nil || len(msg) != size {
			t.Errorf("got %d bytes, %v, want %d", len(msg), err, size)
		}
	}
}

// A connection that ends while somebody is to be told ends as any other, and one
// over TLS says that it cannot tell.
func TestBeforeWaitAtTheEnd(t *testing.T) {
	a, z := pair(t, Settings{}, false)
	z.BeforeWait(func() {})
	_ = a.Close()
	if _, err := z.Receive(inRoom(1)); err == nil {
		t.Errorf("Receive: got %v, want an error", err)
	}
	if _, z = pair(t, Settings{}, true); z.BeforeWait(func() { t.Error("told") }) {
		t.Error("over TLS: got true, want false")
	}
}
