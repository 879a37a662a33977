package link

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// lined is a running link over a line whose room the test decides on.
type lined struct {
	*modelLink
	looks atomic.Int32
}

func newLined(t *testing.T) *lined {
	c := newModelCarrier(leavesNothing)
	l := &lined{}
	cfg := Config{Number: 1, Carrier: c, Line: func() (Line, bool) { l.looks.Add(1); return c.line() }}
	l.modelLink = &modelLink{Link: New(cfg, time.Now()), carrier: c, want: make(map[uint32]int), lined: true}
	l.modelLink.run((*Link).Run)
	t.Cleanup(func() {
		l.Link.Close(reason.Closed)
		l.all.Wait()
	})
	return l
}

// flood has frames of a kilobyte wait that came by another link.
func (l *lined) flood(n int) {
	for range n {
		f, _ := l.mesh(wire.ClassBulk, 1000)
		l.Append(9, wire.ClassBulk, f, 1)
	}
	l.Rouse()
	synctest.Wait()
}

func (l *lined) delivered() (bytes int) {
	l.carrier.mu.Lock()
	defer l.carrier.mu.Unlock()
	for _, m := range l.carrier.delivered {
		bytes += len(m)
	}
	return bytes
}

// What a line has no room for waits in the link, and goes when there is room: nobody
// has to tell. Until then it is looked at by a timer alone.
func TestWhatTheLineHasNoRoomForWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLined(t)
		l.carrier.change(func() { l.carrier.full = true })
		l.flood(20)
		held := l.delivered()
		if held < startLimit/2 || held > startLimit+4<<10 {
			t.Fatalf("the carrier was given %d bytes, want about %d", held, startLimit)
		}
		l.looks.Store(0)
		time.Sleep(time.Second)
		if most := int(time.Second / (10 * time.Millisecond)); l.delivered() != held || int(l.looks.Load()) > most+1 {
			t.Errorf("a second later: %d bytes more and %d looks, want none and %d: one each quarter of a round trip", l.delivered()-held, l.looks.Load(), most)
		}
		l.looks.Store(0)
		for range 20 { // who sends meanwhile makes nobody look
			f, _ := l.mesh(wire.ClassInteractive, 60)
			l.AppendOwn(wire.ClassInteractive, f[wire.BatchHeader:])
			l.forward(1)
		}
		synctest.Wait()
		if l.looks.Load() > 1 || l.delivered() != held {
			t.Errorf("by those who send meanwhile: got %d looks and %d bytes more", l.looks.Load(), l.delivered()-held)
		}
		l.carrier.change(func() { l.carrier.full = false })
		time.Sleep(limits.LinkTick)
		synctest.Wait()
		if l.Stats().Queued > 0 {
			t.Errorf("with room again: %d bytes wait", l.Stats().Queued)
		}
	})
}

// Link frames go at once, whatever waits.
func TestLinkFramesPassWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLined(t)
		l.carrier.change(func() { l.carrier.full = true })
		l.flood(20)
		held := l.delivered()
		l.Ping(time.Now(), [8]byte{1})
		synctest.Wait()
		if got := l.delivered() - held; got < 9 || got > 100 {
			t.Errorf("got %d bytes, want a ping alone", got)
		}
	})
}

// What the neighbour has not read is bounded as well, and its acks make room.
func TestWhatIsNotReadIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLined(t)
		l.flood(100)
		if got := l.delivered(); got > 4*startLimit { // two, and two flushes, which are as long on a new link
			t.Fatalf("%d bytes were given to a neighbour that reads nothing, want %d at most", got, 4*startLimit)
		}
		for range 100 {
			l.acked()
			synctest.Wait()
		}
		if got := l.Stats().Queued; got > 0 {
			t.Errorf("after acks of all: %d bytes wait", got)
		}
	})
}

// A link that has something waiting, and whose neighbour takes nothing, ends as one
// whose write makes no progress does.
func TestHeldLinkWithoutProgressEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLined(t)
		l.carrier.change(func() { l.carrier.full = true })
		l.flood(100)
		for began := time.Now(); ; time.Sleep(limits.LinkTick) {
			h := l.Tick(time.Now(), [8]byte{})
			if !h.Busy && h.Dead == reason.None {
				t.Fatal("a link that is held back is not looked at")
			}
			if took := time.Since(began); h.Dead == reason.Stalled {
				if took < limits.WriteStall || took > limits.WriteStall+limits.LinkTick {
					t.Errorf("it ended after %v, want %v", took, limits.WriteStall)
				}
				return
			} else if took > 2*limits.WriteStall {
				t.Fatal("it does not end")
			}
		}
	})
}

// Who drives a link is told for how long something waits, and woken by acks.
func TestPumpTellsForHowLongSomethingWaits(t *testing.T) {
	d := &drivenEnd{}
	held := 0
	d.link = New(Config{
		Number: 1, Carrier: &d.tray, Wake: func() { d.wakes++ },
		Line: func() (Line, bool) { return Line{Held: held, RTT: 40 * time.Millisecond}, true },
	}, drivenStart)
	for range 60 {
		d.link.AppendFrame(Self, wire.ClassBulk, testFrame(wire.ClassBulk, 1000, 1)[wire.BatchHeader:])
	}
	held = 1 << 30
	now := drivenStart
	if got := d.link.Pump(now); got != 10*time.Millisecond {
		t.Fatalf("got a wait of %v, want a quarter of the round trip", got)
	}
	sent := len(d.tray.sent)
	if now = now.Add(10 * time.Millisecond); d.link.Pump(now) == 0 || len(d.tray.sent) != sent {
		t.Errorf("without room: got %d messages more", len(d.tray.sent)-sent)
	}
	held, d.wakes = 0, 0
	if now = now.Add(10 * time.Millisecond); d.link.Pump(now) == 0 || len(d.tray.sent) <= sent {
		t.Error("with room in the carrier: got nothing more, want what the neighbour may leave unread")
	}
	for range 20 {
		if d.link.OnAck(now, d.link.allTaken()); d.link.Stats().Queued > 0 && d.wakes == 0 {
			t.Fatal("an ack woke nobody")
		}
		d.wakes = 0
		d.link.Pump(now)
	}
	if got := d.link.Pump(now); got != 0 || d.link.Stats().Queued > 0 {
		t.Errorf("after acks of all: got a wait of %v with %d bytes waiting", got, d.link.Stats().Queued)
	}
}
