package engine_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

func TestForwardOwn(t *testing.T) {
	relays := states(r1, r11, r01, r001)
	linked := append(states(lf), relays...)
	suspect := states(r1, r11, r01, r001)
	suspect[1].Suspect = true
	away := at("0110", 7)
	noWaypoints := func(f *wire.Frame) { f.Waypoints = nil }
	for _, tt := range []struct {
		ruleCase
		k int
	}{
		{ruleCase{"the best", scene{peers: relays}, wire.Frame{Dst: wid(target)}, send(r11)}, 0},
		{ruleCase{"the second", scene{peers: relays}, wire.Frame{Dst: wid(target)}, send(r1)}, 1},
		{ruleCase{"in any direction", scene{peers: relays}, wire.Frame{Dst: wid(target)}, send(r01)}, 2},
		{ruleCase{"the last", scene{peers: relays}, wire.Frame{Dst: wid(target)}, send(r001)}, 3},
		{ruleCase{"the first again", scene{peers: relays}, wire.Frame{Dst: wid(target)}, send(r11)}, 4},
		{ruleCase{"modulo", scene{peers: relays}, wire.Frame{Dst: wid(target)}, send(r1)}, 9},
		{ruleCase{"below zero", scene{peers: relays}, wire.Frame{Dst: wid(target)}, send(r11)}, -1},
		{ruleCase{"at a dead end", scene{peers: relays}, wire.Frame{Dst: wid(beside)}, sendChanged(r001, func(f *wire.Frame) { f.Detour = prefixes(me) })}, 0},
		{ruleCase{"the second at a dead end", scene{peers: relays}, wire.Frame{Dst: wid(beside)}, send(r01)}, 1},
		{ruleCase{"no suspect", scene{peers: suspect}, wire.Frame{Dst: wid(target)}, send(r01)}, 1},
		{ruleCase{"a direct leaf first", scene{peers: linked}, wire.Frame{Dst: wid(lf.ID)}, send(lf)}, 0},
		{ruleCase{"then the relays", scene{peers: linked}, wire.Frame{Dst: wid(lf.ID)}, send(r11)}, 1},
		{ruleCase{"and the leaf again", scene{peers: linked}, wire.Frame{Dst: wid(lf.ID)}, send(lf)}, 5},
		{ruleCase{"a direct relay first", scene{peers: relays}, wire.Frame{Dst: wid(r1.ID)}, send(r1)}, 0},
		{ruleCase{"then the other relays", scene{peers: relays}, wire.Frame{Dst: wid(r1.ID)}, send(r11)}, 1},
		{ruleCase{"no waypoint to a direct peer", scene{peers: linked}, wire.Frame{Dst: wid(lf.ID), Waypoints: waypoints(r01.ID)}, sendChanged(lf, noWaypoints)}, 0},
		{ruleCase{"but on another way", scene{peers: linked}, wire.Frame{Dst: wid(lf.ID), Waypoints: waypoints(r01.ID)}, send(r01)}, 1},
		{ruleCase{"no waypoint to itself", scene{peers: relays}, wire.Frame{Dst: wid(target), Waypoints: waypoints(r01.ID)}, sendChanged(r01, noWaypoints)}, 0},
		{ruleCase{"nor as a leaf, with a detour list", scene{leaf: true, peers: relays}, wire.Frame{Dst: wid(target), Waypoints: waypoints(r01.ID), Detour: []byte{}}, sendChanged(r01, noWaypoints)}, 0},
		{ruleCase{"nor with a body", scene{peers: relays}, wire.Frame{Dst: wid(target), Waypoints: waypoints(r01.ID), Body: []byte("sealed")}, sendChanged(r01, noWaypoints)}, 0},
		{ruleCase{"the second waypoint stays", scene{peers: relays}, wire.Frame{Dst: wid(target), Waypoints: waypoints(r01.ID, away)}, sendChanged(r01, func(f *wire.Frame) { f.Waypoints = waypoints(away) })}, 0},
		{ruleCase{"one of a record stays", scene{peers: relays}, wire.Frame{Dst: wid(target), Found: true, Waypoints: waypoints(r01.ID)}, send(r01)}, 0},
		{ruleCase{"by the best to the waypoint", scene{peers: relays}, wire.Frame{Dst: wid(target), Waypoints: waypoints(away)}, send(r01)}, 0},
		{ruleCase{"by the second to the waypoint", scene{peers: relays}, wire.Frame{Dst: wid(target), Waypoints: waypoints(away)}, send(r001)}, 1},
		{ruleCase{"this node as waypoint", scene{peers: relays}, wire.Frame{Dst: wid(target), Waypoints: waypoints(me)}, sendChanged(r1, noWaypoints)}, 1},
		{ruleCase{"a record", scene{peers: relays, records: new(held).put(target, away)}, wire.Frame{Dst: wid(target)},
			sendChanged(r01, func(f *wire.Frame) { f.Waypoints, f.Found = waypoints(away), true })}, 0},
		{ruleCase{"no record by another", scene{peers: relays, records: new(held).put(target, away)}, wire.Frame{Dst: wid(target)}, send(r1)}, 1},
		{ruleCase{"no record when it is the first's turn again", scene{peers: relays, records: new(held).put(target, away)}, wire.Frame{Dst: wid(target)}, send(r11)}, 4},
		{ruleCase{"one that carries before the nearest", scene{peers: passive(relays, 1)}, wire.Frame{Dst: wid(target)}, send(r1)}, 0},
		{ruleCase{"and in any direction", scene{peers: passive(relays, 1)}, wire.Frame{Dst: wid(target)}, send(r01)}, 1},
		{ruleCase{"the others at last", scene{peers: passive(relays, 1)}, wire.Frame{Dst: wid(target)}, send(r11)}, 3},
		{ruleCase{"to one that does not carry", scene{peers: passive(relays, 1)}, wire.Frame{Dst: wid(r11.ID)}, send(r11)}, 0},
		{ruleCase{"a nearest by one that carries", scene{peers: passive(relays, 3)}, wire.Frame{Type: wire.TypeNearest, Body: nearest(me.Key(), wire.OpStore)}, send(r01)}, 0},
		{ruleCase{"a leaf's by one that carries", scene{leaf: true, peers: passive(relays, 3)}, wire.Frame{Dst: wid(beside)}, send(r01)}, 0},
		{ruleCase{"a leaf's by what there is", scene{leaf: true, peers: passive(relays, 0, 1, 2, 3)}, wire.Frame{Dst: wid(beside)}, send(r001)}, 0},
		{ruleCase{"with a detour list", scene{peers: relays}, wire.Frame{Dst: wid(target), Detour: []byte{}}, sendChanged(r1, func(f *wire.Frame) { f.Detour = prefixes(me) })}, 1},
		{ruleCase{"to itself", scene{peers: relays}, wire.Frame{Dst: wid(me)}, ends(engine.ActionDeliver)}, 0},
		{ruleCase{"to itself by another", scene{peers: relays}, wire.Frame{Dst: wid(me)}, ends(engine.ActionDeliver)}, 1},
		{ruleCase{"a leaf's best", scene{leaf: true, peers: relays}, wire.Frame{Dst: wid(beside)}, send(r001)}, 0},
		{ruleCase{"a leaf's second", scene{leaf: true, peers: relays}, wire.Frame{Dst: wid(beside), Detour: []byte{}}, send(r01)}, 1},
		{ruleCase{"a leaf's last", scene{leaf: true, peers: relays}, wire.Frame{Dst: wid(beside)}, send(r11)}, 3},
		{ruleCase{"a nearest", scene{peers: relays}, wire.Frame{Type: wire.TypeNearest, Body: nearest(me.Key(), wire.OpStore)}, send(r001)}, 0},
		{ruleCase{"a nearest by another", scene{peers: relays}, wire.Frame{Type: wire.TypeNearest, Body: nearest(me.Key(), wire.OpStore)}, send(r01)}, 1},
		{ruleCase{"without a link", scene{}, wire.Frame{Dst: wid(target)}, dropped(reason.NoLink)}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.frame.Src = wid(me)
			f := tt.fill()
			frame := bytesOf(f)
			v := tt.scene.snapshot().ForwardOwn(engine.NewIngress(nil), frame, tt.k, noon)
			checkOutcome(t, v, tt.want, f, frame, true)
			if tt.k != 0 {
				return
			}
			peer, sent := tt.scene.snapshot().ExpressOwn(engine.NewIngress(nil), bytesOf(f))
			if peer != nil && (v.Action != engine.ActionSend || peer != v.Peer || !bytes.Equal(sent, v.Frame)) {
				t.Errorf("the short way: got %x to %v, want %x to %v", sent, peer.ID, v.Frame, v.Peer)
			}
		})
	}
}

// passive is a copy of peers in which those with such an index do not carry.
func passive(peers []engine.PeerState, index ...int) []engine.PeerState {
	peers = slices.Clone(peers)
	for _, i := range index {
		peers[i].Passive = true
	}
	return peers
}

// TestViaFollowsNoRecord: a copy by a hop that did better before goes without.
func TestViaFollowsNoRecord(t *testing.T) {
	s := scene{peers: states(r1, r11, r01), records: new(held).put(target, at("0110", 7))}.snapshot()
	f := wire.Frame{Type: wire.TypeData, HopLimit: 64, Dst: wid(target), Src: wid(me)}
	v := s.ForwardBy(engine.NewIngress(nil), bytesOf(f), session.Choice{Via: wid(r1.ID)}, noon)
	if v.Action != engine.ActionSend || v.Peer != r1 || !same(mustParse(t, v.Frame), f) {
		t.Errorf("got %v to %v with %x, want the frame as it is to r1", v.Action, v.Peer, v.Frame)
	}
}

// TestAFrameThatComesBackFromAQueue is of another node, and was on its way over a
// link that is lost: it keeps its waypoints and its hop limit.
func TestAFrameThatComesBackFromAQueue(t *testing.T) {
	relays := scene{peers: states(r1, r11, r01, lf)}
	runCases(t, []ruleCase{
		{"on its way", relays, wire.Frame{Dst: wid(target)}, send(r11)},
		{"to a waypoint", relays, wire.Frame{Dst: wid(lf.ID), Waypoints: waypoints(r01.ID)}, send(r01)},
		{"a nearest that is ours now", relays, wire.Frame{Type: wire.TypeNearest, Body: nearest(beside.Key(), wire.OpStore)}, ends(engine.ActionAnswer)},
		{"nobody left", relays, wire.Frame{Dst: wid(beside)}, dropped(reason.NoRoute)},
	})
}

func TestForwardOwnOnAnyBytes(t *testing.T) {
	s := scene{peers: states(r1, r11)}.snapshot()
	for k := range 3 {
		v := s.ForwardOwn(engine.NewIngress(nil), []byte("short"), k, noon)
		if v.Action != engine.ActionDrop || v.Reason != reason.Malformed {
			t.Errorf("k %d: got %v, %v, want drop, malformed", k, v.Action, v.Reason)
		}
	}
}

// TestFirstHopsAreAllDifferent tries every choice for many destinations, with
// and without a view beyond the peers.
func TestFirstHopsAreAllDifferent(t *testing.T) {
	names := ids(40, 4)
	peers := states(lf)
	for i, id := range names[:20] {
		p := engine.PeerState{Peer: relay(id), RTTMicros: uint32(1000 * (i % 7))}
		p.Neighbours = engine.NewNeighbours(names[i : i+15])
		peers = append(peers, p)
	}
	for _, isLeaf := range []bool{false, true} {
		s := scene{leaf: isLeaf, peers: peers}.snapshot()
		for _, to := range append([]routing.ID{lf.ID}, names...) {
			seen := map[*engine.Peer]bool{}
			n := s.FirstHops(wid(to))
			for k := range n {
				f := wire.Frame{Type: wire.TypeData, Class: wire.ClassInteractive, HopLimit: 64, Dst: wid(to), Src: wid(me), Detour: []byte{}}
				v := s.ForwardOwn(engine.NewIngress(nil), bytesOf(f), k, noon)
				if v.Action != engine.ActionSend || seen[v.Peer] {
					t.Fatalf("leaf %v, to %s, choice %d of %d: got %v to a peer seen before: %v", isLeaf, to.Short(), k, n, v.Action, seen[v.Peer])
				}
				seen[v.Peer] = true
			}
		}
	}
}

func TestFirstHops(t *testing.T) {
	suspect := states(r1, r11, lf)
	suspect[0].Suspect = true
	for _, tt := range []struct {
		name  string
		peers []engine.PeerState
		to    routing.ID
		want  int
	}{
		{"none", nil, target, 0},
		{"relays", states(r1, r11, lf), target, 2},
		{"a direct relay", states(r1, r11, lf), r1.ID, 2},
		{"a direct leaf", states(r1, r11, lf), lf.ID, 3},
		{"a suspect", suspect, target, 1},
	} {
		if got := (scene{peers: tt.peers}).snapshot().FirstHops(wid(tt.to)); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestFirstHopsOfEarlierCopiesComeLast names those by which copies left before.
func TestFirstHopsOfEarlierCopiesComeLast(t *testing.T) {
	relays := states(r1, r11, r01, r001)
	away := at("0110", 7)
	for _, tt := range []struct {
		name string
		f    wire.Frame
		c    session.Choice
		want outcome
	}{
		{"the best has been tried", wire.Frame{Dst: wid(target)}, session.Choice{Past: by(r11)}, send(r1)},
		{"the next of the others", wire.Frame{Dst: wid(target)}, session.Choice{K: 1, Past: by(r11)}, send(r01)},
		{"all but the best", wire.Frame{Dst: wid(target)}, session.Choice{Past: by(r1, r01, r001)}, send(r11)},
		{"all", wire.Frame{Dst: wid(target)}, session.Choice{Past: by(r1, r01, r001, r11)}, send(r11)},
		{"strangers", wire.Frame{Dst: wid(target)}, session.Choice{Past: []wire.ID{{1}}}, send(r11)},
		{"the last that carries and was not tried", wire.Frame{Dst: wid(target)}, session.Choice{Past: by(r11, r1)}, send(r01)},
		{"one all the same", wire.Frame{Dst: wid(target)}, session.Choice{Via: wid(r11.ID), Past: by(r11)}, send(r11)},
		{"to a direct peer", wire.Frame{Dst: wid(r1.ID)}, session.Choice{Past: by(r1)}, send(r11)},
		{"to a waypoint", wire.Frame{Dst: wid(target), Waypoints: waypoints(r01.ID)}, session.Choice{Past: by(r01)}, send(r001)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.f
			f.Type, f.HopLimit, f.Src = wire.TypeHandshake, wire.MaxHopLimit, wid(me)
			frame := bytesOf(f)
			s := scene{peers: relays, records: new(held).put(target, away)}.snapshot()
			checkOutcome(t, s.ForwardBy(engine.NewIngress(nil), frame, tt.c, noon), tt.want, f, frame, true)
		})
	}
}

func by(peers ...*engine.Peer) (all []wire.ID) {
	for _, p := range peers {
		all = append(all, wid(p.ID))
	}
	return all
}
