package link

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// flow sends a frame of class 3 each tick, which nobody acks, and returns when a
// first found the link suspect; 0: not within d.
func flow(d time.Duration, a, b *end) time.Duration {
	for began, i := time.Now(), 0; time.Since(began) < d; i++ {
		a.Append(Self, wire.ClassBulk, numbered(wire.ClassBulk, 100, i), 1)
		a.Kick(1)
		if tickFor(limits.LinkTick, a, b)[0].Suspect {
			return time.Since(began)
		}
	}
	return 0
}

// A direct link that sends and hears nothing is suspect within 2 s; that its
// neighbour has nothing to say is no silence.
func TestSilenceOfADirectLink(t *testing.T) {
	for _, test := range []struct {
		name           string
		direct, silent bool
		suspect        bool
	}{
		{"direct and silent", true, true, true},
		{"direct, one way", true, false, false},
		{"of the table, silent", false, true, false}, // for the pings of an idle link
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := pair()
				a.Direct, b.hold = test.direct, make(chan struct{})
				if !test.silent {
					close(b.hold)
				}
				a.run()
				b.run()
				after := flow(4*time.Second, a, b)
				if latest := limits.DirectPing + limits.LinkRTOMin + 4*limits.LinkTick; (after > 0) != test.suspect || after > latest {
					t.Errorf("suspect after %v, want %v, after %v at most", after, test.suspect, latest)
				}
				if test.silent {
					close(b.hold)
				}
				a.stop()
				b.stop()
			})
		})
	}
}

// A direct link is looked at often while it waits to hear something, and an idle
// one as seldom as any.
func TestDirectLinkIsBusyUntilHeard(t *testing.T) {
	d := newDriven(drivenStart)
	d.link.Direct = true
	if h := d.link.Tick(drivenStart, [8]byte{1}); h.Busy {
		t.Error("idle: got it busy")
	}
	d.link.AppendFrame(Self, wire.ClassBulk, numbered(wire.ClassBulk, 100, 1)[wire.BatchHeader:])
	d.link.Pump(drivenStart)
	now := drivenStart.Add(limits.DirectPing)
	if h := d.link.Tick(now, [8]byte{1}); !h.Busy || h.Suspect || len(d.tray.sent) != 1 || d.wakes == 0 {
		t.Fatalf("got %+v after a silent second, want it busy and a ping on its way", h)
	}
	if asked, _ := d.link.OnPong(now, [8]byte{1}); !asked {
		t.Fatal("got no ping")
	}
	d.link.Handle(d, wire.AppendToBatch(nil, wire.AppendPong(nil, [8]byte{1})))
	if h := d.link.Tick(now.Add(time.Minute), [8]byte{2}); h.Busy || h.Suspect || h.Dead != reason.None {
		t.Errorf("heard: got %+v, want it quiet", h)
	}
}
