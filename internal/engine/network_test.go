package engine_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// mesh is a whole network made of snapshots: a frame is handed from one Forward
// to the next.
type mesh struct {
	nodes []*station
	index map[routing.ID]int
	rand  *rand.Rand
	now   time.Time
	frame []byte // on its way
}

// station is one node of a mesh.
type station struct {
	id      routing.ID
	key     routing.Key
	leaf    bool
	links   map[int]*engine.PeerState
	ingress map[int]*engine.Ingress
	own     *engine.Ingress
	records held
	snap    *engine.Snapshot
}

// newMesh returns relays with at least one link into every bucket that is not
// empty, chosen at random, and nothing else.
func newMesh(relays int, seed uint64) *mesh {
	m := &mesh{index: map[routing.ID]int{}, rand: rand.New(rand.NewPCG(seed, 2)), now: noon}
	for _, id := range ids(relays, seed) {
		m.add(id, false)
	}
	for i, a := range m.nodes {
		buckets := map[int][]int{}
		for j, b := range m.nodes {
			if i != j {
				cpl := a.key.CommonPrefixLen(b.key)
				buckets[cpl] = append(buckets[cpl], j)
			}
		}
		for cpl := range routing.KeyBits {
			if members := buckets[cpl]; len(members) > 0 {
				m.link(i, members[m.rand.IntN(len(members))])
			}
		}
	}
	return m
}

func (m *mesh) add(id routing.ID, leaf bool) int {
	m.nodes = append(m.nodes, &station{
		id: id, key: id.Key(), leaf: leaf, links: map[int]*engine.PeerState{},
		ingress: map[int]*engine.Ingress{}, own: engine.NewIngress(nil),
	})
	m.index[id] = len(m.nodes) - 1
	return len(m.nodes) - 1
}

func (m *mesh) link(i, j int) {
	for _, e := range [][2]int{{i, j}, {j, i}} {
		a, b := m.nodes[e[0]], m.nodes[e[1]]
		if a.links[e[1]] == nil {
			peer := &engine.Peer{ID: b.id, Key: b.key, Leaf: b.leaf}
			a.links[e[1]] = &engine.PeerState{Peer: peer, RTTMicros: 1000 + m.rand.Uint32N(100_000)}
			a.ingress[e[1]] = engine.NewIngress(peer)
		}
	}
}

// settle builds all snapshots.
func (m *mesh) settle(lists bool) {
	for _, a := range m.nodes {
		cfg := engine.SnapshotConfig{Self: a.id, Leaf: a.leaf, Records: &a.records}
		for _, j := range sortedKeys(a.links) {
			p := *a.links[j]
			if lists && !m.nodes[j].leaf {
				p.Neighbours = engine.NewNeighbours(m.relaysOf(j))
			}
			cfg.Peers = append(cfg.Peers, p)
		}
		a.snap = engine.NewSnapshot(cfg)
	}
}

func (m *mesh) relaysOf(i int) (list []routing.ID) {
	for _, j := range sortedKeys(m.nodes[i].links) {
		if !m.nodes[j].leaf && !m.nodes[i].links[j].Suspect {
			list = append(list, m.nodes[j].id)
		}
	}
	return list
}

func sortedKeys[V any](m map[int]V) []int {
	var keys []int
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// trip is how the way of a frame ended.
type trip struct {
	end       int // node
	crossings int
	verdict   engine.Verdict
}

// carry sends f from node i by its k-th first hop, until it ends somewhere.
// Every crossing is checked against the invariants.
func (m *mesh) carry(t *testing.T, i int, f wire.Frame, k int) trip {
	t.Helper()
	m.now = m.now.Add(20 * time.Millisecond)
	m.frame = wire.AppendFrame(m.frame[:0], &f)
	v := m.nodes[i].snap.ForwardOwn(m.nodes[i].own, m.frame, k, m.now)
	crossings := 0
	for v.Action == engine.ActionSend {
		j := m.index[v.Peer.ID]
		p := m.nodes[i].links[j]
		if p == nil || p.Peer != v.Peer || p.Suspect && wid(v.Peer.ID) != f.Dst {
			t.Fatalf("node %d: got a frame sent to %d, want a live link", i, j)
		}
		if p.Suspect { // its last hope, but here such links are dead
			return trip{i, crossings, v}
		}
		if crossings++; crossings > limits.MaxHops {
			t.Fatalf("got more than %d crossings of %s", limits.MaxHops, show(f))
		}
		m.frame = append(m.frame[:0], v.Frame...)
		m.checkCrossing(t, i, j)
		i, v = j, m.nodes[j].snap.Forward(m.nodes[j].ingress[i], m.frame, m.now)
	}
	return trip{i, crossings, v}
}

// checkCrossing looks at the frame between nodes i and j: with a detour list it
// reaches a relay a second time only by being handed back to where the sender
// had it from first.
func (m *mesh) checkCrossing(t *testing.T, i, j int) {
	t.Helper()
	f := mustParse(t, m.frame)
	from, to := m.nodes[i], m.nodes[j]
	if len(f.Detour) == 0 || from.leaf || to.leaf {
		return
	}
	list, sender := listed(f.Detour), from.key.Prefix()
	if list[len(list)-1] != sender {
		t.Fatalf("got the list %x, want it to end with the sender %x", list, sender)
	}
	first := slices.Index(list, sender)
	if slices.Contains(list, to.key.Prefix()) && (first == 0 || list[first-1] != to.key.Prefix()) {
		t.Fatalf("got the list %x and a second visit to %x, want it to be a step back", list, to.key.Prefix())
	}
}

func listed(detour []byte) (list []uint32) {
	for ; len(detour) > 0; detour = detour[4:] {
		list = append(list, uint32(detour[0])<<24|uint32(detour[1])<<16|uint32(detour[2])<<8|uint32(detour[3]))
	}
	return list
}

func (m *mesh) data(from, to int) wire.Frame {
	return wire.Frame{
		Type: wire.TypeData, Class: wire.ClassBulk, HopLimit: wire.MaxHopLimit,
		Dst: wid(m.nodes[to].id), Src: wid(m.nodes[from].id), Body: []byte("0123456789abcdef"),
	}
}

// nearestRelays returns the relays nearest to a key, ascending.
func (m *mesh) nearestRelays(k routing.Key, n int) []int {
	var list []int
	for i, a := range m.nodes {
		if !a.leaf {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b int) int {
		if routing.Closer(m.nodes[a].key, m.nodes[b].key, k) {
			return -1
		}
		return 1
	})
	return list[:n]
}

// TestEveryPairDelivers: with a link into every bucket that is not empty, each
// node reaches each, without detours, in few crossings; looking ahead saves some.
func TestEveryPairDelivers(t *testing.T) {
	mean := map[bool]float64{}
	for _, lists := range []bool{false, true} {
		m := newMesh(300, 11)
		m.settle(lists)
		total, most := 0, 0
		for i := range m.nodes {
			for j := range m.nodes {
				f := m.data(i, j)
				got := m.carry(t, i, f, 0)
				if got.end != j || got.verdict.Action != engine.ActionDeliver || got.crossings > limits.MaxPlainHops {
					t.Fatalf("lists %v, %d to %d: got %v (%v) at %d after %d crossings", lists, i, j, got.verdict.Action, got.verdict.Reason, got.end, got.crossings)
				}
				total, most = total+got.crossings, max(most, got.crossings)
			}
		}
		mean[lists] = float64(total) / float64(len(m.nodes)*(len(m.nodes)-1))
		t.Logf("lists %v: %.2f crossings on average, %d at most", lists, mean[lists], most)
		// The binary trie of 300 random keys is about 14 levels deep.
		if most > 14 {
			t.Errorf("lists %v: got up to %d crossings, want at most one for each bit in which keys differ", lists, most)
		}
	}
	if mean[true] > 0.9*mean[false] {
		t.Errorf("got %.2f crossings with lists and %.2f without, want a tenth less at least", mean[true], mean[false])
	}
}

// TestEveryFirstHopDelivers: by whatever relay a frame leaves, it arrives, with
// or without a detour list.
func TestEveryFirstHopDelivers(t *testing.T) {
	m := newMesh(200, 12)
	m.settle(true)
	for n := range 3000 {
		i, j := m.rand.IntN(200), m.rand.IntN(200)
		if i == j {
			continue
		}
		f := m.data(i, j)
		if n%2 == 0 {
			f.Class, f.Detour = wire.ClassInteractive, []byte{}
		}
		k := n % m.nodes[i].snap.FirstHops(f.Dst)
		if got := m.carry(t, i, f, k); got.end != j || got.verdict.Action != engine.ActionDeliver {
			t.Fatalf("%d to %d by choice %d: got %v (%v) after %d crossings", i, j, k, got.verdict.Action, got.verdict.Reason, got.crossings)
		}
	}
}

// withLeaves adds leaves with three homes each and puts their attachment records
// to the four relays nearest to them.
func (m *mesh) withLeaves(n int, seed uint64) []int {
	relays := len(m.nodes)
	var leaves []int
	for _, id := range ids(n, seed) {
		i := m.add(id, true)
		leaves = append(leaves, i)
		var homes []routing.ID
		for _, h := range m.rand.Perm(relays)[:3] {
			m.link(i, h)
			homes = append(homes, m.nodes[h].id)
		}
		for _, h := range m.nearestRelays(id.Key(), 4) {
			m.nodes[h].records.put(id, homes...)
		}
	}
	return leaves
}

func TestLeavesReachEachOther(t *testing.T) {
	for _, lists := range []bool{false, true} {
		m := newMesh(200, 13)
		leaves := m.withLeaves(60, 14)
		m.settle(lists)
		most := 0
		for _, i := range leaves {
			for _, j := range leaves {
				if i == j {
					continue
				}
				got := m.carry(t, i, m.data(i, j), 0)
				if got.end != j || got.verdict.Action != engine.ActionDeliver {
					t.Fatalf("%d to %d: got %v (%v) at %d", i, j, got.verdict.Action, got.verdict.Reason, got.end)
				}
				most = max(most, got.crossings)
				m.checkReturn(t, i, j)
			}
		}
		if most > limits.MaxPlainHops {
			t.Errorf("lists %v: got up to %d crossings, want at most %d", lists, most, limits.MaxPlainHops)
		}
		t.Logf("lists %v: %d crossings at most", lists, most)
	}
}

// checkReturn sends a handshake with a return from leaf i to node j, and the
// answer by that return; no record of i is needed for it.
func (m *mesh) checkReturn(t *testing.T, i, j int) {
	t.Helper()
	home := sortedKeys(m.nodes[i].links)[j%3]
	ask := m.data(i, j)
	ask.Type, ask.Class, ask.Detour, ask.Return = wire.TypeHandshake, wire.ClassControl, []byte{}, m.nodes[home].id[:]
	got := m.carry(t, i, ask, j%2)
	if got.end != j {
		t.Fatalf("handshake %d to %d: got %v (%v) at %d", i, j, got.verdict.Action, got.verdict.Reason, got.end)
	}
	back := m.data(j, i)
	back.Type, back.Class, back.Detour = wire.TypeHandshake, wire.ClassControl, []byte{}
	back.Waypoints = mustParse(t, got.verdict.Frame).Return
	if got := m.carry(t, j, back, 0); got.end != i {
		t.Fatalf("answer %d to %d: got %v (%v) at %d", j, i, got.verdict.Action, got.verdict.Reason, got.end)
	}
}

// TestLeavesThatMoved: two of three homes in a record do not hold the leaf any
// more. A frame then ends as detached or arrives, and soon one arrives.
func TestLeavesThatMoved(t *testing.T) {
	m := newMesh(200, 15)
	leaves := m.withLeaves(60, 16)
	for _, i := range leaves {
		for _, h := range sortedKeys(m.nodes[i].links)[:2] {
			delete(m.nodes[i].links, h)
			delete(m.nodes[h].links, i)
		}
	}
	m.settle(false)
	detached := 0
	for _, i := range leaves {
		for n := range 40 {
			from := m.rand.IntN(200)
			got := m.carry(t, from, m.data(from, i), 0)
			if got.end == i {
				break
			}
			if got.verdict.Reason != reason.Detached || n == 39 {
				t.Fatalf("to %d, try %d: got %v (%v)", i, n, got.verdict.Action, got.verdict.Reason)
			}
			detached++
		}
	}
	if detached == 0 {
		t.Error("got no frame that ended as detached, want some")
	}
}

// TestNearestEndsAtTheNearest: of a leaf's Nearest frame it is exact, which is
// what makes its record found.
func TestNearestEndsAtTheNearest(t *testing.T) {
	for _, lists := range []bool{false, true} {
		m := newMesh(200, 17)
		leaves := m.withLeaves(50, 18)
		m.settle(lists)
		for n := range 800 {
			i := leaves[n%len(leaves)]
			key := m.nodes[i].key
			if n%2 == 0 {
				key = ids(1, uint64(n))[0].Key()
			}
			f := wire.Frame{Type: wire.TypeNearest, HopLimit: wire.MaxHopLimit, Src: wid(m.nodes[i].id), Body: nearest(key, wire.OpStore)}
			got := m.carry(t, i, f, n%3)
			if want := m.nearestRelays(key, 1)[0]; got.end != want || got.verdict.Action != engine.ActionAnswer {
				t.Fatalf("got %v (%v) at %d, want an answer at %d", got.verdict.Action, got.verdict.Reason, got.end, want)
			}
		}
		for n := range 400 {
			i := n % 200
			f := wire.Frame{Type: wire.TypeNearest, HopLimit: wire.MaxHopLimit, Src: wid(m.nodes[i].id), Body: nearest(m.nodes[i].key, wire.OpFindNode)}
			if got := m.carry(t, i, f, 0); got.end == i || got.verdict.Action != engine.ActionAnswer {
				t.Fatalf("lookup of its own key by %d: got %v (%v) at %d, want an answer by another", i, got.verdict.Action, got.verdict.Reason, got.end)
			}
		}
	}
}

// TestDetoursAroundDeadLinks takes a part of the links away. Frames with a
// detour list still arrive, and those of class 3, which begin one where they are
// stuck; the others show that there was something to go round.
func TestDetoursAroundDeadLinks(t *testing.T) {
	for _, tt := range []struct {
		name       string
		dead       float64 // share of all links
		atLeast    float64 // share of frames that arrive
		lists      bool
		plainBelow float64 // share of frames without a list that arrive
	}{
		{"a tenth", 0.1, 1, false, 0.99},
		{"a quarter", 0.25, 0.999, false, 0.95},
		{"a quarter, looking ahead", 0.25, 0.999, true, 0.95},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMesh(300, 19)
			for i, a := range m.nodes {
				for _, j := range sortedKeys(a.links) {
					if i < j && m.rand.Float64() < tt.dead {
						a.links[j].Suspect, m.nodes[j].links[i].Suspect = true, true
					}
				}
			}
			m.settle(tt.lists)
			const frames = 4000
			arrived, bulk, plain, most := 0, 0, 0, 0
			for range frames {
				i, j := m.rand.IntN(300), m.rand.IntN(300)
				f := m.data(i, j)
				if got := m.carry(t, i, f, 0); got.end == j {
					bulk++
					most = max(most, got.crossings)
				}
				f.Class = wire.ClassInteractive
				if m.carry(t, i, f, 0).end == j {
					plain++
				}
				f.Detour = []byte{}
				if got := m.carry(t, i, f, 0); got.end == j {
					arrived++
					most = max(most, got.crossings)
				}
			}
			t.Logf("%d of %d with a list, %d of class 3, after %d crossings at most; %d without", arrived, frames, bulk, most, plain)
			if got := min(arrived, bulk); float64(got) < tt.atLeast*frames {
				t.Errorf("got %d of %d frames to arrive, want at least %.2f %%", got, frames, 100*tt.atLeast)
			}
			if float64(plain) > tt.plainBelow*frames {
				t.Errorf("got %d of %d frames to arrive without a list, want dead ends", plain, frames)
			}
		})
	}
}

// TestDetoursToNobodyEnd sends frames to IDs that no node has.
func TestDetoursToNobodyEnd(t *testing.T) {
	m := newMesh(200, 20)
	m.settle(false)
	for _, id := range ids(150, 21) {
		i := m.rand.IntN(200)
		f := m.data(i, i)
		f.Class, f.Detour, f.Dst = wire.ClassInteractive, []byte{}, wid(id)
		switch got := m.carry(t, i, f, 0); got.verdict.Reason {
		case reason.NoRoute, reason.HopLimit, reason.LoopedDetour, reason.DetourBudget:
		default:
			t.Fatalf("got %v (%v) after %d crossings", got.verdict.Action, got.verdict.Reason, got.crossings)
		}
	}
}
