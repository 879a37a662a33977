package link

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// A neighbour that acks nothing of what waits for it is cut, be it that it answers
// pings or that it talks and reads nothing, however fast newer frames push older ones
// out of the ring, and only such a one.
func TestWhoPongsAndNeverAcksIsCut(t *testing.T) {
	for _, test := range []struct {
		name        string
		every       time.Duration // between two records to it; 0: one in all
		size        int
		pongs       bool
		talks       bool          // it says something all the time
		acks        time.Duration // between two acks; 0: never
		forward     bool          // what a suspicion gives back is sent another way
		cut, reason reason.Reason
	}{
		{name: "a little", every: time.Second, size: 100, pongs: true, cut: reason.Stalled},
		{name: "one frame", size: 100, pongs: true, cut: reason.Stalled},
		{name: "much", every: limits.LinkTick, size: 60_000, pongs: true, cut: reason.Stalled},
		{name: "acks what goes on", every: limits.LinkTick, size: 60_000, pongs: true, acks: 5 * time.Second},
		{name: "silent", every: time.Second, size: 100, cut: reason.Idle},
		{name: "what it has not taken went another way", size: 100, pongs: true, forward: true, cut: reason.Stalled},
		{name: "talks and reads nothing", every: time.Second, size: 100, talks: true, cut: reason.Stalled},
		{name: "talks and reads nothing, and that went another way", size: 100, talks: true, forward: true, cut: reason.Stalled},
		{name: "talks, is slow and acks", every: limits.LinkTick, size: 60_000, talks: true, acks: 5 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDriven(drivenStart)
			sent, acked := drivenStart.Add(-time.Hour), drivenStart
			for now := drivenStart; now.Before(drivenStart.Add(30 * time.Second)); now = now.Add(limits.LinkTick) {
				if test.every > 0 && now.Sub(sent) >= test.every || now.Equal(drivenStart) {
					d.link.AppendFrame(Self, wire.ClassInteractive, testFrame(wire.ClassInteractive, test.size, 1)[wire.BatchHeader:])
					sent = now
				}
				d.link.Pump(now)
				nonce := [8]byte{1}
				h := d.link.Tick(now, nonce)
				if h.Dead != test.cut && h.Dead != reason.None || h.Unacked != (h.Dead == reason.Stalled) {
					t.Fatalf("after %v: got %+v, want the end %v", now.Sub(drivenStart), h, test.cut)
				}
				if h.Dead != reason.None {
					if after := now.Sub(drivenStart); after < limits.AckPatience || after > limits.AckPatience+6*time.Second {
						t.Errorf("cut after %v, want %v or a little more", after, limits.AckPatience)
					}
					return
				}
				if h.Suspect && test.forward {
					d.link.TakeRing()
				}
				if test.talks {
					d.link.Handle(d, wire.AppendToBatch(nil, wire.AppendPing(nil, nonce)))
				}
				if test.pongs {
					d.link.OnPong(now, nonce)
					d.link.Handle(d, wire.AppendToBatch(nil, wire.AppendPong(nil, nonce))) // it was heard
				}
				if test.acks > 0 && now.Sub(acked) >= test.acks {
					acked = now
					d.link.OnAck(now, wire.Taken{Count: d.link.ring.frames - 1, Bytes: d.link.handed.bytes - 1})
				}
			}
			if test.cut != reason.None {
				t.Errorf("got no end, want %v", test.cut)
			}
		})
	}
}
