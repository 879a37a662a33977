package session

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

func TestBlameNeedsTwoDestinations(t *testing.T) {
	var s scores
	hop, b, c := wire.ID{1}, wire.ID{2}, wire.ID{3}
	at := time.Second
	for i := range 100 {
		at += limits.BlameGap
		if s.blame(hop, b, at) {
			t.Fatalf("blame %d of one destination: got a doubt, want none", i)
		}
	}
	if !s.blame(hop, c, at+limits.BlameGap) {
		t.Error("a second destination: got no doubt, want one")
	}
	if !s.blame(hop, c, at+2*limits.BlameGap) {
		t.Error("one more loss after the doubt: got no doubt, want one")
	}
}

func TestBlameOfOneOutageCountsOnce(t *testing.T) {
	var s scores
	for i := range byte(100) {
		if s.blame(wire.ID{1}, wire.ID{2, i}, time.Second+time.Duration(i)) {
			t.Fatalf("loss %d within the same moment: got a doubt, want none", i)
		}
	}
}

func TestCreditOutweighsBlame(t *testing.T) {
	var s scores
	hop := wire.ID{1}
	at := time.Second
	for i := range byte(100) {
		at += limits.BlameGap
		if s.blame(hop, wire.ID{2, i % 2}, at) {
			t.Fatalf("loss %d: got a doubt though most arrives, want none", i)
		}
		for range 3 {
			s.credit(hop, wire.ID{9})
		}
	}
	for range 10 {
		s.credit(hop, wire.ID{9})
	}
	if s.blamed.Load() != 0 || len(s.byHop) != 0 {
		t.Errorf("got %d scores of a hop that proved itself, want none", len(s.byHop))
	}
}

func TestCreditIsNotForWhatTheHopItselfAcked(t *testing.T) {
	var s scores
	hop, at := wire.ID{1}, time.Second
	doubted := false
	for i := range byte(3) {
		at += limits.BlameGap
		doubted = s.blame(hop, wire.ID{2, i}, at)
		s.credit(hop, hop)
	}
	if !doubted {
		t.Error("got no doubt of a hop that acks its own messages only, want one")
	}
}

func TestScoresAreBounded(t *testing.T) {
	var s scores
	bad := wire.ID{1}
	s.blame(bad, wire.ID{2}, time.Second)
	s.blame(bad, wire.ID{2}, 2*time.Second)
	for i := range 3 * limits.ScoredHops {
		s.blame(wire.ID{3, byte(i), byte(i >> 8)}, wire.ID{2}, time.Minute)
	}
	if len(s.byHop) != limits.ScoredHops || int(s.blamed.Load()) != len(s.byHop) {
		t.Errorf("got %d scores, counted as %d, want %d", len(s.byHop), s.blamed.Load(), limits.ScoredHops)
	}
	if s.byHop[bad] == nil {
		t.Error("got no score of the worst hop, want it kept")
	}
}

// TestDoubt has a first hop that drops all, on the way to several destinations.
func TestDoubt(t *testing.T) {
	w := newWorld(t, 310)
	var doubted []wire.ID
	a := w.add(func(n *testNode, c *Config) { c.Doubt = func(hop wire.ID) { doubted = append(doubted, hop) } })
	var others []*testNode
	for range 4 {
		b := w.add(nil)
		w.connect(a, b)
		others = append(others, b)
	}
	w.dropper(a, 0)
	for i, b := range others[:3] {
		if len(doubted) != 0 {
			t.Fatalf("after %d destinations: got %x doubted, want none", i, doubted)
		}
		a.sendThrough(b, "x").wantBy(t, 2, 1)
	}
	if len(doubted) != 1 || doubted[0] != hopID(0) {
		t.Errorf("got %x doubted, want the first hop 0", doubted)
	}
}

// TestDoubtNeedsTwoDestinations lets one destination alone lose what comes by a
// first hop.
func TestDoubtNeedsTwoDestinations(t *testing.T) {
	w := newWorld(t, 311)
	a := w.add(func(n *testNode, c *Config) {
		c.Doubt = func(hop wire.ID) { t.Errorf("got %x doubted, want none", hop[:2]) }
	})
	b := w.add(nil)
	w.connect(a, b)
	w.dropper(a, 0)
	for range 10 {
		a.peerOf(b).lead = lead{} // a renewal may have found one
		a.sendThrough(b, "x").wantBy(t, 2, 1)
		a.sendThrough(b, "y").wantBy(t, 1, 1)
		w.run(limits.LeadLife)
	}
}

// TestNobodyIsBlamedForAForgedCookie has a destination that is gone, and a relay
// on the way that answers in its place.
func TestNobodyIsBlamedForAForgedCookie(t *testing.T) {
	w, a, b := pair(t, 312)
	w.dead = func(*testNode, int) bool { return true }
	a.send(b, "x")
	w.run(3 * time.Second)
	body := wire.HandshakeBody{Kind: wire.HandshakeCookie, Receiver: a.peerOf(b).init.local, Cookie: cookie{1}}
	f := wire.Frame{Type: wire.TypeHandshake, HopLimit: 60, Dst: a.self, Src: b.self, Body: wire.AppendHandshakeBody(nil, &body)}
	sent := a.emitted[wire.HandshakeFirst]
	a.arrive(wire.AppendFrame(nil, &f))
	if got := a.emitted[wire.HandshakeFirst] - sent; got != 1 {
		t.Errorf("got %d copies of message 1 for the cookie, want one", got)
	}
	if n := a.t.scores.blamed.Load(); n != 0 {
		t.Errorf("got %d first hops blamed, want none", n)
	}
}
