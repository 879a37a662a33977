package link

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// A link that is probed and whose neighbour says nothing is dead within a second or
// two; one that answers, or talks, is not, though it is heard late.
func TestProbe(t *testing.T) {
	for _, test := range []struct {
		name  string
		rtt   time.Duration // as measured before
		pong  time.Duration // after the probe; 0: none
		talks time.Duration // it says something until then
		out   bool          // a ping is out already
		dead  time.Duration // 0: it lives
	}{
		{name: "silent", dead: limits.ProbeAnswer},
		{name: "silent, with a ping out", out: true, dead: limits.ProbeAnswer},
		{name: "silent and slow", rtt: 10 * time.Second, dead: 2 * limits.ProbeAnswer},
		{name: "what was heard came before", talks: limits.ProbeAnswer / 4, dead: limits.ProbeAnswer},
		{name: "answers", pong: limits.ProbeAnswer - limits.LinkTick},
		{name: "answers the ping that was out", out: true, pong: limits.ProbeAnswer / 2},
		{name: "slow, and answers", rtt: 10 * time.Second, pong: 2*limits.ProbeAnswer - limits.LinkTick},
		{name: "talks", talks: 4 * limits.ProbeAnswer},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDriven(drivenStart)
			d.link.live.srtt = test.rtt
			nonce := [8]byte{1}
			if test.out {
				d.link.Ping(drivenStart, nonce)
			}
			d.link.Probe(drivenStart, nonce)
			for now := drivenStart; now.Before(drivenStart.Add(5 * time.Second)); now = now.Add(limits.LinkTick) {
				d.link.Pump(now)
				after := now.Sub(drivenStart)
				if after > 0 && after < test.talks {
					d.link.Handle(d, wire.AppendToBatch(nil, wire.AppendPing(nil, nonce)))
				}
				if test.pong > 0 && after == test.pong {
					d.link.OnPong(now, nonce)
				}
				h := d.link.Tick(now, nonce)
				if h.Dead == reason.None {
					continue
				}
				if h.Dead != reason.Idle || after != test.dead {
					t.Errorf("after %v: got %v, want the end after %v", after, h.Dead, test.dead)
				}
				return
			}
			if test.dead > 0 {
				t.Errorf("got no end, want one after %v", test.dead)
			}
		})
	}
}

// One ping asks, however often the network changes; a link that ends is not asked.
func TestProbeAsksOnce(t *testing.T) {
	d := newDriven(drivenStart)
	for range 2 * limits.ControlFrames {
		d.link.Probe(drivenStart, [8]byte{1})
	}
	if got := d.link.control.frames; got != 1 {
		t.Errorf("got %d frames, want 1", got)
	}
	d.link.Finish(nil, reason.Leaving)
	d.link.live = newLiveness(false, drivenStart)
	d.link.Probe(drivenStart, [8]byte{1})
	if !d.link.live.probed.IsZero() {
		t.Error("a link that ends was probed")
	}
}
