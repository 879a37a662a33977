package session

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// What left by the same first hop clearly before something that was acked is
// lost, and does not wait for its timeout.
func TestLossIsConcludedFromOrder(t *testing.T) {
	w, a, b := pair(t, 17)
	w.connect(a, b)
	n := 0
	w.tamper = func(to *testNode, frame []byte) bool {
		if to == b && isMessage(frame) {
			n++
			return n != 1
		}
		return true
	}
	start := w.now
	first := a.send(b, "first")
	w.run(limits.MessageReorder + time.Millisecond)
	a.send(b, "second")
	w.until(time.Second, func() bool { return first.calls == 1 })
	first.want(t, nil, Delivered)
	if took := first.at.Sub(start); took > 60*time.Millisecond {
		t.Errorf("took %v, want two round trips of 20ms", took)
	}
}

// A goroutine that has looked at the clock may send only after another one with
// a later time has: its message did not leave before the other's.
func TestStaleClockIsNoLoss(t *testing.T) {
	w, a, b := pair(t, 21)
	w.connect(a, b)
	first := a.send(b, "first")
	w.run(2 * limits.MessageReorder) // their acks are two
	var second Result
	stale := w.now.Add(-10 * limits.MessageReorder)
	if _, err := a.t.Send(stale, Message{To: b.self, Kind: wire.PlainMessage, DstPort: 7}, func(r Result) { second = r }); err != nil {
		t.Fatal(err)
	}
	w.run(time.Second)
	first.want(t, nil, Delivered)
	if second.Outcome != Delivered || second.Sent != 1 {
		t.Errorf("got %v after %d copies, want it delivered by one", second.Outcome, second.Sent)
	}
}
