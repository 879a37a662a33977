package link

import (
	"bytes"
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// smallTray is a tray that wants its messages short.
type smallTray struct{ tray }

const smallBatch = 16 << 10

func (c *smallTray) Batch() int { return smallBatch }

// sentMarks checks that no message but that of one frame is longer than a batch,
// and lists the marks of all frames.
func sentMarks(t *testing.T, c *smallTray) (m []byte) {
	t.Helper()
	for _, msg := range c.sent {
		frames := marks(t, msg)
		if len(msg) > smallBatch && len(frames) > 1 {
			t.Errorf("got a message of %d bytes with %d frames, want at most %d bytes", len(msg), len(frames), smallBatch)
		}
		m = append(m, frames...)
	}
	return m
}

func TestMessagesAreAsShortAsTheCarrierWants(t *testing.T) {
	for _, flush := range []int{0, limits.SlowBatch} {
		var c smallTray
		l := New(Config{Number: 1, Carrier: &c}, drivenStart)
		l.queue.flush = flush
		var want []byte
		var run []byte
		add := func(n int) {
			run = append(run, testFrame(wire.ClassBulk, n, byte(len(want)))...)
			want = append(want, byte(len(want)))
		}
		push := func() {
			if got := l.give(7, wire.ClassBulk, run, len(marks(t, run))); got != Queued {
				t.Fatalf("got %v, want the run queued", got)
			}
			run = nil
		}
		for range 20 { // a run of many frames
			add(1_500)
		}
		push()
		add(60_000) // a frame that is longer
		push()
		for range 5 {
			add(100)
			push()
		}
		for range 2 { // that end where a batch does
			add(smallBatch / 2)
		}
		push()
		l.Pump(drivenStart)
		if got := sentMarks(t, &c); !bytes.Equal(got, want) {
			t.Errorf("flush of %d: got frames %v, want %v", flush, got, want)
		}
		if most := 7; len(c.sent) > most {
			t.Errorf("flush of %d: got %d messages, want at most %d", flush, len(c.sent), most)
		}
		if got := l.Stats().TxFrames; got != uint64(len(want)) {
			t.Errorf("flush of %d: got %d frames counted, want %d", flush, got, len(want))
		}
	}
}

// What has to be acked is kept as it was sent.
func TestTheRingHoldsShortMessages(t *testing.T) {
	var c smallTray
	l := New(Config{Number: 1, Carrier: &c}, drivenStart)
	var run []byte
	for i := range 20 {
		run = append(run, testFrame(wire.ClassInteractive, 1_500, byte(i))...)
	}
	l.give(7, wire.ClassInteractive, run, 20)
	l.Pump(drivenStart)
	if got := l.TakeRing(); !bytes.Equal(got, run) {
		t.Errorf("given back: got %d bytes, want the %d sent", len(got), len(run))
	}
	if len(c.sent) != 2 {
		t.Errorf("got %d messages, want 2", len(c.sent))
	}
}

// Link frames that have gathered go in as many messages as it takes.
func TestLinkFramesFitTheirMessages(t *testing.T) {
	var small smallTray
	var large tray
	for _, c := range []struct {
		carrier Carrier
		sent    *[][]byte
		most    int
	}{{&small, &small.sent, smallBatch}, {&large, &large.sent, limits.MaxRecord}} {
		l := New(Config{Number: 1, Carrier: c.carrier, Wake: func() {}}, drivenStart)
		for i := range 4 { // the longest answers, as many as a peer may ask for at once
			l.AppendControl(append(wire.AppendPing(nil, [8]byte{byte(i)}), make([]byte, 43_000)...))
			l.AppendControl(wire.AppendPing(nil, [8]byte{byte(i)}))
		}
		tookMuch(l) // an ack besides
		l.AppendFrame(Self, wire.ClassBulk, testFrame(wire.ClassBulk, 100, 1)[wire.BatchHeader:])
		l.Pump(drivenStart)
		frames := 0
		for _, msg := range *c.sent {
			n := len(marks(t, msg))
			if frames += n; len(msg) > c.most && n > 1 {
				t.Errorf("got a message of %d bytes with %d frames, want at most %d bytes", len(msg), n, c.most)
			}
		}
		if frames != 10 || l.Cause() != reason.None {
			t.Errorf("got %d frames and cause %v, want 10 and none", frames, l.Cause())
		}
	}
}
