package dgram_test

import (
	"fmt"
	"net"
	"testing"
	"time"
)

const (
	soon   = 20 * time.Millisecond // a deadline that is to pass
	later  = time.Hour             // one that is not
	pause  = 30 * time.Millisecond // in which nothing is to happen
	prompt = 10 * time.Second      // within which something is: a loaded machine is slow
)

// result is what a blocked call returned.
type result struct {
	data string
	err  error
}

// reading reads on a goroutine of its own.
func reading(c net.PacketConn) chan result {
	done := make(chan result, 1)
	go func() {
		buf := make([]byte, 100)
		n, _, err := c.ReadFrom(buf)
		done <- result{string(buf[:n]), err}
	}()
	return done
}

// blocked checks that a call still waits.
func blocked(t *testing.T, done chan result) {
	t.Helper()
	select {
	case r := <-done:
		t.Fatalf("got %q, %v, want a call that waits", r.data, r.err)
	case <-time.After(pause):
	}
}

func ended(t *testing.T, done chan result) result {
	t.Helper()
	select {
	case r := <-done:
		return r
	case <-time.After(prompt):
		t.Fatal("got a call that waits, want its end")
	}
	return result{}
}

func closed(t *testing.T, p pair) {
	write(t, p.b, "unread", p.a.LocalAddr())
	p.settle()
	set(t, p.a.Close())
	buf := make([]byte, 10)
	_, from, err := p.a.ReadFrom(buf)
	isClosed(t, "read", err)
	if from != nil {
		t.Errorf("read: got an address %v with an error", from)
	}
	n, err := p.a.WriteTo(buf, p.b.LocalAddr())
	isClosed(t, "write", err)
	if n != 0 {
		t.Errorf("write: got %d", n)
	}
	isClosed(t, "SetDeadline", p.a.SetDeadline(time.Time{}))
	isClosed(t, "SetReadDeadline", p.a.SetReadDeadline(time.Now()))
	isClosed(t, "SetWriteDeadline", p.a.SetWriteDeadline(time.Now().Add(later)))
	isClosed(t, "SetReadBuffer", p.a.(buffered).SetReadBuffer(1))
	isClosed(t, "SetWriteBuffer", p.a.(buffered).SetWriteBuffer(1))
	isClosed(t, "Close", p.a.Close())
	if p.a.LocalAddr() == nil {
		t.Error("got no address of a closed conn")
	}
	write(t, p.b, "to the closed one", p.a.LocalAddr())
}

func closeWakesAll(t *testing.T, p pair) {
	set(t, p.a.SetReadDeadline(time.Now().Add(later)))
	var waiting []chan result
	for range 10 {
		waiting = append(waiting, reading(p.a))
	}
	blocked(t, waiting[0])
	set(t, p.a.Close())
	for _, done := range waiting {
		isClosed(t, "read", ended(t, done).err)
	}
}

func readDeadline(t *testing.T, p pair) {
	begin := time.Now()
	set(t, p.a.SetReadDeadline(begin.Add(soon)))
	for i := range 3 { // and it stays passed
		isTimeout(t, fmt.Sprintf("read %d", i), ended(t, reading(p.a)).err)
	}
	if d := time.Since(begin); d < soon {
		t.Errorf("got a timeout after %v, want %v", d, soon)
	}
	write(t, p.b, "later", p.a.LocalAddr())
	expect(t, p.a, "later")
}

func pastDeadline(t *testing.T, p pair) {
	write(t, p.b, "waits", p.a.LocalAddr())
	p.settle()
	for _, at := range []time.Time{time.Now().Add(-time.Hour), time.Unix(1, 0), time.Now()} {
		set(t, p.a.SetReadDeadline(at))
		isTimeout(t, "read", ended(t, reading(p.a)).err) // though there is something
	}
	expect(t, p.a, "waits")
	set(t, p.a.SetReadDeadline(time.Time{}))
	done := reading(p.a)
	blocked(t, done)
	set(t, p.a.SetReadDeadline(time.Unix(1, 0))) // as programs do to interrupt
	isTimeout(t, "blocked read", ended(t, done).err)
}

func movedDeadline(t *testing.T, p pair) {
	set(t, p.a.SetReadDeadline(time.Now().Add(later)))
	first, second := reading(p.a), reading(p.a)
	blocked(t, first)
	begin := time.Now()
	set(t, p.a.SetReadDeadline(begin.Add(soon))) // nearer
	isTimeout(t, "read", ended(t, first).err)
	isTimeout(t, "read", ended(t, second).err)
	if d := time.Since(begin); d < soon {
		t.Errorf("got a timeout after %v, want %v", d, soon)
	}
	set(t, p.a.SetReadDeadline(time.Now().Add(later)))
	done := reading(p.a)
	for range 5 { // always in the future
		set(t, p.a.SetReadDeadline(time.Now().Add(later)))
		blocked(t, done)
	}
	write(t, p.b, "data", p.a.LocalAddr())
	if r := ended(t, done); r.data != "data" || r.err != nil {
		t.Errorf("got %q, %v", r.data, r.err)
	}
}

func clearedDeadline(t *testing.T, p pair) {
	done, near := untimed(t, p.a, time.Second)
	select {
	case r := <-done:
		t.Fatalf("got %q, %v by a deadline that was taken away", r.data, r.err)
	case <-time.After(near):
	}
	write(t, p.b, "data", p.a.LocalAddr())
	if r := ended(t, done); r.data != "data" || r.err != nil {
		t.Errorf("got %q, %v", r.data, r.err)
	}
}

// untimed begins a read with a deadline and takes it away in time. near is when it
// would have passed: first, or longer where the machine was busy for so long that
// it may have.
func untimed(t *testing.T, c net.PacketConn, first time.Duration) (done chan result, near time.Duration) {
	t.Helper()
	for near = first; ; near *= 2 {
		at := time.Now().Add(near)
		set(t, c.SetReadDeadline(at))
		done = reading(c)
		time.Sleep(pause) // so that it waits
		set(t, c.SetReadDeadline(time.Time{}))
		if time.Now().Before(at) {
			return done, near
		}
		set(t, c.SetReadDeadline(time.Unix(1, 0)))
		ended(t, done)
	}
}

// Reads that timed out owe nothing: what comes afterwards waits for the next
// reads, in order and complete.
func timeoutsThenBurst(t *testing.T, p pair) {
	for round := range 3 {
		for range 5 {
			set(t, p.a.SetReadDeadline(time.Now().Add(time.Millisecond)))
			isTimeout(t, "read", ended(t, reading(p.a)).err)
		}
		for i := range 20 {
			write(t, p.b, fmt.Sprint(round, i), p.a.LocalAddr())
		}
		p.settle()
		for i := range 20 {
			expect(t, p.a, fmt.Sprint(round, i))
		}
		set(t, p.a.SetReadDeadline(time.Now().Add(time.Millisecond)))
		isTimeout(t, "read of nothing", ended(t, reading(p.a)).err)
	}
}

func pastWriteDeadline(t *testing.T, p pair) {
	set(t, p.b.SetWriteDeadline(time.Now().Add(-time.Second)))
	for range 2 {
		n, err := p.b.WriteTo([]byte("never"), p.a.LocalAddr())
		isTimeout(t, "write", err)
		if n != 0 {
			t.Errorf("got %d", n)
		}
	}
	write(t, p.a, "reads go on", p.b.LocalAddr())
	expect(t, p.b, "reads go on")
	set(t, p.b.SetWriteDeadline(time.Now().Add(later)))
	write(t, p.b, "one", p.a.LocalAddr())
	set(t, p.b.SetWriteDeadline(time.Time{}))
	write(t, p.b, "two", p.a.LocalAddr())
	expect(t, p.a, "one")
	expect(t, p.a, "two")
}

func bothDeadlines(t *testing.T, p pair) {
	done := reading(p.a)
	blocked(t, done)
	set(t, p.a.SetDeadline(time.Now()))
	isTimeout(t, "read", ended(t, done).err)
	_, err := p.a.WriteTo([]byte("never"), p.b.LocalAddr())
	isTimeout(t, "write", err)
	set(t, p.a.SetDeadline(time.Time{}))
	thereAndBack(t, p)
}
