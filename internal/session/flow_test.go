package session

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// flow is a stream of numbered messages of 64 bytes from one node to another.
type flow struct {
	w        *world
	from, to *testNode
	sent     int
	seen     []uint8 // deliveries by number
	ended    []uint8
	acked    []bool
	failed   int
	results  int
}

func newFlow(w *world, from, to *testNode, n int) *flow {
	f := &flow{w: w, from: from, to: to, seen: make([]uint8, n), ended: make([]uint8, n), acked: make([]bool, n)}
	to.deliver = func(d *Delivery) reason.Reason {
		f.seen[binary.BigEndian.Uint32(d.Data)]++
		return reason.None
	}
	to.quiet = true
	return f
}

// send sends the next k messages.
func (f *flow) send(k int) {
	data := make([]byte, 64)
	for ; k > 0 && f.sent < len(f.seen); k-- {
		i := f.sent
		f.sent++
		binary.BigEndian.PutUint32(data, uint32(i))
		m := Message{To: f.to.self, Kind: wire.PlainMessage, Data: append([]byte(nil), data...), Patient: true}
		_, err := f.from.t.Send(f.w.now, m, func(r Result) { f.end(i, r) })
		if err != nil {
			f.w.t.Fatalf("send %d: %v", i, err)
		}
	}
}

func (f *flow) end(i int, r Result) {
	f.ended[i]++
	f.results++
	f.acked[i] = r.Err == nil
	if r.Err == nil && r.Outcome != Delivered {
		f.w.t.Errorf("message %d: got outcome %v without an error", i, r.Outcome)
	}
	if r.Err != nil {
		f.failed++
	}
}

// every sends k messages each millisecond until all have left.
func (f *flow) every(k int) {
	f.send(k)
	if f.sent < len(f.seen) {
		f.w.after(time.Millisecond, func() { f.every(k) })
	}
}

func (f *flow) over() bool { return f.results >= len(f.ended) }

// check holds the promises: nothing delivered twice, nothing acked that was not
// delivered, every message ended once.
func (f *flow) check() (deliveredN, ackedN int) {
	f.w.t.Helper()
	for i := range f.seen {
		if f.seen[i] > 1 {
			f.w.t.Errorf("message %d: delivered %d times", i, f.seen[i])
		}
		if f.acked[i] && f.seen[i] == 0 {
			f.w.t.Errorf("message %d: acked but not delivered", i)
		}
		if f.ended[i] != 1 {
			f.w.t.Errorf("message %d: ended %d times, want once", i, f.ended[i])
		}
		deliveredN += int(f.seen[i])
		if f.acked[i] {
			ackedN++
		}
	}
	return deliveredN, ackedN
}

func TestResendUnderFlow100k(t *testing.T) {
	w, a, b := pair(t, 2)
	w.connect(a, b)
	w.loss = 0.02
	f := newFlow(w, a, b, 120_000)
	start := w.now
	f.every(100)
	w.until(2*time.Minute, f.over)
	d, acked := f.check()
	if acked != len(f.seen) {
		t.Errorf("acked: got %d of %d (%d delivered)", acked, len(f.seen), d)
	}
	t.Logf("%d messages in %v, %d frames", len(f.seen), w.now.Sub(start), w.frames)
	// Where one ack tells of a whole window, one in fifty that is lost costs a timeout.
	if took := w.now.Sub(start); took > time.Minute {
		t.Errorf("120,000 messages at 100,000/s: took %v", took)
	}
	if n := a.peerOf(b).awaited.Load(); n != 0 {
		t.Errorf("awaited at the end: got %d, want 0", n)
	}
}

func TestLossReorderDuplicate100k(t *testing.T) {
	w, a, b := pair(t, 3)
	w.connect(a, b)
	w.loss, w.dup, w.jitter = 0.2, 0.1, 30*time.Millisecond
	f := newFlow(w, a, b, 100_000)
	f.every(50)
	w.until(2*time.Minute, func() bool { return f.sent == len(f.seen) && a.peerOf(b).out.count < 1000 })
	// What is under way now is given up: it has to be reported, too.
	a.t.Close(w.now)
	w.loss = 0
	w.run(5 * time.Second)
	d, acked := f.check()
	if acked < len(f.seen)-1000 || acked+f.failed != len(f.seen) {
		t.Errorf("got %d acked and %d reported of %d", acked, f.failed, len(f.seen))
	}
	t.Logf("%d delivered, %d acked, %d reported, %d frames", d, acked, f.failed, w.frames)
}

// A receiver's window is never overrun, and what does not fit waits.
func TestMessageWindowFull(t *testing.T) {
	w, a, b := pair(t, 4)
	w.connect(a, b)
	first := true
	w.tamper = func(to *testNode, frame []byte) bool { // the first message never gets through
		if to == b && first && wire.FrameFlags(frame).Class() == wire.ClassInteractive {
			return false
		}
		return true
	}
	f := newFlow(w, a, b, limits.MessageWindow+1000)
	f.send(1)
	w.run(time.Millisecond)
	w.tamper = nil
	hold := a.peerOf(b).out.lowest
	b.deliver = func(d *Delivery) reason.Reason {
		if i := binary.BigEndian.Uint32(d.Data); first && i == 0 {
			return reason.PortFull
		}
		f.seen[binary.BigEndian.Uint32(d.Data)]++
		return reason.None
	}
	f.every(1000)
	w.run(2 * time.Second)
	o := &a.peerOf(b).out
	if o.lowest != hold || o.next-o.lowest != limits.MessageWindow {
		t.Errorf("ids under way: got %d, want %d", o.next-o.lowest, limits.MessageWindow)
	}
	if len(o.ring) != limits.MessageWindow {
		t.Errorf("ring: got %d places, want %d", len(o.ring), limits.MessageWindow)
	}
	if got := 64 * len(b.peerOf(a).in.seen); got != limits.MessageWindow {
		t.Errorf("window: got %d bits, want %d", got, limits.MessageWindow)
	}
	first = false
	w.until(time.Minute, f.over)
	if _, acked := f.check(); acked != len(f.seen) {
		t.Errorf("acked: got %d of %d", acked, len(f.seen))
	}
}
