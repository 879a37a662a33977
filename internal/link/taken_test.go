package link

import (
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// tookMuch has a link read a frame and so many bytes that an ack is due at once.
func tookMuch(l *Link) {
	l.rx.bytes.Add(limits.AckBytes)
	l.Took(1, 1)
}

// allTaken is the ack of all that was sent.
func (l *Link) allTaken() wire.Taken { return wire.Taken{Count: l.ring.frames, Bytes: l.handed.bytes} }

// taker is a driven link that takes what it is given.
type taker struct{ *drivenEnd }

func (d taker) HandleBatch(l *Link, batch []byte) reason.Reason {
	frames, kept := 0, 0
	for len(batch) > 0 {
		frame, rest, err := wire.NextInBatch(batch)
		if err != nil {
			return reason.ProtocolError
		}
		batch = rest
		switch {
		case !wire.IsLink(frame):
			frames++
			if wire.FrameFlags(frame).Class() < wire.ClassBulk {
				kept++
			}
		case wire.LinkType(frame[0]) == wire.LinkAck:
			t, err := wire.ParseLinkAck(frame)
			if err != nil {
				return reason.ProtocolError
			}
			if genuine, _ := l.OnAck(drivenStart, t); !genuine {
				return reason.ProtocolError
			}
		}
	}
	l.Took(frames, kept)
	return reason.None
}

// carry gives to all that from has sent.
func (d taker) carry(t *testing.T, to taker) {
	t.Helper()
	d.link.Pump(drivenStart)
	for _, msg := range d.tray.sent {
		if why := to.link.Handle(to, msg); why != reason.None {
			t.Fatalf("got %v, want no reason to end the link", why)
		}
	}
	d.tray.sent = nil
}

// Acks count the bytes of frames of every class, and of link frames that came
// before; those alone owe none.
func TestAcksCountTheBytesOfAllClasses(t *testing.T) {
	for class := wire.ClassControl; class <= wire.ClassBulk; class++ {
		a, b := taker{newDriven(drivenStart)}, taker{newDriven(drivenStart)}
		a.link.Ping(drivenStart, [8]byte{1})
		if a.carry(t, b); b.link.owing.ack.Load() {
			t.Errorf("class %d: a ping owes an ack", class)
		}
		a.link.AppendFrame(Self, class, testFrame(class, 60, 1)[wire.BatchHeader:])
		if a.carry(t, b); a.link.untaken() == 0 || !b.link.owing.ack.Load() {
			t.Fatalf("class %d: %d bytes are untaken, an ack is owed: %v", class, a.link.untaken(), b.link.owing.ack.Load())
		}
		b.link.mu.Lock()
		b.link.wakeAck()
		b.link.mu.Unlock()
		if b.carry(t, a); a.link.untaken() != 0 || a.link.owing.ack.Load() || b.link.owing.ack.Load() {
			t.Errorf("class %d: after the ack %d bytes are untaken", class, a.link.untaken())
		}
	}
}

// A flood of a class that is kept has an ack each limits.AckBytes, one of
// datagrams each limits.AckBulkShare times that, and no more.
func TestAFloodIsAcked(t *testing.T) {
	for class, each := range map[wire.Class]int{
		wire.ClassInteractive: limits.AckBytes, wire.ClassBulk: limits.AckBytes * limits.AckBulkShare,
	} {
		floodIsAcked(t, class, each)
	}
}

func floodIsAcked(t *testing.T, class wire.Class, each int) {
	t.Helper()
	a, b := taker{newDriven(drivenStart)}, taker{newDriven(drivenStart)}
	b.link.owing.look(drivenStart, 0)
	b.link.owing.look(drivenStart.Add(limits.LinkTick), 100<<20) // that is how fast it comes
	acks, sent := 0, 0
	for range 2000 {
		a.link.AppendFrame(Self, class, testFrame(class, 1000, 1)[wire.BatchHeader:])
		a.carry(t, b)
		sent += 1000
		if b.link.control.frames > 0 {
			acks++
		}
		b.carry(t, a)
	}
	if want := sent / each; acks < want-2 || acks > want+2 {
		t.Errorf("class %d: got %d acks for %d bytes, want %d", class, acks, sent, want)
	}
	if got := a.link.untaken(); got > each+2000 {
		t.Errorf("got %d bytes untaken, want at most what owes no ack yet", got)
	}
}

// What comes slowly is acked each limits.AckSpan of its rate, whatever its class, but
// not each small frame of its own.
func TestWhatComesSlowlyIsAckedSoon(t *testing.T) {
	for _, test := range []struct {
		rate int // bytes/s
		each int // bytes that have an ack
	}{
		{8_000, limits.AckBytesMin}, {125_000, 2_500}, {1_250_000, 25_000}, {12_500_000, 250_000}, {1 << 30, limits.AckBytes * limits.AckBulkShare},
	} {
		var o owing
		o.look(drivenStart, 1000)
		now, bytes := drivenStart, 1000
		for range 4 {
			now, bytes = now.Add(limits.LinkTick), bytes+test.rate/40
			o.look(now, uint64(bytes))
		}
		o.told.Store(uint64(bytes))
		if o.enough(0, uint64(bytes+test.each-1)) || !o.enough(0, uint64(bytes+test.each)) {
			t.Errorf("%d bytes/s: an ack is due after %d bytes, want %d", test.rate, o.span.Load(), test.each)
		}
	}
}
