package engine_test

import (
	"bytes"
	"testing"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// crowd is n relays, each with a list of that many of the others and of strangers.
func crowd(n, neighbours int) []engine.PeerState {
	names, strangers := ids(n, 21), ids(n*8, 22)
	peers := make([]engine.PeerState, n)
	for i, id := range names {
		peers[i] = engine.PeerState{Peer: relay(id), RTTMicros: uint32(500 + i%50*100)}
		if neighbours > 0 {
			list := make([]routing.ID, neighbours)
			for j := range list {
				list[j] = strangers[(i*31+j*17)%len(strangers)]
			}
			peers[i].Neighbours = engine.NewNeighbours(list)
		}
	}
	return peers
}

const benchLinks = 160

// onward is destinations for which this node has a next hop that is not the
// destination.
func onward(s *engine.Snapshot, n int) []wire.ID {
	var list []wire.ID
	for _, id := range ids(4*n, 23) {
		if v := s.Forward(engine.NewIngress(r1), datagram(wid(id), wid(source)), noon); v.Action == engine.ActionSend {
			list = append(list, wid(id))
		}
	}
	return list[:n]
}

// forwardAll measures Forward on frames whose destinations go round dsts.
func forwardAll(b *testing.B, s *engine.Snapshot, f wire.Frame, dsts []wire.ID) {
	b.Helper()
	in := engine.NewIngress(r1)
	f.HopLimit, f.Src, f.Body = 64, wid(source), make([]byte, 1024)
	frame := bytesOf(f)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		*wire.FrameDst(frame) = dsts[i%len(dsts)]
		wire.SetFrameHopLimit(frame, 64)
		if v := s.Forward(in, frame, noon); v.Action != engine.ActionSend {
			b.Fatalf("got %v, %v", v.Action, v.Reason)
		}
	}
}

var bulk = wire.Frame{Type: wire.TypeData, Class: wire.ClassBulk}

func BenchmarkForwardRepeated(b *testing.B) {
	s := scene{peers: crowd(benchLinks, 0)}.snapshot()
	b.Run("one", func(b *testing.B) { forwardAll(b, s, bulk, onward(s, 1)) })
	b.Run("eight", func(b *testing.B) { forwardAll(b, s, bulk, onward(s, 8)) })
	records := new(held)
	for _, id := range ids(1000, 29) {
		records.put(id, id)
	}
	s = scene{peers: crowd(benchLinks, 0), records: records}.snapshot()
	b.Run("records", func(b *testing.B) { forwardAll(b, s, bulk, onward(s, 1)) })
}

func BenchmarkForwardMiss(b *testing.B) {
	s := scene{peers: crowd(benchLinks, 0)}.snapshot()
	b.Run("plain", func(b *testing.B) { forwardAll(b, s, bulk, onward(s, 4096)) })
	s = scene{peers: crowd(benchLinks, 0), records: new(held).put(at("1"))}.snapshot()
	b.Run("records", func(b *testing.B) { forwardAll(b, s, bulk, onward(s, 4096)) })
	s = scene{peers: crowd(benchLinks, benchLinks)}.snapshot()
	b.Run("lookahead", func(b *testing.B) { forwardAll(b, s, bulk, onward(s, 4096)) })
}

func BenchmarkForwardOptions(b *testing.B) {
	s := scene{peers: crowd(benchLinks, 0)}.snapshot()
	dsts := onward(s, 1)
	detour, waypoint, found := bulk, bulk, bulk
	detour.Detour = prefixes(ids(4, 30)...)
	waypoint.Waypoints = waypoints(me)
	b.Run("detour", func(b *testing.B) { forwardAll(b, s, detour, dsts) })
	b.Run("waypoint", func(b *testing.B) { forwardAll(b, s, waypoint, dsts) })
	found.Return = r1.ID[:]
	b.Run("return", func(b *testing.B) { forwardAll(b, s, found, dsts) })
	records := new(held).put(routing.ID(dsts[0]), at("1001"))
	s = scene{peers: crowd(benchLinks, 0), records: records}.snapshot()
	b.Run("scatter", func(b *testing.B) {
		scatter := bulk
		scatter.Aim = dsts[0][:wire.AimLen]
		forwardAll(b, s, scatter, dsts)
	})
	b.Run("record", func(b *testing.B) { forwardAll(b, s, bulk, dsts) })
}

// BenchmarkForwardOwn is what a send costs: to a node behind a linked relay, and
// to any other.
func BenchmarkForwardOwn(b *testing.B) {
	s := scene{leaf: true, peers: states(r1, r11, r01)}.snapshot()
	f := wire.Frame{Type: wire.TypeData, Class: wire.ClassBulk, HopLimit: 64, Dst: wid(target), Src: wid(me), Body: make([]byte, 100)}
	plain := bytesOf(f)
	f.Waypoints = waypoints(r01.ID)
	for name, frame := range map[string][]byte{"plain": plain, "home": bytesOf(f)} {
		b.Run(name, func(b *testing.B) {
			in := engine.NewIngress(nil)
			b.ReportAllocs()
			for b.Loop() {
				s.ForwardOwn(in, frame, 0, noon)
			}
		})
		b.Run(name+", not kept", func(b *testing.B) {
			in, fresh := engine.NewIngress(nil), bytes.Clone(frame)
			b.ReportAllocs()
			for b.Loop() {
				copy(fresh, frame[:100]) // a part of the cost
				s.ExpressOwn(in, fresh)
			}
		})
	}
}

// TestForwardDoesNotAllocate tries one frame for each way through the rules.
func TestForwardDoesNotAllocate(t *testing.T) {
	peers := append(crowd(benchLinks, 20), states(lf, r001)...)
	for i := range benchLinks / 4 {
		peers[i].Passive = true
	}
	records := new(held).put(target, at("1001"))
	s := scene{peers: peers, records: records}.snapshot()
	plain := engine.NewSnapshot(engine.SnapshotConfig{Self: me, Peers: peers, PlainGreedy: true})
	isLeaf := scene{leaf: true, peers: peers}.snapshot()
	greedy := at("101101")
	toGreedy := greedy.Key()
	for _, tt := range []struct {
		name  string
		frame wire.Frame
	}{
		{"fast", wire.Frame{Dst: wid(greedy)}},
		{"deliver", wire.Frame{Dst: wid(me)}},
		{"direct", wire.Frame{Dst: wid(lf.ID)}},
		{"record", wire.Frame{Dst: wid(target)}},
		{"waypoint", wire.Frame{Dst: wid(greedy), Waypoints: waypoints(me, target)}},
		{"detour", wire.Frame{Dst: wid(greedy), Detour: prefixes(ids(5, 3)...)}},
		{"listed", wire.Frame{Dst: wid(greedy), Detour: prefixes(ids(benchLinks, 21)[:60]...)}},
		{"dead end", wire.Frame{Dst: wid(me), Waypoints: waypoints(at("000000000000")), Detour: []byte{}}},
		{"no route", wire.Frame{Dst: wid(at("000000000000"))}},
		{"large", wire.Frame{Dst: wid(greedy), Detour: []byte{}, Body: make([]byte, 60_000)}},
		{"nearest", wire.Frame{Type: wire.TypeNearest, Body: nearest(greedy.Key(), wire.OpFindNode)}},
		{"scatter", wire.Frame{Dst: wid(greedy), Aim: toGreedy[:wire.AimLen]}},
		{"scatter, store", wire.Frame{Type: wire.TypeNearest, Aim: toGreedy[:wire.AimLen], Body: nearest(greedy.Key(), wire.OpStore)}},
		{"scatter, at its aim", wire.Frame{Dst: wid(greedy), Aim: make([]byte, wire.AimLen)}},
		{"malformed", wire.Frame{Type: 99}},
	} {
		if tt.frame.Type == 0 {
			tt.frame.Type = wire.TypeData
		}
		tt.frame.HopLimit, tt.frame.Src = 64, wid(source)
		frame := bytesOf(tt.frame)
		for name, do := range map[string]func(in *engine.Ingress, now int){
			"look-ahead": func(in *engine.Ingress, k int) { s.Forward(in, frame, noon) },
			"plain":      func(in *engine.Ingress, k int) { plain.Forward(in, frame, noon) },
			"own":        func(in *engine.Ingress, k int) { s.ForwardOwn(in, frame, k%5, noon) },
			"leaf's own": func(in *engine.Ingress, k int) { isLeaf.ForwardOwn(in, frame, k%5, noon) },
		} {
			in, k := engine.NewIngress(r1), 0
			if name == "own" || name == "leaf's own" {
				in = engine.NewIngress(nil)
			}
			step := func() {
				wire.SetFrameHopLimit(frame, 64)
				do(in, k)
				k++
			}
			for range 10 {
				step()
			}
			if n := testing.AllocsPerRun(100, step); n != 0 {
				t.Errorf("%s, %s: got %v allocations, want 0", tt.name, name, n)
			}
		}
	}
	hint, buf := datagram(wid(target), wid(source)), make([]byte, 0, 160)
	if n := testing.AllocsPerRun(100, func() { buf = engine.AppendHint(buf[:0], wid(me), hint, 7) }); n != 0 {
		t.Errorf("AppendHint: got %v allocations, want 0", n)
	}
}
