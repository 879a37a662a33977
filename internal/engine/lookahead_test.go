package engine_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

func knows(p *engine.Peer, rtt uint32, ids ...routing.ID) engine.PeerState {
	return engine.PeerState{Peer: p, RTTMicros: rtt, Neighbours: engine.NewNeighbours(ids)}
}

// beyond returns an ID that shares exactly n leading bits with k.
func beyond(k routing.Key, n int, m ...int) routing.ID {
	b := make([]byte, n+1)
	for i := range b {
		b[i] = '0' + k[i/8]<<(i%8)>>7
	}
	b[n] ^= 1
	return at(string(b), m...)
}

// agreement returns the first bit from n on that the Keys have in common.
func agreement(a, b routing.Key, n int) int {
	for (a[n/8]^b[n/8])<<(n%8)&0x80 != 0 {
		n++
	}
	return n
}

func TestLookahead(t *testing.T) {
	near, nearer := beyond(target.Key(), 8), beyond(target.Key(), 9)
	nearest1, nearest2 := beyond(target.Key(), 10, 1), beyond(target.Key(), 10, 2)
	if routing.Closer(nearest2.Key(), nearest1.Key(), target.Key()) {
		nearest1, nearest2 = nearest2, nearest1
	}
	wrong := relay(beyond(me.Key(), agreement(me.Key(), target.Key(), 4)))
	other, third := relay(at("1001")), relay(at("1011"))
	suspect := knows(r1, 10, target)
	suspect.Suspect = true
	for _, tt := range []struct {
		name  string
		peers []engine.PeerState
		plain bool
		want  *engine.Peer
	}{
		{"no lists", states(r1, r11), false, r11},
		{"the closest neighbour decides", []engine.PeerState{knows(r1, 0, near), knows(r11, 0, r01.ID)}, false, r1},
		{"unless plain", []engine.PeerState{knows(r1, 0, near), knows(r11, 0, r01.ID)}, true, r11},
		{"the closest of all neighbours", []engine.PeerState{knows(r1, 0, near), knows(other, 0, nearer), {Peer: r11}}, false, other},
		{"the target itself", []engine.PeerState{knows(r1, 0, nearer), knows(other, 0, target), knows(r11, 0, near)}, false, other},
		{"a relay of its own", []engine.PeerState{knows(r1, 0, r01.ID), {Peer: r11}}, false, r11},
		{"never by one not strictly closer", []engine.PeerState{knows(wrong, 1, target), {Peer: r1}}, false, r1},
		{"nobody strictly closer: a detour", []engine.PeerState{knows(wrong, 1, target)}, false, wrong},
		{"never by a suspect", []engine.PeerState{suspect, {Peer: r11}, knows(r1, 0)}, false, r11},
		{"never by a leaf", []engine.PeerState{knows(lf, 1, target), knows(r1, 0)}, false, r1},
		{"this node as a neighbour counts for nothing", []engine.PeerState{knows(r1, 1, me), {Peer: r11}}, false, r11},
		{"as near: the faster", []engine.PeerState{knows(r1, 300, near), knows(other, 200, near), knows(third, 400, near)}, false, other},
		{"as near: measured before not measured", []engine.PeerState{knows(r1, 0, near), knows(third, 9_000_000, near)}, false, third},
		{"as near: the same leading bits", []engine.PeerState{knows(r1, 300, nearest1), knows(other, 200, nearest2)}, false, other},
		{"as near and as fast: the closer", []engine.PeerState{knows(r1, 300, nearest2), knows(other, 300, nearest1)}, false, other},
		{"nearer before faster", []engine.PeerState{knows(r1, 300, nearer), knows(other, 200, near)}, false, r1},
		{"as near: the relay before a neighbour", []engine.PeerState{knows(r1, 1, at("1100000")), {Peer: r11, RTTMicros: 900}}, false, r11},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := engine.NewSnapshot(engine.SnapshotConfig{Self: me, Peers: tt.peers, PlainGreedy: tt.plain})
			v := s.Forward(engine.NewIngress(r001), datagram(wid(target), wid(source)), noon)
			if v.Peer != tt.want {
				t.Errorf("got %v, %v, want %v", v.Action, v.Peer, tt.want)
			}
		})
	}
}

func TestNeighboursAreBounded(t *testing.T) {
	var away []routing.ID
	for _, id := range ids(4*limits.PeerListEntries, 1) {
		if startsWith(id.Key(), "0") {
			away = append(away, id)
		}
	}
	for _, tt := range []struct {
		name string
		list []routing.ID
		want *engine.Peer
	}{
		{"the last entry", append(away[:limits.PeerListEntries-1:limits.PeerListEntries-1], target), r1},
		{"one entry more", append(away[:limits.PeerListEntries:limits.PeerListEntries], target), r11},
	} {
		s := scene{peers: append(states(r11), knows(r1, 0, tt.list...))}.snapshot()
		if v := s.Forward(engine.NewIngress(r01), datagram(wid(target), wid(source)), noon); v.Peer != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, v.Peer, tt.want)
		}
	}
}

// view is a peer and what it knows, for the comparison.
type view struct {
	state engine.PeerState
	list  []routing.ID
}

// rank is how good the best of a peer's places is: the least is best.
type rank struct {
	bits, far, rtt int
	head           uint64
}

func (a rank) less(b rank) bool {
	switch {
	case a.bits != b.bits:
		return a.bits > b.bits
	case a.far != b.far:
		return a.far < b.far
	case a.rtt != b.rtt:
		return a.rtt < b.rtt
	}
	return a.head < b.head
}

func (v view) best(self, target routing.Key) rank {
	rtt := int(v.state.RTTMicros)
	if rtt == 0 {
		rtt = 1 << 32
	}
	of := func(k routing.Key, far int) rank {
		x := k.Xor(target)
		return rank{min(k.CommonPrefixLen(target), 64), far, rtt, binary.BigEndian.Uint64(x[:])}
	}
	best := of(v.state.Key, 0)
	for _, id := range v.list {
		if r := of(id.Key(), 1); id.Key() != self && r.less(best) {
			best = r
		}
	}
	return best
}

// TestLookaheadAgainstTrying compares the search with one that tries every peer
// and every neighbour.
func TestLookaheadAgainstTrying(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 60).Draw(t, "nodes")
		all := ids(n, rapid.Uint64().Draw(t, "seed"))
		self, known := all[0], false
		var views []view
		var peers []engine.PeerState
		for i := range rapid.IntRange(1, n-1).Draw(t, "peers") {
			first := rapid.IntRange(0, n-1).Draw(t, "first")
			list := all[first:rapid.IntRange(first, n).Draw(t, "last")]
			p := engine.PeerState{Peer: relay(all[1+i]), RTTMicros: uint32(i % 4)}
			if rapid.Bool().Draw(t, "lists") {
				p.Neighbours, known = engine.NewNeighbours(list), true
			} else {
				list = nil
			}
			peers, views = append(peers, p), append(views, view{p, list})
		}
		dst := rapid.SampledFrom(append(all, ids(1, rapid.Uint64().Draw(t, "target"))...)).Draw(t, "dst")
		if dst == self || !known {
			return // there is no look-ahead to compare with
		}
		var want *view
		for i := range views {
			v := &views[i]
			if v.state.ID == dst {
				want = v
				break
			}
			if !routing.Closer(v.state.Key, self.Key(), dst.Key()) {
				continue
			}
			if want == nil || v.best(self.Key(), dst.Key()).less(want.best(self.Key(), dst.Key())) {
				want = v
			}
		}
		s := engine.NewSnapshot(engine.SnapshotConfig{Self: self, Peers: peers})
		got := s.Forward(engine.NewIngress(r1), datagram(wid(dst), wid(source)), noon)
		if want == nil { // its source lets it leave in any direction
			return
		}
		if got.Peer != want.state.Peer {
			t.Fatalf("got %v to %v, want %v", got.Action, got.Peer, want)
		}
	})
}

func BenchmarkNewSnapshot(b *testing.B) {
	for _, n := range []int{24, 200} {
		b.Run(fmt.Sprintf("links=%d", n), func(b *testing.B) {
			peers := crowd(n, n)
			b.ReportAllocs()
			for b.Loop() {
				engine.NewSnapshot(engine.SnapshotConfig{Self: me, Peers: peers})
			}
		})
	}
}
