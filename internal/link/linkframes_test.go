package link

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// Nobody owes an ack for acks and pongs. However many of them have left, they keep no
// frame from going, on a line of which nothing is known yet and on one that is known.
func TestLinkFramesTakeNoRoomOfASlowLine(t *testing.T) {
	for _, known := range []bool{false, true} {
		d, now := newDriven(drivenStart), drivenStart
		d.link.line = newLine(func() (Line, bool) { return Line{RTT: 50 * time.Millisecond, Segment: 1448}, true }, now)
		pump := func() {
			now = now.Add(limits.LinkTick)
			d.link.Clock = func() time.Time { return now }
			d.link.Pump(now)
		}
		if known {
			d.link.line.measure(0, 0)
		}
		for range 4000 {
			d.link.OnPing([8]byte{1})
			pump()
		}
		before := len(d.tray.sent)
		d.link.AppendFrame(Self, wire.ClassInteractive, testFrame(wire.ClassInteractive, 100, 1)[wire.BatchHeader:])
		if pump(); len(d.tray.sent) == before {
			t.Errorf("line known %v: got a frame held back behind %d bytes of link frames", known, d.link.untaken())
		}
	}
}
