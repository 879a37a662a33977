package link

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// A neighbour that takes nothing of what is sent to it, of whatever class, is
// suspect soon; that it has nothing to say is no silence.
func TestSilenceIsNoticed(t *testing.T) {
	for class := wire.ClassControl; class <= wire.ClassBulk; class++ {
		for _, silent := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				a, b := pair()
				b.hold = make(chan struct{})
				if !silent {
					close(b.hold)
				}
				a.run()
				b.run()
				after := keepSending(4*time.Second, class, a, b)
				if latest := limits.LinkRTOMin + 4*limits.LinkTick; (after > 0) != silent || after > latest {
					t.Errorf("class %d: suspect after %v, want %v, after %v at most", class, after, silent, latest)
				}
				if silent {
					close(b.hold)
				}
				a.stop()
				b.stop()
			})
		}
	}
}

// keepSending sends a frame each tick and returns when a first found the link suspect; 0:
// not within d.
func keepSending(d time.Duration, class wire.Class, a, b *end) time.Duration {
	for began, i := time.Now(), 0; time.Since(began) < d; i++ {
		a.Append(Self, class, numbered(class, 100, i), 1)
		a.Kick(1)
		if tickFor(limits.LinkTick, a, b)[0].Suspect {
			return time.Since(began)
		}
	}
	return 0
}

// lineOf is a driven link over which each message takes a while, and whose
// neighbour acks what it has at once.
type lineOf struct {
	*drivenEnd
	now   time.Time
	dealt int       // of tray.sent, which the neighbour has taken
	free  time.Time // when the line is
}

// step lets a tick go by: messages arrive at so many bytes in a second, and acks
// come back after rtt.
func (l *lineOf) step(rate int, rtt time.Duration) Health {
	l.now = l.now.Add(limits.LinkTick)
	l.link.Pump(l.now)
	for l.dealt < len(l.tray.sent) {
		done := l.free.Add(time.Duration(len(l.tray.sent[l.dealt])) * time.Second / time.Duration(rate))
		if done.Add(rtt).After(l.now) {
			break
		}
		l.free = done
		l.dealt++
		bytes := uint64(0)
		for _, msg := range l.tray.sent[:l.dealt] {
			bytes += uint64(len(msg))
		}
		l.link.OnAck(l.now, wire.Taken{Bytes: bytes})
	}
	if l.dealt == len(l.tray.sent) {
		l.free = l.now
	}
	return l.link.Tick(l.now, [8]byte{1})
}

// A line of 64 kbit/s with two seconds of queue in front of it is slow and not
// suspect while its neighbour takes something now and then. When that stops it is
// suspect soon, whatever waits.
func TestASlowLineIsNotSuspect(t *testing.T) {
	const rate, size = 8_000, 1_000
	l := &lineOf{drivenEnd: newDriven(drivenStart), now: drivenStart, free: drivenStart}
	for waiting := 0; l.now.Before(drivenStart.Add(20 * time.Second)); waiting = len(l.tray.sent) - l.dealt {
		if waiting < 2*rate/size {
			l.link.AppendFrame(Self, wire.ClassBulk, testFrame(wire.ClassBulk, size, 1)[wire.BatchHeader:])
		}
		if h := l.step(rate, 50*time.Millisecond); h.Suspect || !h.Busy {
			t.Fatalf("after %v, with %d messages below: got %+v, want it busy and in good standing", l.now.Sub(drivenStart), waiting, h)
		}
	}
	stopped := l.now
	for l.now.Sub(stopped) < time.Second {
		l.link.AppendFrame(Self, wire.ClassBulk, testFrame(wire.ClassBulk, size, 1)[wire.BatchHeader:])
		if l.step(1, 0).Suspect {
			return
		}
	}
	t.Error("got no suspicion within a second after the line stopped")
}

// What a link waits for at most, by its round trip.
func TestPatience(t *testing.T) {
	for _, c := range []struct{ srtt, want time.Duration }{
		{0, limits.LinkRTOMin},
		{50 * time.Millisecond, 250 * time.Millisecond},
		{100 * time.Millisecond, 350 * time.Millisecond},
		{300 * time.Millisecond, limits.LinkRTOSoon},
		{600 * time.Millisecond, 1250 * time.Millisecond},
		{time.Minute, limits.LinkRTOMax},
	} {
		if got := (&liveness{srtt: c.srtt}).rto(); got != c.want {
			t.Errorf("round trip %v: got %v, want %v", c.srtt, got, c.want)
		}
	}
}

// A node that stood still itself does not suspect its neighbours for that.
func TestANodeThatStoodStillSuspectsNobody(t *testing.T) {
	d := newDriven(drivenStart)
	d.link.AppendFrame(Self, wire.ClassBulk, testFrame(wire.ClassBulk, 100, 1)[wire.BatchHeader:])
	d.link.Pump(drivenStart)
	d.link.Tick(drivenStart, [8]byte{1})
	now := drivenStart.Add(5 * time.Second)
	if h := d.link.Tick(now, [8]byte{1}); h.Suspect {
		t.Error("after 5 s without a look: got it suspect at once")
	}
	for range limits.LinkRTOMin/limits.LinkTick + 1 {
		now = now.Add(limits.LinkTick)
		if d.link.Tick(now, [8]byte{1}).Suspect {
			return
		}
	}
	t.Error("got no suspicion of a neighbour that goes on to be silent")
}

// A link is looked at often while an ack of whatever class has to come, and an
// idle one as seldom as any.
func TestLinkIsBusyUntilAllIsTaken(t *testing.T) {
	busy := 0
	d := newDriven(drivenStart)
	d.link.OnBusy = func() { busy++ }
	d.link.Ping(drivenStart, [8]byte{1})
	d.link.Pump(drivenStart)
	if h := d.link.Tick(drivenStart, [8]byte{1}); h.Busy || busy > 0 {
		t.Errorf("a ping makes the link busy: got %+v, %d calls", h, busy)
	}
	for range 3 {
		d.link.AppendFrame(Self, wire.ClassBulk, testFrame(wire.ClassBulk, 100, 1)[wire.BatchHeader:])
		d.link.Pump(drivenStart)
	}
	if h := d.link.Tick(drivenStart, [8]byte{1}); !h.Busy || busy != 1 {
		t.Errorf("datagrams that nobody has taken: got %+v, %d calls, want it busy after one", h, busy)
	}
	d.link.OnAck(drivenStart, d.link.allTaken())
	if h := d.link.Tick(drivenStart.Add(time.Second), [8]byte{2}); h.Busy || h.Suspect || h.Dead != reason.None {
		t.Errorf("all is taken: got %+v, want it quiet", h)
	}
}

// A neighbour that stands still again and again is not given more time for that.
func TestSilenceIsNoRoundTrip(t *testing.T) {
	d := newDriven(drivenStart)
	now := drivenStart
	for stop := range 10 {
		silent := time.Duration(0)
		for class := wire.ClassInteractive; silent < 3*time.Second; silent += limits.LinkTick {
			now = now.Add(limits.LinkTick)
			d.link.AppendFrame(Self, class, testFrame(class, 100, 1)[wire.BatchHeader:])
			d.link.Pump(now)
			if h := d.link.Tick(now, [8]byte{1}); h.Suspect != (silent > limits.LinkRTOMin) {
				t.Fatalf("stop %d, after %v: suspect %v", stop, silent, h.Suspect)
			}
		}
		first := d.link.allTaken()
		first.Count, first.Bytes = first.Count-10, first.Bytes-10
		if stop%2 == 0 {
			d.link.OnAck(now, first) // what lay in its buffers comes bit by bit
		}
		d.link.OnPong(now, [8]byte{1})
		d.link.OnAck(now, d.link.allTaken())
		d.link.Tick(now, [8]byte{1})
	}
}
