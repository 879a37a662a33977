package session

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// isMessage reports whether a frame carries a message (and not an ack or handshake).
func isMessage(frame []byte) bool {
	return wire.FrameType(frame) == wire.TypeData && wire.FrameFlags(frame).Class() == wire.ClassInteractive
}

func isAck(frame []byte) bool {
	return wire.FrameType(frame) == wire.TypeData && wire.FrameFlags(frame).Class() == wire.ClassAck
}

func TestResendByOtherHops(t *testing.T) {
	w, a, b := pair(t, 5)
	w.connect(a, b)
	w.dead = func(from *testNode, hop int) bool { return from == a && hop < 2 }
	o := a.send(b, "x")
	w.until(5*time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
	if got := b.got[0].copy; o.First == 0 || got == o.First {
		t.Errorf("the copy that arrived is named %x and the first one %x, want two names", got, o.First)
	}
	if o.Sent != 3 || o.Hop != hopID(2) {
		t.Errorf("got %d copies, the last by %x, want 3, by %x", o.Sent, o.Hop[:2], hopID(2))
	}
	b.once("x")
}

func TestResendPauses(t *testing.T) {
	w, a, b := pair(t, 5)
	w.connect(a, b)
	var left []time.Time
	w.tap = func(from *testNode, frame []byte) {
		if from == a && isMessage(frame) {
			left = append(left, w.now)
		}
	}
	w.cut = func(from, to *testNode) bool { return true }
	o := a.send(b, "x")
	w.run(30 * time.Second)
	want := []time.Duration{250, 500, 1000, 1000, 1000, 2000, 4000, 8000} // there are four first hops
	for i, d := range want {
		if got := left[i+1].Sub(left[i]); got != d*time.Millisecond {
			t.Errorf("pause %d: got %v, want %v", i, got, d*time.Millisecond)
		}
	}
	cause := errors.New("given up")
	o.p.Cancel(w.now, cause)
	o.p.Cancel(w.now, reason.Closed)
	o.want(t, cause, Unknown)
	n := len(left)
	w.run(20 * time.Second)
	if len(left) != n {
		t.Errorf("copies after the end: got %d", len(left)-n)
	}
}

func TestResendAcrossRekey(t *testing.T) {
	w, a, b := pair(t, 6)
	w.connect(a, b)
	old := a.peerOf(b).current.Load()
	w.tamper = func(to *testNode, frame []byte) bool { return !isMessage(frame) }
	var all []*outcome
	for i := range 100 {
		all = append(all, a.send(b, text(i)))
	}
	// Half of the messages arrive on the old session, but their acks are lost.
	w.tamper = func(to *testNode, frame []byte) bool { return to == b && w.rand.IntN(2) == 0 }
	w.run(300 * time.Millisecond)
	w.tamper = func(to *testNode, frame []byte) bool { return !isMessage(frame) }
	p := a.peerOf(b)
	p.mu.Lock()
	p.renewAt = p.table.at(w.now)
	p.arm(p.renewAt)
	p.mu.Unlock()
	w.until(5*time.Second, func() bool { return p.current.Load() != old })
	if len(b.got) == 0 || len(b.got) == 100 {
		t.Fatalf("delivered on the old session: got %d, want some and not all", len(b.got))
	}
	w.tamper = nil
	w.run(20 * time.Second)
	for i := range all {
		all[i].want(t, nil, Delivered)
	}
	b.once(texts(100)...)
}

func texts(n int) (s []string) {
	for i := range n {
		s = append(s, text(i))
	}
	return s
}

func TestResendAcrossSimultaneousOpen(t *testing.T) {
	for _, loss := range []float64{0, 0.3} {
		for seed := range uint64(20) {
			w, a, b := pair(t, 100+seed)
			w.loss, w.jitter, w.dup = loss, 40*time.Millisecond, 0.2
			var all []*outcome
			for i := range 10 {
				all = append(all, a.send(b, "a"+text(i)), b.send(a, "b"+text(i)))
				w.run(time.Duration(w.rand.IntN(20)) * time.Millisecond)
			}
			w.run(time.Minute)
			for _, o := range all {
				o.want(t, nil, Delivered)
			}
			if len(a.got) != 10 || len(b.got) != 10 {
				t.Errorf("seed %d: delivered %d and %d, want 10 each", seed, len(a.got), len(b.got))
			}
			sa, sb := a.peerOf(b).current.Load(), b.peerOf(a).current.Load()
			if sa.local != sb.remote || sb.local != sa.remote {
				t.Errorf("seed %d: the ends send on different sessions", seed)
			}
		}
	}
}

// frameKind returns the kind of a Handshake frame.
func frameKind(frame []byte) uint8 {
	f, err := wire.ParseFrame(frame)
	if err != nil || len(f.Body) == 0 {
		return 0
	}
	return f.Body[0]
}

func TestRefusal(t *testing.T) {
	w, a, b := pair(t, 11)
	w.connect(a, b)
	var copyOf []byte
	w.tap = func(from *testNode, frame []byte) {
		if from == a && isMessage(frame) {
			copyOf = bytes.Clone(frame)
		}
	}
	b.deliver = func(*Delivery) reason.Reason { return reason.NoHandler }
	// The first refusal is lost; a handler appears; the next copy is refused again.
	lost := 0
	w.tamper = func(to *testNode, frame []byte) bool {
		if to == a && isAck(frame) && lost == 0 {
			lost++
			b.deliver = nil
			return false
		}
		return true
	}
	o := a.send(b, "unwanted")
	w.until(5*time.Second, func() bool { return o.calls == 1 })
	o.want(t, reason.NoHandler, Undelivered)
	if o.Sent != 2 || copyOf == nil {
		t.Errorf("copies: got %d, want 2", o.Sent)
	}
	w.run(5 * time.Second)
	b.once()
	wanted := a.send(b, "wanted")
	w.run(time.Second)
	wanted.want(t, nil, Delivered)
	b.once("wanted")
}

func TestPortFull(t *testing.T) {
	w, a, b := pair(t, 12)
	w.connect(a, b)
	tries := 0
	b.deliver = func(*Delivery) reason.Reason {
		if tries++; tries < 4 {
			return reason.PortFull
		}
		return reason.None
	}
	o := a.send(b, "x")
	w.until(10*time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
	b.once("x")
	if got := b.drops.Get(reason.PortFull); got != 3 || o.Sent != 4 {
		t.Errorf("got %d times full and %d copies, want 3 and 4", got, o.Sent)
	}
}

func TestResponseNobodyWaitsFor(t *testing.T) {
	w, a, b := pair(t, 13)
	w.connect(a, b)
	var id uint64
	b.deliver = func(d *Delivery) reason.Reason { id = d.MessageID; return reason.None }
	o := a.request(b, "question")
	w.run(100 * time.Millisecond)
	o.p.Cancel(w.now, reason.Expired)
	o.want(t, reason.Expired, Delivered)
	late := b.sendMessage(Message{To: a.self, Kind: wire.PlainResponse, RequestID: id})
	w.run(time.Second)
	late.want(t, reason.Unsolicited, Undelivered)
}

// Two copies that arrive by two readers at once are delivered once.
func TestConcurrentCopies(t *testing.T) {
	w, a, b := pair(t, 15)
	w.connect(a, b)
	var frames [][]byte
	w.tap = func(from *testNode, frame []byte) {
		if from == a && isMessage(frame) {
			frames = append(frames, bytes.Clone(frame))
		}
	}
	w.tamper = func(*testNode, []byte) bool { return false }
	o := a.send(b, "x")
	w.run(300 * time.Millisecond)
	if len(frames) != 2 {
		t.Fatalf("copies: got %d, want 2", len(frames))
	}
	var inner reason.Reason
	var other Batch
	b.deliver = func(*Delivery) reason.Reason {
		if frames[1] != nil {
			second := frames[1]
			frames[1] = nil
			inner = b.t.Receive(&other, w.now, second)
		}
		return reason.None
	}
	var first Batch
	if why := b.t.Receive(&first, w.now, frames[0]); why != reason.None {
		t.Errorf("first copy: got %v", why)
	}
	if inner != reason.Duplicate {
		t.Errorf("copy during the delivery: got %v, want %v", inner, reason.Duplicate)
	}
	w.tamper = nil
	b.t.EndBatch(&first, w.now)
	b.t.EndBatch(&other, w.now)
	w.run(time.Second)
	o.want(t, nil, Delivered)
	b.once("x")
}

func TestLostAckIsRepairedByTheNext(t *testing.T) {
	w, a, b := pair(t, 16)
	w.connect(a, b)
	lost := 0
	w.tamper = func(to *testNode, frame []byte) bool {
		if to == a && isAck(frame) && lost < 2 {
			lost++
			return false
		}
		return true
	}
	var all []*outcome
	for i := range 3 {
		all = append(all, a.send(b, text(i)))
		w.run(30 * time.Millisecond)
	}
	w.run(20 * time.Millisecond)
	for _, o := range all {
		o.want(t, nil, Delivered)
		if o.Sent != 1 {
			t.Errorf("%s: got %d copies, want 1", o.data, o.Sent)
		}
	}
}

func TestFullQueueKeepsMessage(t *testing.T) {
	w, a, b := pair(t, 18)
	w.connect(a, b)
	a.full = true
	o := a.send(b, "x")
	w.run(time.Second)
	a.full = false
	w.until(time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
	if o.Sent != 1 || o.First != b.got[0].copy {
		t.Errorf("copies: got %d, the first named %x, want 1 that arrived as %x", o.Sent, o.First, b.got[0].copy)
	}
}

func TestCancelNeverLeft(t *testing.T) {
	w, a, b := pair(t, 19)
	w.cut = func(from, to *testNode) bool { return true }
	o := a.send(b, "x")
	w.run(10 * time.Second)
	if o.calls != 0 || a.emitted[wire.HandshakeFirst] < 4 {
		t.Errorf("got %d results and %d copies of message 1", o.calls, a.emitted[wire.HandshakeFirst])
	}
	o.p.Cancel(w.now, reason.Expired)
	o.want(t, reason.Expired, Undelivered)
	sent := a.emitted[wire.HandshakeFirst]
	w.run(time.Minute)
	if got := a.emitted[wire.HandshakeFirst]; got != sent {
		t.Errorf("handshake that nobody waits for: got %d more copies", got-sent)
	}
	w.run(10 * time.Minute)
	if a.t.Len() != 0 || len(w.events) != 0 {
		t.Errorf("got %d entries and %d events left, want none", a.t.Len(), len(w.events))
	}
}

// An ack that reaches back over earlier ids must not cover one that was refused.
func TestAckDoesNotCoverRefusal(t *testing.T) {
	w, a, b := pair(t, 19)
	w.connect(a, b)
	b.deliver = func(d *Delivery) reason.Reason {
		if string(d.Data) == "refused" {
			return reason.NoHandler
		}
		return reason.None
	}
	lost := 0
	w.tamper = func(to *testNode, frame []byte) bool {
		if to == a && isAck(frame) && lost == 0 {
			lost++
			return false
		}
		return true
	}
	refused := a.send(b, "refused")
	w.run(15 * time.Millisecond)
	accepted := a.send(b, "accepted")
	w.run(time.Second)
	refused.want(t, reason.NoHandler, Undelivered)
	accepted.want(t, nil, Delivered)
	b.once("accepted")
}
