package session

import (
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
