package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

func TestIdleDrop(t *testing.T) {
	w, a, b := pair(t, 47)
	w.connect(a, b)
	w.run(limits.SessionIdle - time.Second)
	if a.t.Len() != 1 || b.t.Len() != 1 {
		t.Fatalf("entries before the time: got %d and %d, want 1", a.t.Len(), b.t.Len())
	}
	w.run(5 * time.Second)
	for _, n := range []*testNode{a, b} {
		if n.t.Len() != 0 || n.t.index.used != 0 {
			t.Errorf("after the time: got %d entries and %d indices", n.t.Len(), n.t.index.used)
		}
		if got := n.events[len(n.events)-1]; got.Kind != SessionDown {
			t.Errorf("events: got %+v, want SessionDown last", n.events)
		}
	}
	if len(w.events) > 2 {
		t.Errorf("events left: got %d", len(w.events))
	}
	o := a.send(b, "again")
	w.run(time.Second)
	o.want(t, nil, Delivered)
	b.once("again")
}

// Ids of messages never come twice, not even when the entry of the peer was
// dropped in between: the peer may remember them.
func TestIdsGoOnAfterIdle(t *testing.T) {
	w, a, b := pair(t, 48)
	var ids []uint64
	b.deliver = func(d *Delivery) reason.Reason { ids = append(ids, d.MessageID); return reason.None }
	for range 3 {
		a.send(b, "x")
		w.run(time.Second)
		a.forget(b)
	}
	for i := range ids[1:] {
		if ids[i+1] <= ids[i] {
			t.Errorf("ids: got %v, want rising", ids)
		}
	}
	if len(b.got) != 3 {
		t.Errorf("delivered: got %d, want 3", len(b.got))
	}
}

func TestReplayAndReflection(t *testing.T) {
	w, a, b := pair(t, 52)
	w.connect(a, b)
	var captured [][]byte
	w.tap = func(from *testNode, frame []byte) { captured = append(captured, bytes.Clone(frame)) }
	for i := range 200 {
		a.send(b, text(i))
		if err := b.datagram(a, text(i)); err != nil {
			t.Fatal(err)
		}
	}
	w.run(time.Second)
	a.restart() // so that the capture holds handshakes, too
	again := a.send(b, "again")
	w.run(time.Second)
	again.want(t, nil, Delivered)
	w.tap = nil
	w.cut = func(from, to *testNode) bool { return true }
	a.got, b.got = nil, nil
	sa, sb := a.peerOf(b).current.Load(), b.peerOf(a).current.Load()
	for i := range 100_000 {
		f := bytes.Clone(captured[w.rand.IntN(len(captured))])
		if len(f) < wire.HeaderLen {
			continue
		}
		switch i % 4 {
		case 0: // as it was
		case 1: // sent back
			src, dst := *wire.FrameSrc(f), *wire.FrameDst(f)
			*wire.FrameSrc(f), *wire.FrameDst(f) = dst, src
		case 2: // altered, body or all of it
			at := wire.HeaderLen + w.rand.IntN(len(f)-wire.HeaderLen)
			f[at] ^= byte(1 + w.rand.IntN(255))
		case 3:
			f[w.rand.IntN(len(f))] ^= byte(1 + w.rand.IntN(255))
		}
		for _, n := range []*testNode{a, b} {
			replay(n, bytes.Clone(f))
		}
		if i%1000 == 0 {
			w.run(10 * time.Millisecond)
		}
	}
	w.run(100 * time.Millisecond)
	a.once()
	b.once()
	w.cut = nil
	o := a.send(b, "still there")
	w.run(100 * time.Millisecond)
	o.want(t, nil, Delivered)
	b.once("still there")
	if a.peerOf(b).current.Load() != sa || b.peerOf(a).current.Load() != sb {
		t.Error("the sessions were exchanged because of the attack")
	}
}

// replay lets a frame arrive at n, whatever it is.
func replay(n *testNode, f []byte) {
	if wire.FrameType(f) == wire.TypeHandshake {
		j, _ := n.t.HandleHandshake(n.w.now, f, Ingress{Link: 1})
		n.jobs(j)
		return
	}
	n.data(f)
}

func TestLRUEviction(t *testing.T) {
	w := newWorld(t, 53)
	null := func(n *testNode, c *Config) { c.Null, c.Credentials = true, nil }
	links := uint64(0)
	w.ingress = func(wire.ID) Ingress { links++; return Ingress{Link: links} }
	hub := w.add(null)
	spoke := func() *testNode {
		n := w.add(null)
		n.quiet = true
		return n
	}
	ours, owes := spoke(), spoke()
	hub.quiet = true
	w.connect(hub, ours)
	w.connect(owes, hub)
	w.cut = func(from, to *testNode) bool { return to == owes }
	o := hub.send(owes, "never acked")
	w.run(time.Millisecond)

	old := spoke()
	w.connect(old, hub)
	pin := hub.send(old, "x")
	w.run(100 * time.Millisecond)
	pin.want(t, nil, Delivered)
	for hub.t.Len() < limits.Sessions {
		n := spoke()
		if err := n.datagram(hub, "x"); err != nil {
			t.Fatal(err)
		}
		w.run(50 * time.Millisecond)
	}
	if hub.t.find(&old.self) == nil {
		t.Fatal("evicted before the table was full")
	}
	for range 10 {
		n := spoke()
		if err := n.datagram(hub, "x"); err != nil {
			t.Fatal(err)
		}
		w.run(50 * time.Millisecond)
		if got := hub.t.Len(); got != limits.Sessions {
			t.Fatalf("entries: got %d, want %d", got, limits.Sessions)
		}
	}
	if hub.t.find(&old.self) != nil {
		t.Error("the least recently used peer is still there")
	}
	if hub.t.find(&ours.self) == nil || hub.t.find(&owes.self) == nil {
		t.Error("a peer went whose session we began or who owes us an ack")
	}
	if hub.t.index.used > 2*limits.Sessions+limits.HandshakeAnswers {
		t.Errorf("indices: got %d", hub.t.index.used)
	}
	// Where only such peers are left, the message that has to go is reported.
	hub.forget(owes)
	o.want(t, reason.SessionLimit, Unknown)
}

func TestClose(t *testing.T) {
	w, a, b := pair(t, 56)
	w.connect(a, b)
	w.cut = func(from, to *testNode) bool { return true }
	left := a.send(b, "left")
	asked := a.request(b, "asked")
	nobody := w.add(nil)
	never := a.send(nobody, "never left")
	a.t.Close(w.now)
	left.want(t, reason.Closed, Unknown)
	asked.want(t, reason.Closed, Unknown)
	never.want(t, reason.Closed, Undelivered)
	if _, err := a.t.Send(w.now, Message{To: b.self, Kind: wire.PlainMessage}, nil); err != reason.Closed {
		t.Errorf("send after the end: got %v, want %v", err, reason.Closed)
	}
	if err := a.t.Datagram(w.now, b.self, 1, 1, wire.ClassBulk, nil); err != reason.Closed {
		t.Errorf("datagram after the end: got %v, want %v", err, reason.Closed)
	}
	if a.t.Len() != 0 || a.t.index.used != 0 {
		t.Errorf("after the end: got %d entries, %d indices", a.t.Len(), a.t.index.used)
	}
	a.t.Close(w.now)
	w.cut = nil
	o := b.send(a, "x")
	w.run(5 * time.Second)
	if o.calls != 0 || len(a.got) != 0 {
		t.Error("a closed table answers")
	}
}

// What the seal covers cannot be changed on the way, the rest of the header can.
func TestHeaderIsSealed(t *testing.T) {
	for name, test := range map[string]struct {
		change func(w *world, f []byte)
		want   bool
	}{
		"mark":        {func(_ *world, f []byte) { wire.MarkFrame(f) }, true},
		"class":       {func(_ *world, f []byte) { f[1] ^= 1 }, false},
		"type":        {func(_ *world, f []byte) { f[0] = byte(wire.TypeProbe) }, false},
		"source":      {func(w *world, f []byte) { *wire.FrameSrc(f) = w.add(nil).self }, false},
		"destination": {func(w *world, f []byte) { f[3] ^= 1 }, false},
		"index":       {func(_ *world, f []byte) { f[wire.HeaderLen+1] ^= 1 }, false},
		"counter":     {func(_ *world, f []byte) { f[wire.HeaderLen+1+11] ^= 1 }, false},
		"hop limit":   {func(_ *world, f []byte) { f[2] = 9 }, true},
		"found":       {func(_ *world, f []byte) { f[1] |= byte(wire.FlagFound) }, true},
	} {
		w, a, b := pair(t, 58)
		w.connect(a, b)
		var frame []byte
		w.tap = func(_ *testNode, f []byte) { frame = bytes.Clone(f) }
		w.cut = func(from, to *testNode) bool { return true }
		a.send(b, "x")
		w.tap = nil
		genuine := bytes.Clone(frame)
		test.change(w, frame)
		why := b.t.Receive(new(Batch), w.now, frame)
		if got := len(b.got) == 1; got != test.want {
			t.Errorf("%s changed: got delivered %v (%v), want %v", name, got, why, test.want)
		}
		if why := b.t.Receive(new(Batch), w.now, genuine); !test.want && why != reason.None {
			t.Errorf("%s: the genuine frame afterwards: got %v", name, why)
		}
	}
}
