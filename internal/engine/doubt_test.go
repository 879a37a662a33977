package engine

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// hop returns where a frame of the node itself to an ID goes by choice c, nil
// for nowhere.
func (b *brain) hop(to routing.ID, c session.Choice) *Peer {
	b.t.Helper()
	f := wire.Frame{Type: wire.TypeData, Class: wire.ClassInteractive, HopLimit: 64, Dst: wire.ID(to), Src: wire.ID(b.cfg.Self), Detour: []byte{}}
	return b.Snapshot().ForwardBy(NewIngress(nil), wire.AppendFrame(nil, &f), c, b.now).Peer
}

// wantHop fails the test unless each of 50 IDs that are not linked, and the peer
// itself, is sent to by way of p as told.
func (b *brain) wantHop(what string, p *Peer, used, direct bool) {
	b.t.Helper()
	var by int
	for i := range byte(50) {
		for k := range b.Snapshot().FirstHops(wire.ID{0xEE, i}) {
			if b.hop(routing.ID{0xEE, i}, session.Choice{K: k}) == p {
				by++
			}
		}
	}
	if by > 0 != used {
		b.t.Errorf("%s: got %d choices of first hop that lead to the peer, want some: %v", what, by, used)
	}
	if got := b.hop(p.ID, session.Choice{}) == p; got != direct {
		b.t.Errorf("%s: what is for the peer itself goes by its link: got %v, want %v", what, got, direct)
	}
}

func TestDoubtedRelay(t *testing.T) {
	b := newBrain(t, roomy)
	bad, other := b.peer(routing.ID{1}, nil), b.peer(routing.ID{2}, nil)
	b.up(bad, nil)
	b.step(Doubted{bad.ID})
	b.wantHop("the only relay", bad, true, true)
	b.up(other, nil)
	b.wantHop("doubted", bad, false, true)
	if n := b.Snapshot().FirstHops(wire.ID(bad.ID)); n != 2 {
		t.Errorf("first hops to the doubted relay: got %d, want its own link and the other relay", n)
	}
	if p := b.hop(bad.ID, session.Choice{K: 1}); p != other {
		t.Errorf("second choice to the doubted relay: got %v, want the other relay", p)
	}

	b.down(bad, reason.CarrierFailed)
	bad = b.peer(bad.ID, nil)
	b.up(bad, nil)
	b.wantHop("by a new link", bad, false, true)

	b.runFor(limits.DoubtHold - time.Second)
	b.wantHop("before the hold ends", bad, false, true)
	if at, ok := b.Next(); !ok || at.After(b.now.Add(time.Second)) {
		t.Errorf("next: got %v, %v, want the end of the hold", at.Sub(b.now), ok)
	}
	b.runFor(time.Second)
	b.wantHop("after the hold", bad, true, true)
}

func TestDoubtedRelayIsBetterThanASuspectOne(t *testing.T) {
	b := newBrain(t, roomy)
	bad, slow := b.peer(routing.ID{1}, nil), b.peer(routing.ID{2}, nil)
	b.up(bad, nil)
	b.up(slow, nil)
	b.step(Doubted{bad.ID})
	b.step(LinkHealth{Link: slow.Link, Suspect: true})
	b.wantHop("beside a suspect one", bad, true, true)
}

func TestDoubtOfAStrangerIsNotKept(t *testing.T) {
	b := newBrain(t, roomy)
	b.step(Doubted{routing.ID{9}})
	if len(b.doubts.until) != 0 {
		t.Errorf("got %d doubts of nodes without a link, want none", len(b.doubts.until))
	}
}

func TestDoubtsAreBounded(t *testing.T) {
	b := newBrain(t, roomy)
	for i := range 2 * limits.ScoredHops {
		p := b.peer(routing.ID{1, byte(i), byte(i >> 8)}, nil)
		b.up(p, nil)
		b.step(Doubted{p.ID})
		b.down(p, reason.CarrierFailed)
	}
	if n := len(b.doubts.until); n != limits.ScoredHops {
		t.Errorf("got %d doubts, want %d", n, limits.ScoredHops)
	}
	b.now = b.now.Add(limits.DoubtHold)
	b.step(Wake{})
	if n := len(b.doubts.until); n != 0 || !b.doubts.next.IsZero() {
		t.Errorf("after the hold: got %d doubts, want none", n)
	}
}

func TestDoubtedLinkIsNotProven(t *testing.T) {
	b := newBrain(t, roomy)
	p := b.peer(routing.ID{1}, nil)
	b.up(p, nil)
	n := b.links.byNumber[p.Link.Number]
	b.now = b.now.Add(limits.ProvenAfter)
	if !b.proven(n, b.now) {
		t.Error("got an old link that is not proven, want it proven")
	}
	b.step(Doubted{p.ID})
	if b.proven(n, b.now) {
		t.Error("got a doubted link that is proven, want it not so")
	}
}

func TestForwardByAFirstHop(t *testing.T) {
	b := newBrain(t, roomy)
	near, far := b.peer(routing.ID{1}, nil), b.peer(routing.ID{2}, nil)
	leaf := b.peer(routing.ID{3}, func(c *link.Config) { c.Leaf = true })
	for _, p := range []*Peer{near, far, leaf} {
		b.up(p, nil)
	}
	to := routing.ID{0xEE}
	best := b.hop(to, session.Choice{})
	for _, tt := range []struct {
		name string
		to   routing.ID
		c    session.Choice
		want *Peer
	}{
		{"a relay", to, session.Choice{Via: wire.ID(near.ID)}, near},
		{"another", to, session.Choice{Via: wire.ID(far.ID), K: 1}, far},
		{"a stranger", to, session.Choice{Via: wire.ID{9}}, best},
		{"a leaf", to, session.Choice{Via: wire.ID(leaf.ID)}, best},
		{"the leaf that it is for", leaf.ID, session.Choice{Via: wire.ID(leaf.ID)}, leaf},
		{"a way round to it", leaf.ID, session.Choice{Via: wire.ID(far.ID)}, far},
	} {
		if got := b.hop(tt.to, tt.c); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	b.step(Doubted{near.ID})
	if got := b.hop(to, session.Choice{Via: wire.ID(near.ID)}); got != far {
		t.Errorf("a doubted relay: got %v, want the other", got)
	}
}

func TestDoubtedLinkIsSparedFirst(t *testing.T) {
	b := newBrain(t, roomy)
	var peers []*Peer
	for i := range 20 {
		peers = append(peers, b.relay(stranger(i), nil))
	}
	for _, p := range peers { // every peer can do without this node
		var list wire.Peers
		for i := range 20 {
			list.Entries = append(list.Entries, wire.PeerEntry{ID: wire.ID(stranger(5000 + i).ID()), Role: wire.RoleRelay})
		}
		b.linkFrame(p, wire.AppendPeers(nil, &list))
	}
	for range 5 {
		usual := b.spare(b.now, true)
		if usual == nil {
			t.Fatal("no link can be spared while all are new")
		}
		var other *neighbour // one that may go, too
		for _, n := range b.links.list {
			if n != usual && !b.isDoubted(n) && b.spareOf(func(o *neighbour) bool { return o == n }) == n {
				other = n
			}
		}
		if other == nil {
			t.Fatal("only one link can be spared, want several to choose from")
		}
		b.step(Doubted{other.ID})
		if got := b.spare(b.now, true); got != other && !b.isDoubted(got) {
			t.Errorf("spare: got a link that nobody doubts, want a doubted one")
		}
		b.now = b.now.Add(limits.DoubtHold)
		b.step(Wake{})
	}
}
