package engine_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// aimAt is an aim whose first bits are these, with n behind them. Of the lowest
// two bits n says whether links of this node's choice come first.
func aimAt(bits string, n uint64) []byte {
	a := binary.BigEndian.AppendUint64(nil, n)
	for i, c := range bits {
		if c == '1' {
			a[i/8] |= 0x80 >> (i % 8)
		}
	}
	return a
}

func scatterTo(id routing.ID, aim []byte) wire.Frame {
	return wire.Frame{Type: wire.TypeHandshake, HopLimit: 60, Dst: wid(id), Src: wid(source), Aim: aim, Body: make([]byte, 240)}
}

// sentBy forwards f and returns where it goes.
func sentBy(t *testing.T, s *engine.Snapshot, f wire.Frame) (*engine.Peer, engine.Verdict) {
	t.Helper()
	v := s.Forward(engine.NewIngress(relay(at("1", 99))), bytesOf(f), noon)
	if v.Action != engine.ActionSend {
		t.Fatalf("aim %x: got %v, %v, want it sent", f.Aim, v.Action, v.Reason)
	}
	return v.Peer, v
}

// half are relays on the other half of the space, n of them.
func halfCrowd(n int) (peers []engine.PeerState) {
	for i := range n {
		peers = append(peers, engine.PeerState{Peer: relay(at("1", i+1))})
	}
	return peers
}

// TestScatterGoesByAnyCloserLink: many aims spread over all links that carry and
// lead closer, and over no other.
func TestScatterGoesByAnyCloserLink(t *testing.T) {
	peers := append(halfCrowd(16), states(r01, r001)...)
	for i := range 4 {
		peers[i].Passive = true
	}
	peers[5].Neighbours = engine.NewNeighbours([]routing.ID{target})
	s := engine.NewSnapshot(engine.SnapshotConfig{Self: me, Peers: peers, Secret: [engine.SecretLen]byte{1}})
	count := map[*engine.Peer]int{}
	for n := range uint64(1200) {
		peer, v := sentBy(t, s, scatterTo(target, aimAt("1000", n<<2)))
		count[peer]++
		if f := mustParse(t, v.Frame); string(f.Aim) != string(aimAt("1000", n<<2)) {
			t.Fatalf("got the aim %x on its way", f.Aim)
		}
	}
	for i, p := range peers {
		want := [2]int{60, 140} // 100 of each
		if i < 4 || i >= 16 {
			want = [2]int{}
		}
		if got := count[p.Peer]; got < want[0] || got > want[1] {
			t.Errorf("link %d: got %d of 1200 frames, want %d to %d", i, got, want[0], want[1])
		}
	}
}

// TestScatterSameAimSameWay: for one destination; for another it is another one,
// and at another relay, too.
func TestScatterSameAimSameWay(t *testing.T) {
	peers := halfCrowd(16)
	s := engine.NewSnapshot(engine.SnapshotConfig{Self: me, Peers: peers, Secret: [engine.SecretLen]byte{1}})
	again := engine.NewSnapshot(engine.SnapshotConfig{Self: me, Peers: slices.Clone(peers), Secret: [engine.SecretLen]byte{1}})
	other := engine.NewSnapshot(engine.SnapshotConfig{Self: me, Peers: peers, Secret: [engine.SecretLen]byte{2}})
	same := map[string]int{}
	for n := range uint64(320) {
		f, g := scatterTo(target, aimAt("1", n<<2)), scatterTo(at("1", 77), aimAt("1", n<<2))
		first, _ := sentBy(t, s, f)
		for name, p := range map[string]func() (*engine.Peer, engine.Verdict){
			"again":       func() (*engine.Peer, engine.Verdict) { return sentBy(t, again, f) },
			"destination": func() (*engine.Peer, engine.Verdict) { return sentBy(t, s, g) },
			"secret":      func() (*engine.Peer, engine.Verdict) { return sentBy(t, other, f) },
		} {
			if peer, _ := p(); peer == first {
				same[name]++
			}
		}
	}
	if same["again"] != 320 || same["destination"] > 50 || same["secret"] > 50 {
		t.Errorf("of 320 frames the same way: got %v, want all once more, and one in 16 for another destination or at another relay", same)
	}
}

// TestScatterByChoice: a quarter of the aims go by links that this node chose.
func TestScatterByChoice(t *testing.T) {
	peers := halfCrowd(16)
	peers[3].Chosen, peers[4].Chosen = true, true
	s := engine.NewSnapshot(engine.SnapshotConfig{Self: me, Peers: peers})
	stranger := 0
	for n := range uint64(64) {
		peer, _ := sentBy(t, s, scatterTo(target, aimAt("1", n)))
		chosen := peer == peers[3].Peer || peer == peers[4].Peer
		if n&3 == 1 && !chosen {
			t.Errorf("aim %d: got a stranger, want a link that was chosen", n)
		} else if n&3 != 1 && !chosen {
			stranger++
		}
	}
	if stranger < 30 {
		t.Errorf("got %d of 48 other aims by strangers, want most", stranger)
	}
	// Without one that leads closer it goes by the others.
	peers[3].Chosen, peers[4].Chosen = false, false
	peers = append(peers, engine.PeerState{Peer: r001, Chosen: true})
	s = engine.NewSnapshot(engine.SnapshotConfig{Self: me, Peers: peers})
	if peer, _ := sentBy(t, s, scatterTo(target, aimAt("1", 1))); peer == r001 {
		t.Error("got a link that was chosen and leads away, want one that leads closer")
	}
}

// TestScatterEnds: what else the rules do with a scatter frame.
func TestScatterEnds(t *testing.T) {
	here := aimAt("0000", 0) // this node is closest to it
	noAim := func(f *wire.Frame) { f.Aim = nil }
	home := func(f *wire.Frame) { f.Waypoints, f.Found = waypoints(r01.ID), true }
	record := new(held).put(target, r01.ID)
	key := target.Key()
	store := wire.Frame{Type: wire.TypeNearest, Body: nearest(key, wire.OpStore), Aim: here}
	from := relay(at("1", 99))
	runCases(t, []ruleCase{
		{"at its aim it goes the plain way", scene{peers: states(r1, r11, r01), from: from}, wire.Frame{Dst: wid(target), Aim: here}, sendChanged(r11, noAim)},
		{"not by a link that does not carry", scene{peers: passive(states(r1, r01), 0), from: from}, wire.Frame{Dst: wid(r01.ID), Aim: aimAt("1", 0)}, send(r01)},
		{"the destination is linked", scene{peers: states(r1, lf), from: from}, wire.Frame{Dst: wid(lf.ID), Aim: aimAt("1", 0)}, send(lf)},
		{"this node is the destination", scene{peers: states(r1), from: from}, wire.Frame{Dst: wid(me), Aim: aimAt("1", 0)}, ends(engine.ActionDeliver)},
		{"a record is used", scene{peers: states(r1, r01), records: record, from: from}, wire.Frame{Dst: wid(target), Aim: aimAt("1", 0)}, sendChanged(r01, home)},
		{"with a waypoint it goes there", scene{peers: states(r1, r01), from: from}, wire.Frame{Dst: wid(target), Aim: aimAt("1", 0), Waypoints: waypoints(r01.ID)}, send(r01)},
		{"a dead end", scene{peers: states(r01), from: from}, wire.Frame{Dst: wid(at("000000000000")), Aim: aimAt("0", 0)}, hint(reason.NoRoute)},
		{"a store ends at its aim", scene{peers: states(r1, r11), from: from}, store, ends(engine.ActionAnswer)},
	})
}

// TestScatterFramesOfThisNode leave by another link each time.
func TestScatterFramesOfThisNode(t *testing.T) {
	record := new(held).put(target, r01.ID)
	peers := append(halfCrowd(8), states(r01)...)
	for _, leaf := range []bool{false, true} {
		s := engine.NewSnapshot(engine.SnapshotConfig{Self: me, Leaf: leaf, Peers: peers, Records: record})
		f := scatterTo(target, aimAt("1", 0))
		f.Src = wid(me)
		seen := map[*engine.Peer]bool{}
		var past []wire.ID
		for i := range 8 {
			v := s.ForwardBy(engine.NewIngress(nil), bytesOf(f), session.Choice{Past: past}, noon)
			if v.Action != engine.ActionSend || seen[v.Peer] || mustParse(t, v.Frame).Found {
				t.Fatalf("leaf %v, copy %d: got %v to a link seen before: %v, by a record of its own: %v", leaf, i, v.Action, seen[v.Peer], mustParse(t, v.Frame).Found)
			}
			seen[v.Peer] = true
			past = append(past, wid(v.Peer.ID))
			if next := s.ForwardBy(engine.NewIngress(nil), bytesOf(f), session.Choice{K: 1, Past: past[:i]}, noon); next.Peer == v.Peer && i < 7 {
				t.Errorf("leaf %v, copy %d: got the same link as second choice", leaf, i)
			}
		}
		if !leaf && seen[r01] {
			t.Error("got a relay's frame by a link that leads away")
		}
	}
	// At its own aim a relay's frame goes on as a later copy: without a record.
	s := engine.NewSnapshot(engine.SnapshotConfig{Self: me, Peers: peers, Records: record})
	f := scatterTo(target, aimAt("0000", 0))
	f.Src = wid(me)
	v := s.ForwardOwn(engine.NewIngress(nil), bytesOf(f), 0, noon)
	if g := mustParse(t, v.Frame); v.Action != engine.ActionSend || g.Found || g.Aim != nil {
		t.Errorf("got %v with %s, want it sent without aim and record", v.Action, show(g))
	}
}

// TestScatterAcrossAMesh: every scatter frame arrives, copies share little, and
// the same aim means the same way.
func TestScatterAcrossAMesh(t *testing.T) {
	m := newMesh(100, 51)
	for i := range m.nodes { // more links than arriving takes
		for range 8 {
			if j := m.rand.IntN(len(m.nodes)); j != i {
				m.link(i, j)
			}
		}
	}
	m.settle(true)
	for pair := range 60 {
		i, j := m.rand.IntN(100), m.rand.IntN(100)
		if i == j || m.nodes[i].links[j] != nil {
			continue
		}
		first, ways := map[int]bool{}, map[string]bool{}
		var past []wire.ID
		for range 16 {
			f := m.data(i, j)
			f.Class, f.Detour, f.Aim = wire.ClassInteractive, []byte{}, aimAt("", m.rand.Uint64())
			way := m.wayOf(t, i, j, f, past)
			if again := m.wayOf(t, i, j, f, past); !slices.Equal(way, again) {
				t.Fatalf("got the ways %v and %v for one aim", way, again)
			}
			first[way[0]], ways[fmt.Sprint(way)] = true, true
			past = append(past, wid(m.nodes[way[0]].id))
		}
		if len(first) < 8 || len(ways) < 12 {
			t.Errorf("pair %d: got %d first hops and %d ways of 16 copies, want at least 8 and 12", pair, len(first), len(ways))
		}
	}
}

// wayOf is the relays that a frame passes to the node it is for.
func (m *mesh) wayOf(t *testing.T, i, to int, f wire.Frame, past []wire.ID) (way []int) {
	t.Helper()
	frame := bytesOf(f)
	v := m.nodes[i].snap.ForwardBy(m.nodes[i].own, frame, session.Choice{Past: past}, m.now)
	for v.Action == engine.ActionSend {
		j := m.index[v.Peer.ID]
		way = append(way, j)
		frame = append([]byte(nil), v.Frame...)
		i, v = j, m.nodes[j].snap.Forward(m.nodes[j].ingress[i], frame, m.now)
	}
	if i != to || v.Action != engine.ActionDeliver || len(way) > limits.MaxHops {
		t.Fatalf("got %v (%v) at %d by %v, want it at %d", v.Action, v.Reason, i, way, to)
	}
	return way
}

// TestCopiesForTheLoop: what the control loop gets of frames that go on.
func TestCopiesForTheLoop(t *testing.T) {
	record := new(held).put(target, r01.ID)
	first := make([]byte, 240)
	first[0] = wire.HandshakeFirst
	third := make([]byte, 240)
	third[0] = wire.HandshakeThird
	key := at("100", 8).Key()
	all, calm := scene{peers: states(r1, r01, r11), records: record}.snapshot(), scene{peers: passive(states(r1, r01), 0), records: record}.snapshot()
	for _, tt := range []struct {
		name      string
		s         *engine.Snapshot
		f         wire.Frame
		copy, end bool
	}{
		{"a store goes on", all, wire.Frame{Type: wire.TypeNearest, Body: nearest(key, wire.OpStore)}, true, false},
		{"by a waypoint", all, wire.Frame{Type: wire.TypeNearest, Waypoints: waypoints(r01.ID), Body: nearest(key, wire.OpStore)}, true, false},
		{"and ends here besides", calm, wire.Frame{Type: wire.TypeNearest, Body: nearest(key, wire.OpStore)}, true, true},
		{"a question goes on", all, wire.Frame{Type: wire.TypeNearest, Body: nearest(key, wire.OpFindNode)}, false, false},
		{"and ends here besides", calm, wire.Frame{Type: wire.TypeNearest, Body: nearest(key, wire.OpFindNode)}, true, true},
		{"a first message by a record", all, wire.Frame{Type: wire.TypeHandshake, Dst: wid(target), Body: first}, true, false},
		{"one that had a home", all, wire.Frame{Type: wire.TypeHandshake, Dst: wid(target), Waypoints: waypoints(r01.ID), Body: first}, false, false},
		{"a third message", all, wire.Frame{Type: wire.TypeHandshake, Dst: wid(target), Body: third}, false, false},
		{"data", all, wire.Frame{Type: wire.TypeData, Dst: wid(target), Body: first}, false, false},
		{"a first message without a record", all, wire.Frame{Type: wire.TypeHandshake, Dst: wid(at("111", 5)), Body: first}, false, false},
	} {
		tt.f.Src, tt.f.HopLimit = wid(source), 60
		v := tt.s.Forward(engine.NewIngress(relay(at("0001", 9))), bytesOf(tt.f), noon)
		if v.Action != engine.ActionSend || v.Copy != tt.copy || v.End != tt.end {
			t.Errorf("%s: got %v, copy %v, end %v, want it sent, %v, %v", tt.name, v.Action, v.Copy, v.End, tt.copy, tt.end)
		}
		tt.f.Src = wid(me)
		if v := tt.s.ForwardOwn(engine.NewIngress(nil), bytesOf(tt.f), 0, noon); v.Copy {
			t.Errorf("%s, of this node: got a copy, want none", tt.name)
		}
	}
}

// TestCopiesHaveABudget: beyond it frames go on all the same.
func TestCopiesHaveABudget(t *testing.T) {
	first := make([]byte, 240)
	first[0] = wire.HandshakeFirst
	key := at("111").Key()
	s := scene{peers: states(r1, r01), records: new(held).put(target, r01.ID)}.snapshot()
	for _, tt := range []struct {
		name        string
		f           wire.Frame
		rate, burst int
	}{
		{"stores", wire.Frame{Type: wire.TypeNearest, Body: nearest(key, wire.OpStore)}, limits.StoreRate, limits.StoreBurst},
		{"records told", wire.Frame{Type: wire.TypeHandshake, Dst: wid(target), Body: first}, limits.RecordAnswerRate, limits.RecordAnswerBurst},
	} {
		tt.f.Src, tt.f.HopLimit = wid(source), 60
		in, now := engine.NewIngress(relay(at("0001", 9))), noon
		copies := func(n int) (c int) {
			for range n {
				v := s.Forward(in, bytesOf(tt.f), now)
				if v.Action != engine.ActionSend {
					t.Fatalf("%s: got %v, %v, want each sent on", tt.name, v.Action, v.Reason)
				}
				if v.Copy {
					c++
				}
			}
			return c
		}
		if got := copies(1_000); got != tt.burst {
			t.Errorf("%s: got %d copies at once, want %d", tt.name, got, tt.burst)
		}
		now = now.Add(time.Second)
		if got := copies(1_000); got != tt.rate {
			t.Errorf("%s: got %d copies a second later, want %d", tt.name, got, tt.rate)
		}
	}
}
