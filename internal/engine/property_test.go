package engine_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// arena is a node with everything a snapshot can hold, and what tests have to
// know about it.
type arena struct {
	snap    *engine.Snapshot
	leaf    bool
	peers   []engine.PeerState
	records *held
	names   []routing.ID // of nodes, linked and not; names[0] is this node
}

func newArena(n int, leaf bool, seed uint64) *arena {
	a := &arena{leaf: leaf, records: new(held), names: ids(n+20, seed)}
	for i, id := range a.names[1:n] {
		p := relay(id)
		p.Leaf = i%5 == 4
		state := engine.PeerState{Peer: p, Suspect: i%7 == 6, RTTMicros: uint32(i % 3)}
		if i%3 == 0 {
			state.Neighbours = engine.NewNeighbours(a.names[i : i+10])
		}
		a.peers = append(a.peers, state)
	}
	a.records.put(a.names[n+4], a.names[1:4]...)
	a.records.put(a.names[n+5], a.names[0], a.names[n+6])
	a.snap = engine.NewSnapshot(engine.SnapshotConfig{
		Self: a.names[0], Leaf: leaf, Peers: a.peers, Records: a.records,
	})
	return a
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// check runs one frame and holds the verdict against what must always be true.
func (a *arena) check(t failer, in *engine.Ingress, raw []byte, k int) {
	t.Helper()
	before := bytes.Clone(raw)
	var v engine.Verdict
	if in.Peer() == nil {
		v = a.snap.ForwardOwn(in, raw, k, noon)
	} else {
		v = a.snap.Forward(in, raw, noon)
	}
	if (v.Action == engine.ActionSend) != (v.Peer != nil) || (v.Action == engine.ActionDrop) != (v.Frame == nil) {
		t.Fatalf("got %v with peer %v and a frame of %d bytes", v.Action, v.Peer, len(v.Frame))
	}
	f, err := wire.ParseFrame(before)
	reasoned := v.Action == engine.ActionDrop || v.Action == engine.ActionHint
	doubted := v.Action == engine.ActionSend && v.Reason == reason.Detached && in.Peer() != nil && unkept(f)
	if reasoned != (v.Reason != 0) && !doubted {
		t.Fatalf("got %v for %v", v.Action, v.Reason)
	}
	if err != nil {
		if v.Action != engine.ActionDrop {
			t.Fatalf("got %v for bytes that are no frame: %v", v.Action, err)
		}
		return
	}
	if v.Action != engine.ActionSend {
		if !bytes.Equal(raw, before) {
			t.Fatalf("got the bytes of a frame changed that was not sent on")
		}
		return
	}
	a.checkSent(t, in, f, v, k)
}

// checkSent holds what was sent against what came in, and the peer against the
// rules that can have chosen it.
func (a *arena) checkSent(t failer, in *engine.Ingress, f wire.Frame, v engine.Verdict, k int) {
	t.Helper()
	g, err := wire.ParseFrame(v.Frame)
	if err != nil || len(v.Frame) > limits.MaxFrame {
		t.Fatalf("got a frame of %d bytes: %v", len(v.Frame), err)
	}
	if g.Type != f.Type || g.Class != f.Class || g.Dst != f.Dst || g.Src != f.Src || !bytes.Equal(g.Body, f.Body) ||
		!bytes.Equal(g.Return, f.Return) || g.Detour == nil && f.Detour != nil && in.Peer() != nil {
		t.Fatalf("got %s\nfrom %s", show(g), show(f))
	}
	own := in.Peer() == nil
	begun := g.Detour != nil && f.Detour == nil
	if begun && !own && !unkept(f) {
		t.Fatalf("got a detour begun of a frame that is none of this node's:\n%s", show(g))
	}
	if !own && g.HopLimit != f.HopLimit-1 || own && g.HopLimit != f.HopLimit {
		t.Fatalf("got hop limit %d from %d", g.HopLimit, f.HopLimit)
	}
	for _, p := range a.peers {
		if p.Peer == v.Peer && p.Suspect && wire.ID(p.ID) != nextOf(g) && wire.ID(p.ID) != a.nextOf(f) && (!unkept(f) || p.Leaf) {
			t.Fatalf("got a frame sent to a suspect that it is not for")
		}
	}
	if !own && a.leaf {
		t.Fatalf("got a frame forwarded by a leaf")
	}
	direct := nextOf(g) == wid(v.Peer.ID)
	if v.Peer.Leaf && !direct && !(own && (a.nextOf(f) == wid(v.Peer.ID) || f.Dst == wid(v.Peer.ID))) {
		t.Fatalf("got a frame sent to a leaf that it is not for")
	}
	target := targetOf(g)
	strict := routing.Closer(v.Peer.Key, a.names[0].Key(), target)
	ours := f.Src == wid(a.names[0])
	sideways := g.Detour != nil || own && (a.leaf || k != 0 || ours)
	if !strict && !direct && !sideways {
		t.Fatalf("got a peer that is not strictly closer for %s", show(g))
	}
}

// unkept says that nobody keeps f and nobody acks it.
func unkept(f wire.Frame) bool { return f.Type == wire.TypeData && f.Class == wire.ClassBulk }

// nextOf returns f's target at this node, which takes itself off the waypoints first.
func (a *arena) nextOf(f wire.Frame) wire.ID {
	for bytes.HasPrefix(f.Waypoints, a.names[0][:]) {
		if f.Waypoints = f.Waypoints[20:]; len(f.Waypoints) == 0 {
			f.Waypoints = nil
		}
	}
	return nextOf(f)
}

// nextOf returns f's target where that is a node.
func nextOf(f wire.Frame) wire.ID {
	if f.Waypoints != nil {
		return wire.ID(f.Waypoints[:20])
	}
	return f.Dst
}

// targetOf is the Key that a frame makes for: a scatter frame for its aim first.
func targetOf(f wire.Frame) (key routing.Key) {
	switch {
	case f.Waypoints != nil:
		return routing.ID(f.Waypoints[:20]).Key()
	case f.Aim != nil:
		copy(key[:], f.Aim)
		return key
	case f.Type == wire.TypeNearest:
		return routing.Key(f.Body[16:48])
	}
	return routing.ID(f.Dst).Key()
}

// drawFrame draws a frame among the nodes of a that keeps the bounds, mostly.
func drawFrame(t *rapid.T, a *arena) []byte {
	name := rapid.SampledFrom(a.names)
	f := wire.Frame{
		Type:     wire.Type(rapid.IntRange(1, 6).Draw(t, "type")),
		Class:    wire.Class(rapid.IntRange(0, 3).Draw(t, "class")),
		Found:    rapid.Bool().Draw(t, "found"),
		HopLimit: uint8(rapid.SampledFrom([]int{0, 1, 2, 63, 64}).Draw(t, "limit")),
		Src:      wid(name.Draw(t, "src")),
		Body:     make([]byte, rapid.SampledFrom([]int{0, 20, 49, 4000, 4096, 64_940}).Draw(t, "body")),
	}
	if f.Type != wire.TypeNearest {
		f.Dst = wid(name.Draw(t, "dst"))
	} else if len(f.Body) > 48 {
		key := name.Draw(t, "key").Key()
		copy(f.Body[16:], key[:])
		f.Body[48] = byte(rapid.IntRange(0, 3).Draw(t, "op"))
	}
	if rapid.Bool().Draw(t, "detour") {
		f.Detour = []byte{}
		for range rapid.SampledFrom([]int{0, 1, 5, 15, 16, 63, 64}).Draw(t, "listed") {
			f.Detour = binary.BigEndian.AppendUint32(f.Detour, name.Draw(t, "entry").Key().Prefix())
		}
	}
	if rapid.Bool().Draw(t, "waypoints") {
		f.Waypoints = waypoints(rapid.SliceOfN(name, 1, 3).Draw(t, "waypoint")...)
	}
	if rapid.Bool().Draw(t, "return") {
		id := name.Draw(t, "home")
		f.Return = id[:]
	}
	return bytesOf(f)
}

// TestForwardAlways runs frames of all shapes through nodes of all kinds.
func TestForwardAlways(t *testing.T) {
	arenas := []*arena{newArena(40, false, 1), newArena(40, true, 1), newArena(3, false, 2), newArena(1, false, 3), newArena(1, true, 4)}
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SampledFrom(arenas).Draw(t, "arena")
		in := engine.NewIngress(nil)
		if len(a.peers) > 0 && rapid.Bool().Draw(t, "link") {
			in = engine.NewIngress(rapid.SampledFrom(a.peers).Draw(t, "from").Peer)
		}
		for range 8 {
			raw := drawFrame(t, a)
			if rapid.IntRange(0, 9).Draw(t, "damage") == 0 {
				raw = raw[:rapid.IntRange(0, len(raw)).Draw(t, "cut")]
				if len(raw) > 0 {
					raw[rapid.IntRange(0, len(raw)-1).Draw(t, "at")] ^= rapid.Byte().Draw(t, "flip")
				}
			}
			a.check(t, in, raw, rapid.IntRange(-1, 50).Draw(t, "k"))
		}
	})
}

// FuzzForward feeds raw bytes to a relay and a leaf, from every kind of link.
func FuzzForward(f *testing.F) {
	arenas := []*arena{newArena(40, false, 1), newArena(40, true, 1)}
	a := arenas[0]
	seed := func(frame wire.Frame) {
		frame.HopLimit, frame.Src = 9, wid(a.names[2])
		f.Add(bytesOf(frame), uint8(1), uint8(0))
		f.Add(bytesOf(frame), uint8(0), uint8(2))
	}
	for _, to := range []int{0, 1, 5, 30, 43, 44, 45, 50} {
		seed(wire.Frame{Type: wire.TypeData, Dst: wid(a.names[to])})
		seed(wire.Frame{Type: wire.TypeHandshake, Dst: wid(a.names[to]), Detour: prefixes(a.names[:3]...), Return: a.names[3][:]})
		seed(wire.Frame{Type: wire.TypeProbe, Dst: wid(a.names[9]), Waypoints: waypoints(a.names[0], a.names[to]), Detour: []byte{}})
		seed(wire.Frame{Type: wire.TypeNearest, Body: nearest(a.names[to].Key(), wire.OpStore)})
	}
	f.Fuzz(func(t *testing.T, raw []byte, from, k uint8) {
		for _, a := range arenas {
			in := engine.NewIngress(nil)
			if n := int(from) % (len(a.peers) + 1); n > 0 {
				in = engine.NewIngress(a.peers[n-1].Peer)
			}
			a.check(t, in, bytes.Clone(raw), int(k))
			a.check(t, in, bytes.Clone(raw), int(k))
		}
	})
}
