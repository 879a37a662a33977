package link

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// A neighbour that takes everything but says so late gets the link suspected
// again and again. What goes another way because of that is bounded by a ring and
// an eighth of what the neighbour took.
func TestLateAcksSendLittleTwice(t *testing.T) {
	r := newRing()
	frame := testFrame(wire.ClassInteractive, 1_000, 1)
	sent, again := 0, 0
	for range 2_000 {
		for range 20 {
			r.keep(record(frame), limits.SentRing)
			sent += len(frame)
		}
		again += len(r.suspected())
		if _, ok := r.ack(r.frames); !ok {
			t.Fatal("an ack of what was sent is refused")
		}
	}
	if most := limits.SentRing + sent/limits.ReforwardShare; again > most || again < most/2 {
		t.Errorf("sent twice: got %d of %d bytes, want %d at most, and about as many", again, sent, most)
	}
}

// The first suspicion is believed in full. One that comes before the neighbour
// has taken anything leaves the frames where they are, until the link ends.
func TestRingIsGivenAwayOnceOnSuspicion(t *testing.T) {
	r := newRing()
	fill := func() {
		for range 100 {
			r.keep(record(testFrame(wire.ClassInteractive, 1_000, 1)), limits.SentRing)
		}
	}
	fill()
	held := r.bytes
	if got := len(r.suspected()); got != held {
		t.Errorf("first suspicion: got %d bytes, want all %d", got, held)
	}
	fill()
	if got := len(r.suspected()); got != 0 {
		t.Errorf("second suspicion: got %d bytes, want none", got)
	}
	if got := len(r.take()); got != held {
		t.Errorf("at the end: got %d bytes, want all %d", got, held)
	}
}

// A link whose neighbour answers after more than a second is not suspect for
// what it has shown to be its pace.
func TestSlowNeighbourIsNotSuspect(t *testing.T) {
	v := newLiveness(false, time.Time{})
	if got := v.rto(); got != limits.LinkRTOMin {
		t.Errorf("not measured: got %v, want %v", got, limits.LinkRTOMin)
	}
	for range 30 {
		v.sample(drivenStart, 1500*time.Millisecond)
	}
	if got := v.rto(); got <= 1500*time.Millisecond+limits.AckDelay || got > limits.LinkRTOMax {
		t.Errorf("after round trips of 1.5 s: got %v, want more than they take, at most %v", got, limits.LinkRTOMax)
	}
}
