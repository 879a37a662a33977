package testnet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
	"github.com/peermesh/peermesh/transport/transporttest"
)

// shapedPipe is a pipe of which the first end has a line to the other and back.
func shapedPipe(there, back Line) (a, b transport.Conn, l *lines) {
	l = &lines{}
	l.init(Line{}, 1)
	one, two := &member{}, &member{}
	l.set(l.links, [2]*member{one, two}, there)
	l.set(l.links, [2]*member{two, one}, back)
	inner, b := mem.Pipe()
	return shape(inner, l.path(one, two), l.path(two, one)), b, l
}

func TestShapedConformance(t *testing.T) {
	for _, c := range []struct {
		name        string
		there, back Line
	}{
		{"delay", Line{Delay: 5 * time.Millisecond}, Line{Delay: 9 * time.Millisecond}},
		{"rate", Line{Rate: 100 * mbit, Buffer: 50}, Line{Rate: 100 * mbit, Bytes: 100_000}},
		{"all", Line{Rate: 50 * mbit, Buffer: 20, Delay: 2 * time.Millisecond, Jitter: time.Millisecond, Loss: .01}, Line{}},
	} {
		pair := func(testing.TB) (a, b transport.Conn) {
			a, b, _ = shapedPipe(c.there, c.back)
			return a, b
		}
		transporttest.RunInBubble(t, c.name, pair)
		transporttest.Run(t, c.name+" real", pair)
	}
}

// carry sends n messages of a size one way and returns how long they take.
func carry(t *testing.T, from, to transport.Conn, n, size int) time.Duration {
	t.Helper()
	began := time.Now()
	errs := make(chan error, 1)
	go func() {
		for range n {
			if err := from.Send(make([]byte, size)); err != nil {
				errs <- err
				return
			}
			if err := from.Flush(); err != nil {
				errs <- err
				return
			}
		}
		errs <- nil
	}()
	memory := make([]byte, size+1)
	for i := range n {
		if _, err := to.Receive(func() []byte { return memory }); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

func TestShapedKeepsRateAndDelayBothWays(t *testing.T) {
	for _, back := range []bool{false, true} {
		t.Run(fmt.Sprintf("back %v", back), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := Line{Rate: mbit, Delay: 20 * time.Millisecond, Buffer: 50}
				a, b, _ := shapedPipe(slow, slow)
				defer a.Close()
				defer b.Close()
				from, to := a, b
				if back {
					from, to = b, a
				}
				got := carry(t, from, to, 100, 1_448) // 1500 bytes on the line, 12 ms each
				if want := 1_220 * time.Millisecond; got < want || got > want+time.Millisecond {
					t.Errorf("got %v, want %v", got, want)
				}
			})
		})
	}
}

// Who writes waits once the buffer before the line is full, and Line tells what is
// on its way.
func TestShapedHoldsTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := shapedPipe(Line{Rate: mbit, Delay: 20 * time.Millisecond, Buffer: 50}, Line{Delay: 30 * time.Millisecond})
		defer a.Close()
		defer b.Close()
		sent := 0
		for done := true; done; sent++ {
			if err := a.Send(make([]byte, 1_448)); err != nil {
				t.Fatal(err)
			}
			var err error
			if done, err = a.TryFlush(); err != nil {
				t.Fatal(err)
			}
		}
		if sent != 52 { // one is being sent, fifty wait, one is gathered
			t.Errorf("got %d messages taken before one had to wait, want 52", sent)
		}
		l, ok := a.(transport.Liner).Line()
		if !ok || l.Held != 52*1_448 || l.RTT != 50*time.Millisecond || l.Segment != 1_448 {
			t.Errorf("got %+v, want 52 messages held and 50 ms", l)
		}
		began := time.Now()
		if err := a.Flush(); err != nil || time.Since(began) != 12*time.Millisecond {
			t.Errorf("got %v after %v, want no error after 12ms", err, time.Since(began))
		}
	})
}

func TestShapedLineThatTakesNothingEndsThePipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := shapedPipe(Line{Rates: []RateFor{{time.Millisecond, 1_500_000}, {time.Minute, 0}}, Buffer: 1}, Line{})
		defer a.Close()
		defer b.Close()
		var err error
		for range 10 {
			if err = a.Send(make([]byte, 1_448)); err == nil {
				err = a.Flush()
			}
			if err != nil {
				break
			}
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a deadline", err)
		}
	})
}

// What was flushed arrives though the pipe is closed at once, in so far as a moment
// is enough for it.
func TestShapedClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := shapedPipe(Line{Delay: 100 * time.Millisecond}, Line{})
		if err := a.Send([]byte("bye")); err != nil {
			t.Fatal(err)
		}
		if err := a.Flush(); err != nil {
			t.Fatal(err)
		}
		go a.Close()
		memory := make([]byte, 10)
		msg, err := b.Receive(func() []byte { return memory })
		if string(msg) != "bye" || err != nil {
			t.Errorf("got %q, %v, want the message", msg, err)
		}
		if _, err := b.Receive(func() []byte { return memory }); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want EOF", err)
		}
	})
}
