package engine_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// inject lets relay i hand a frame of any content to a neighbour, and follows it
// among the others until it ends.
func (m *mesh) inject(t *testing.T, i int, frame []byte) trip {
	t.Helper()
	m.now = m.now.Add(20 * time.Millisecond)
	m.frame = append(m.frame[:0], frame...)
	j := sortedKeys(m.nodes[i].links)[0]
	for crossings := 1; ; crossings++ {
		before := m.frame[2] // the hop limit
		v := m.nodes[j].snap.Forward(m.nodes[j].ingress[i], m.frame, m.now)
		if v.Action != engine.ActionSend {
			return trip{j, crossings, v}
		}
		if crossings > limits.MaxHops || wire.FrameHopLimit(v.Frame) != before-1 {
			t.Fatalf("crossing %d: hop limit %d after %d", crossings, wire.FrameHopLimit(v.Frame), before)
		}
		i, j = j, m.index[v.Peer.ID]
		m.frame = append(m.frame[:0], v.Frame...)
	}
}

// Waypoints that lead in circles lead nowhere twice: each is taken off where it
// is reached, or where it cannot be.
func TestWaypointLoopsEnd(t *testing.T) {
	m := newMesh(60, 1)
	m.settle(true)
	a, b, d := m.nodes[1].id, m.nodes[2].id, m.nodes[3].id
	for _, test := range []struct {
		name  string
		way   []routing.ID
		found bool
	}{
		{"there and back", []routing.ID{a, b, a}, false},
		{"the same one again and again", []routing.ID{a, a, a}, false},
		{"the destination itself", []routing.ID{d, a, d}, false},
		{"strangers", ids(3, 99), false},
		{"as if a record had said so", []routing.ID{a, b, a}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, detour := range [][]byte{nil, {}} {
				f := m.data(0, 3)
				f.Waypoints, f.Found, f.Detour = waypoints(test.way...), test.found, detour
				got := m.inject(t, 0, bytesOf(f))
				delivered := got.verdict.Action == engine.ActionDeliver && got.end == 3
				if !delivered && got.verdict.Reason == reason.None || delivered && got.crossings > limits.MaxPlainHops {
					t.Errorf("got %v, %v at %d after %d crossings", got.verdict.Action, got.verdict.Reason, got.end, got.crossings)
				}
			}
		})
	}
	if _, err := wire.ParseFrame(bytesOf(wire.Frame{Type: wire.TypeData, HopLimit: 64, Waypoints: waypoints(a, b, a, b)})); err == nil {
		t.Error("four waypoints: taken, want them refused")
	}
}

// Records at two relays that name each other as the home of a node that neither
// is linked with send no frame to and fro: the first home says that it is not.
func TestRecordsThatNameEachOtherEnd(t *testing.T) {
	m := newMesh(20, 1)
	nobody := routing.ID{0xDD}
	for i, n := range m.nodes {
		n.records.put(nobody, m.nodes[(i+1)%20].id)
	}
	m.settle(true)
	f := m.data(0, 1)
	f.Dst = wid(nobody)
	got := m.inject(t, 0, bytesOf(f))
	if got.verdict.Reason != reason.Detached || got.crossings > 10 {
		t.Errorf("got %v after %d crossings, want detached after a few", got.verdict.Reason, got.crossings)
	}
}

// Detour lists that name strangers, or relays that the frame never passed, cost
// at most the crossings that a hop limit allows, and are dropped for a reason.
func TestForgedDetoursAndHopLimitsEnd(t *testing.T) {
	m := newMesh(60, 1)
	m.settle(true)
	r := rand.New(rand.NewPCG(3, 4))
	counted := map[reason.Reason]int{}
	for i := range 20_000 {
		f := m.data(0, 1+r.IntN(59))
		if r.IntN(2) == 0 {
			f.Dst = wire.ID{byte(r.Uint32()), byte(r.Uint32()), 1} // nobody: every way is a dead end
		}
		f.HopLimit = uint8(r.IntN(wire.MaxHopLimit + 1))
		f.Detour = []byte{}
		for range r.IntN(65) {
			id := routing.ID{byte(r.Uint32()), 2} // a stranger
			if r.IntN(2) == 0 {
				id = m.nodes[r.IntN(60)].id
			}
			f.Detour = append(f.Detour, prefixes(id)...)
		}
		got := m.inject(t, 0, bytesOf(f))
		if got.crossings > max(1, int(f.HopLimit)) {
			t.Fatalf("frame %d: %d crossings with hop limit %d", i, got.crossings, f.HopLimit)
		}
		if got.verdict.Action != engine.ActionDeliver {
			counted[got.verdict.Reason]++
		}
	}
	for _, want := range []reason.Reason{reason.HopLimit, reason.NoRoute, reason.LoopedDetour} {
		if counted[want] == 0 {
			t.Errorf("no frame ended as %v: %v", want, counted)
		}
	}
	if counted[reason.None] > 0 {
		t.Errorf("%d frames were dropped without a reason", counted[reason.None])
	}
}

// Strangers in a list bar nobody, and are no way back from a dead end.
func TestDetourOfStrangersHasNoWayBack(t *testing.T) {
	strangers := ids(3, 7)
	runCases(t, []ruleCase{
		{"a stranger as the last", scene{peers: states(r1), from: r1},
			wire.Frame{Dst: wid(beside), Detour: prefixes(r1.ID, strangers[0])}, hint(reason.NoRoute)},
		{"a stranger before this node", scene{peers: states(r1), from: r1},
			wire.Frame{Dst: wid(beside), Detour: prefixes(strangers[0], me, r1.ID)}, hint(reason.NoRoute)},
		{"they bar nobody", scene{peers: states(r1, r11), from: r1},
			wire.Frame{Dst: wid(target), Detour: prefixes(strangers...)},
			sendChanged(r11, func(f *wire.Frame) { f.Detour = prefixes(append(strangers, me)...) })},
	})
}

// A hop limit above the largest is no frame.
func TestHopLimitAboveTheLargest(t *testing.T) {
	s := scene{peers: states(r1, r11), from: r1}
	for _, limit := range []byte{wire.MaxHopLimit + 1, 0x80, 0xFF} {
		b := bytesOf(wire.Frame{Type: wire.TypeData, Dst: wid(target), Src: wid(source), HopLimit: 1})
		b[2] = limit
		if v := s.snapshot().Forward(engine.NewIngress(r1), b, noon); v.Action != engine.ActionDrop || v.Reason != reason.Malformed {
			t.Errorf("hop limit %d: got %v, %v, want it dropped as malformed", limit, v.Action, v.Reason)
		}
	}
}
