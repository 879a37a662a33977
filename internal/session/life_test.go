package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// chatter lets a send a datagram every second for a time.
func (w *world) chatter(a, b *testNode, d time.Duration) {
	w.t.Helper()
	for range int(d / time.Second) {
		if err := a.datagram(b, "tick"); err != nil {
			w.t.Fatalf("datagram: %v", err)
		}
		w.run(time.Second)
	}
}

func TestRekeyByTime(t *testing.T) {
	w, a, b := pair(t, 40)
	w.connect(a, b)
	p, q := a.peerOf(b), b.peerOf(a)
	old := p.current.Load()
	w.chatter(a, b, limits.RekeyAfter-10*time.Second)
	if p.current.Load() != old {
		t.Fatal("renewed before its time")
	}
	w.chatter(a, b, 30*time.Second)
	if p.current.Load() == old || !p.current.Load().initiator {
		t.Fatal("the initiator did not renew the session")
	}
	if p.previous != old || q.previous == nil {
		t.Fatal("the old session does not open any more")
	}
	w.chatter(a, b, limits.PreviousSession)
	if p.previous != nil || q.previous != nil || !old.closed.Load() {
		t.Error("the old session still opens")
	}
	if got := len(b.got); got != 680 {
		t.Errorf("delivered: got %d, want 680: none lost by the renewal", got)
	}
	if len(a.events) != 1 || len(b.events) != 1 {
		t.Errorf("events: got %d and %d, want one SessionUp each", len(a.events), len(b.events))
	}
	if a.t.index.used != 1 || b.t.index.used > 2 {
		t.Errorf("indices in use: got %d and %d", a.t.index.used, b.t.index.used)
	}
}

// The old session serves until the peer has shown that it has the new one.
func TestRekeyUnanswered(t *testing.T) {
	w, a, b := pair(t, 41)
	w.connect(a, b)
	old := a.peerOf(b).current.Load()
	w.tamper = func(_ *testNode, frame []byte) bool { return !isKind(frame, wire.HandshakeThird) }
	w.chatter(a, b, 11*time.Minute+30*time.Second)
	if got := len(b.got); got != 690 {
		t.Errorf("delivered: got %d, want 690", got)
	}
	if a.peerOf(b).current.Load() != old {
		t.Error("a session that nobody confirmed is in use")
	}
	w.tamper = nil
	w.chatter(a, b, 2*time.Minute)
	if a.peerOf(b).current.Load() == old {
		t.Error("the renewal was given up for ever")
	}
}

func TestRekeyByResponder(t *testing.T) {
	w, a, b := pair(t, 42)
	w.connect(a, b)
	w.tamper = func(to *testNode, frame []byte) bool { return !(to == b && isKind(frame, wire.HandshakeFirst)) }
	w.chatter(a, b, limits.RekeyAfter*5/4+30*time.Second)
	if p := b.peerOf(a); !p.current.Load().initiator {
		t.Error("the responder did not renew the session in place of the initiator")
	}
	if got := len(b.got); got != 780 {
		t.Errorf("delivered: got %d, want 780", got)
	}
}

func TestIdlePeerIsNotRekeyed(t *testing.T) {
	w, a, b := pair(t, 43)
	w.connect(a, b)
	w.chatter(a, b, 9*time.Minute+58*time.Second)
	before := a.emitted[wire.HandshakeFirst]
	w.run(4 * time.Minute)
	if got := a.emitted[wire.HandshakeFirst]; got-before > 1 {
		t.Errorf("handshakes of an idle session: got %d", got-before)
	}
}

func TestRekeyByCount(t *testing.T) {
	w, a, b := pair(t, 44)
	a.t.counts = counts{rekey: 100, hard: 200}
	b.t.counts = a.t.counts
	w.connect(a, b)
	first := a.peerOf(b).current.Load()
	for i := range 95 {
		if err := a.datagram(b, text(i)); err != nil {
			t.Fatal(err)
		}
	}
	w.run(time.Second)
	if a.peerOf(b).current.Load() != first {
		t.Fatal("renewed before its count")
	}
	for i := range 10 {
		if err := a.datagram(b, text(95+i)); err != nil {
			t.Fatal(err)
		}
	}
	w.run(time.Second)
	if a.peerOf(b).current.Load() == first {
		t.Fatal("not renewed at its count")
	}
	b.once(texts(105)...)
	// Messages count like datagrams.
	second := a.peerOf(b).current.Load()
	for i := range 110 {
		a.send(b, "m"+text(i))
	}
	w.run(time.Second)
	if a.peerOf(b).current.Load() == second {
		t.Error("messages do not count")
	}
}

func TestRekeyByReceivedCount(t *testing.T) {
	w, a, b := pair(t, 45)
	a.t.counts = counts{rekey: 100, hard: 200}
	b.t.counts = counts{rekey: 1000, hard: 2000}
	w.connect(a, b)
	first := a.peerOf(b).current.Load()
	for i := range 120 {
		if err := b.datagram(a, text(i)); err != nil {
			t.Fatal(err)
		}
	}
	w.run(time.Second)
	if a.peerOf(b).current.Load() == first {
		t.Error("the initiator counts only what it sends")
	}
}

func TestHardStop(t *testing.T) {
	w, a, b := pair(t, 46)
	a.t.counts = counts{rekey: 100, hard: 120}
	b.t.counts = a.t.counts
	w.connect(a, b)
	w.tamper = func(_ *testNode, frame []byte) bool { return wire.FrameType(frame) != wire.TypeHandshake }
	s := a.peerOf(b).current.Load()
	for i := range 130 {
		if err := a.datagram(b, text(i)); err != nil {
			t.Fatal(err)
		}
	}
	o := a.send(b, "message")
	w.run(time.Second)
	if got := s.sent.Load(); got != 120 {
		t.Errorf("sealed: got %d, want %d", got, 120)
	}
	if len(b.got) >= 120 || o.calls != 0 {
		t.Errorf("delivered %d, message ended %d times: want less than 120, and 0", len(b.got), o.calls)
	}
	if _, ok := a.t.AppendDatagram(nil, w.now, b.self, 1, 1, wire.ClassBulk, nil); ok {
		t.Error("AppendDatagram on a used-up session: got ok")
	}
	w.tamper = nil
	w.until(5*time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
	b.once(append(texts(130), "message")...)
}

// A counter that is beyond the hard stop is not opened.
func TestHardStopReceive(t *testing.T) {
	w, a, b := pair(t, 46)
	b.t.counts = counts{rekey: 1 << 20, hard: 10}
	w.connect(a, b)
	for i := range 20 {
		if err := a.datagram(b, text(i)); err != nil {
			t.Fatal(err)
		}
	}
	w.run(time.Second)
	if len(b.got) >= 10 || b.drops.Get(reason.Replayed) == 0 {
		t.Errorf("got %d delivered, reasons %v", len(b.got), b.drops.Map())
	}
}

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
		var fx effects
		a.t.mu.Lock()
		a.t.remove(a.t.peers[b.self], reason.Idle, &fx)
		a.t.mu.Unlock()
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

func TestUnknownSessionHint(t *testing.T) {
	w, a, b := pair(t, 49)
	w.connect(a, b)
	b.restart()
	start := w.now
	if err := a.datagram(b, "lost"); err != nil {
		t.Fatal(err)
	}
	w.until(time.Second, func() bool { return len(a.events) == 2 })
	if took := w.now.Sub(start); took > 50*time.Millisecond {
		t.Errorf("took %v, want two round trips of 20ms", took)
	}
	if err := a.datagram(b, "x"); err != nil {
		t.Fatal(err)
	}
	w.run(time.Second)
	b.once("x")
}

func TestForgedUnknownSessionHints(t *testing.T) {
	w, a, b := pair(t, 50)
	w.connect(a, b)
	p := a.peerOf(b)
	first := p.current.Load()
	remote := first.remote
	echo := func(index uint32, counter uint64) (e [16]byte) {
		wire.AppendDataHeader(e[:0], index, counter)
		return e
	}
	hint := func(e [16]byte) reason.Reason {
		return a.t.HandleHint(w.now, wire.Hint{Reason: uint8(reason.UnknownSession), Type: wire.TypeData, Dst: b.self, Echo: e})
	}
	before := a.emitted[wire.HandshakeFirst]
	for name, e := range map[string][16]byte{
		"wrong index":       echo(remote+1, 0),
		"counter not sent":  echo(remote, first.sent.Load()),
		"counter far ahead": echo(remote, 1<<60),
	} {
		if why := hint(e); why != reason.Unsolicited {
			t.Errorf("%s: got %v, want %v", name, why, reason.Unsolicited)
		}
	}
	w.run(10 * time.Millisecond)
	if got := a.emitted[wire.HandshakeFirst]; got != before {
		t.Errorf("handshakes because of them: got %d", got-before)
	}
	// A well-forged one costs a handshake per second and nothing else: what is
	// sent meanwhile arrives.
	w.tamper = func(to *testNode, frame []byte) bool { return wire.FrameType(frame) != wire.TypeHandshake }
	for i := range 100 {
		if why := hint(echo(remote, 0)); why != reason.None {
			t.Fatalf("well-forged hint: got %v", why)
		}
		if err := a.datagram(b, text(i)); err != nil {
			t.Fatal(err)
		}
		w.run(10 * time.Millisecond)
	}
	if p.current.Load() != first {
		t.Error("the session was given up for a hint")
	}
	w.run(time.Second)
	b.once(texts(100)...)
	w.tamper = nil
	w.run(10 * time.Second)
	before = a.emitted[wire.HandshakeFirst]
	remote = p.current.Load().remote
	for range 1000 {
		if err := a.datagram(b, "x"); err != nil {
			t.Fatal(err)
		}
		hint(echo(p.current.Load().remote, 0))
		w.run(10 * time.Millisecond)
	}
	if got := a.emitted[wire.HandshakeFirst] - before; got > 11 {
		t.Errorf("handshakes in 10 s of forged hints: got %d, want at most one per second", got)
	}
}

// Without any hint a sender notices by itself that the peer has forgotten it.
func TestRestartWithoutHints(t *testing.T) {
	w, a, b := pair(t, 51)
	w.connect(a, b)
	w.noHints = true
	b.restart()
	o := a.send(b, "x")
	w.until(30*time.Second, func() bool { return o.calls == 1 })
	o.want(t, reason.PeerRestarted, Unknown)
	o = a.send(b, "y")
	w.run(time.Second)
	o.want(t, nil, Delivered)
	b.once("y")
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
		j, _ := n.t.HandleHandshake(n.w.now, f, 1)
		n.jobs(j)
		return
	}
	n.data(f)
}

func TestLRUEviction(t *testing.T) {
	w := newWorld(t, 53)
	null := func(n *testNode, c *Config) { c.Null, c.Credentials = true, nil }
	ids := byte(0)
	w.ingress = func(wire.ID) uint64 { ids++; return uint64(ids) }
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
	var fx effects
	hub.t.mu.Lock()
	hub.t.remove(hub.t.peers[owes.self], reason.SessionLimit, &fx)
	hub.t.mu.Unlock()
	fx.run(hub.t)
	o.want(t, reason.SessionLimit, Unknown)
}

func TestEvictionOrder(t *testing.T) {
	_, a, _ := pair(t, 54)
	entry := func(id byte, used int64, ours bool, awaited int32) *peer {
		p := newPeer(a.t, wire.ID{id}, 1)
		p.used.Store(used)
		p.ours.Store(ours)
		p.awaited.Store(awaited)
		return p
	}
	want := []*peer{entry(9, 50, false, 0), entry(1, 60, false, 0), entry(2, 60, false, 0), entry(3, 1, true, 0), entry(4, 2, false, 1)}
	for i := range want[1:] {
		if !goesBefore(want[i], want[i+1]) || goesBefore(want[i+1], want[i]) {
			t.Errorf("entry %d does not go before entry %d", i, i+1)
		}
	}
}

func TestHomes(t *testing.T) {
	w, a, b := pair(t, 55)
	a.homes = []wire.ID{{1}, {2}}
	w.connect(a, b)
	if got := b.peerOf(a).route.Load().homes; len(got) != 2 || got[0] != (wire.ID{1}) {
		t.Fatalf("homes after the handshake: got %v", got)
	}
	var points [][]byte
	w.tap = func(from *testNode, frame []byte) {
		if f, _ := wire.ParseFrame(frame); from == b && isMessage(frame) {
			points = append(points, bytes.Clone(f.Waypoints))
			if f.Detour == nil || len(f.Detour) != 0 {
				t.Errorf("detour of a message: got %v, want an empty list", f.Detour)
			}
		}
	}
	w.tamper = func(to *testNode, frame []byte) bool { return !isMessage(frame) }
	b.send(a, "x")
	w.run(3 * time.Second)
	for k, want := range []wire.ID{{1}, {2}, {}, {}} {
		if got := points[k]; want == (wire.ID{}) && got != nil || want != (wire.ID{}) && !bytes.Equal(got, want[:]) {
			t.Errorf("copy %d: got waypoints %x, want %x", k, got, want)
		}
	}
	w.tamper, w.tap = nil, nil
	w.run(10 * time.Second)

	frame, ok := b.t.AppendDatagram(nil, w.now, a.self, 1, 1, wire.ClassBulk, nil)
	if f, err := wire.ParseFrame(frame); !ok || err != nil || f.Detour != nil || !bytes.Equal(f.Waypoints, a.homes[0][:]) {
		t.Errorf("datagram: got %+v, %v", f, err)
	}
	// New homes are told, and the newest win.
	a.homes = []wire.ID{{3}}
	a.t.HomesChanged(w.now)
	a.homes = []wire.ID{{4}, {5}}
	a.t.HomesChanged(w.now)
	w.run(time.Second)
	if got := b.peerOf(a).route.Load().homes; len(got) != 2 || got[0] != (wire.ID{4}) {
		t.Errorf("homes after the change: got %v", got)
	}
	last := b.events[len(b.events)-1]
	if last.Kind != HomesChanged || len(last.Homes) != 2 {
		t.Errorf("events: got %+v, want HomesChanged last", b.events)
	}
	if got := a.peerOf(b).awaited.Load(); got != 0 {
		t.Errorf("messages that wait: got %d, want 0", got)
	}
	// Who was not talked to lately is not told.
	w.run(limits.HomesTold + time.Second)
	before := a.emitted[0]
	a.t.HomesChanged(w.now)
	if got := a.emitted[0]; got != before {
		t.Errorf("told after %v: got %d frames", limits.HomesTold, got-before)
	}
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

// Older homes that come late do not replace newer ones.
func TestHomesOutOfOrder(t *testing.T) {
	w, a, b := pair(t, 57)
	w.connect(a, b)
	var late []byte
	w.tamper = func(to *testNode, frame []byte) bool {
		if to == b && isMessage(frame) && late == nil {
			late = bytes.Clone(frame)
			return false
		}
		return true
	}
	for _, home := range []wire.ID{{1}, {2}} {
		a.homes = []wire.ID{home}
		a.t.HomesChanged(w.now)
		w.run(time.Millisecond)
	}
	w.run(100 * time.Millisecond)
	b.data(late)
	w.run(time.Second)
	if got := b.peerOf(a).route.Load().homes; len(got) != 1 || got[0] != (wire.ID{2}) {
		t.Errorf("homes: got %v, want the newer", got)
	}
}
