package link

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
)

// sealedFrame is one of a session from src, of n bytes and with that counter; it names
// the copy, too.
func sealedFrame(src wire.ID, counter uint64, n int) (frame []byte, copy uint64) {
	f := wire.Frame{Type: wire.TypeData, Class: wire.ClassInteractive, HopLimit: 64, Src: src, Detour: []byte{}, Waypoints: make([]byte, 20)}
	f.Body = wire.AppendDataHeader(nil, 77, counter)
	copy = session.Transmission(f.Body)
	f.Body = append(f.Body, make([]byte, n-f.Len())...)
	return wire.AppendFrame(nil, &f), copy
}

// asked is one frame that is asked about again and again.
type asked struct {
	d    *drivenEnd
	now  time.Time
	self wire.ID
	copy uint64
	mark uint64
}

// put gives a link frames of this node from one counter on, each of n bytes.
func (a *asked) put(t *testing.T, from, count uint64, n int) {
	t.Helper()
	for counter := from; counter < from+count; counter++ {
		frame, _ := sealedFrame(a.self, counter, n)
		if got := a.d.link.AppendFrame(Self, wire.ClassInteractive, frame); got != Queued {
			t.Fatalf("frame %d: got %v", counter, got)
		}
	}
}

// want asks, a tick later.
func (a *asked) want(t *testing.T, when string, want Held) {
	t.Helper()
	a.now = a.now.Add(limits.LinkTick)
	if got := a.d.link.Holds(a.now, &a.self, a.copy, &a.mark); got != want {
		t.Errorf("%s: got %d, want %d", when, got, want)
	}
}

func (a *asked) ack(t *testing.T, count uint64) {
	t.Helper()
	if genuine, _ := a.d.link.OnAck(a.now, wire.Taken{Count: count}); !genuine {
		t.Fatalf("an ack of %d is refused", count)
	}
}

func newAsked(counter uint64) *asked {
	a := &asked{d: newDriven(drivenStart), now: drivenStart, self: wire.ID{1}}
	_, a.copy = sealedFrame(a.self, counter, 100)
	return a
}

func TestHolds(t *testing.T) {
	a := newAsked(5)
	a.want(t, "before it comes", NotHeld)
	a.put(t, 0, 10, 100)
	a.want(t, "in the queue", Waits)
	other := *a
	other.self = wire.ID{2}
	other.want(t, "of another source", NotHeld)
	a.now = other.now
	a.d.link.Pump(a.now)
	a.want(t, "written", Sent)
	a.ack(t, 5)
	a.want(t, "the one before it acked", Sent)
	a.ack(t, 6)
	a.want(t, "acked", NotHeld)
}

// What newer frames have pushed out of the ring is held until the neighbour has acked
// as much, whether it was asked about before or not.
func TestHoldsWhatTheRingHasLost(t *testing.T) {
	for _, before := range []bool{false, true} {
		a := newAsked(0)
		a.put(t, 0, 1, 1_000)
		a.d.link.Pump(a.now)
		if before {
			a.want(t, "written", Sent)
		}
		for from := uint64(1); from < 100; from += 10 {
			a.put(t, from, 10, 1_000)
			a.d.link.Pump(a.now)
		}
		if r := &a.d.link.ring; r.acked == 0 {
			t.Fatal("the ring has lost nothing")
		}
		a.want(t, "pushed out", Sent)
		a.ack(t, 100)
		a.want(t, "all acked", NotHeld)
	}
}

// What was given another way is held by this link no more, nor is anything by one that
// has ended.
func TestHoldsNothingThatWentAnotherWay(t *testing.T) {
	a := newAsked(5)
	a.put(t, 0, 10, 100)
	a.d.link.Pump(a.now)
	a.want(t, "written", Sent)
	a.d.link.TakeRing()
	a.want(t, "taken", NotHeld)

	a = newAsked(5)
	a.put(t, 0, 10, 100)
	a.want(t, "in the queue", Waits)
	a.d.link.Close(0)
	a.want(t, "ended", NotHeld)
}

// All that ask within a tick share one look, so 10,000 peers with a message each cost
// as much as one; what a look needs is given up when nobody asks any more.
func TestOneLookForAllThatAsk(t *testing.T) {
	a := newAsked(0)
	const most = 1_000
	a.put(t, 0, most, 200)
	a.d.link.Pump(a.now)
	a.put(t, most, most, 100)
	for counter := range uint64(2 * most) {
		_, copy := sealedFrame(a.self, counter, 100)
		want := Waits
		if counter < most {
			want = Sent
		}
		mark := uint64(0)
		if got := a.d.link.Holds(a.now, &a.self, copy, &mark); got != want {
			t.Fatalf("frame %d: got %d, want %d", counter, got, want)
		}
	}
	h := &a.d.link.held
	if !h.at.Equal(a.now) || len(h.waiting) != most || len(h.sent) == 0 || len(h.sent)*200 > limits.SentRing {
		t.Errorf("got a look of %v with %d and %d frames, want the first one", h.at.Sub(a.now), len(h.waiting), len(h.sent))
	}
	before := len(h.waiting)
	a.put(t, 2*most, 1, 100)
	var mark uint64
	a.d.link.Holds(a.now.Add(limits.LinkTick-1), &a.self, a.copy, &mark)
	if len(h.waiting) != before {
		t.Error("got another look within the tick")
	}
	a.d.link.Tick(a.now.Add(limits.IdleTick), [8]byte{})
	if h.waiting != nil || h.sent != nil {
		t.Error("the look is kept, want it given up when nobody asks")
	}
	if allocs := testing.AllocsPerRun(100, func() { a.d.link.Holds(a.now.Add(limits.IdleTick), &a.self, a.copy, &mark) }); allocs != 0 {
		t.Errorf("got %v allocations of one who asks again", allocs)
	}
}
