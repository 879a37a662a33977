package routing

import (
	"testing"

	"pgregory.net/rapid"
)

// TestCloserIsOneBit checks that whether v is strictly closer to t than u is hangs
// on one bit of (u XOR t): the one at which u and v part.
func TestCloserIsOneBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCrowd(t, 20)
		target := c.drawTarget(t)
		x := c.self.Xor(target)
		for _, h := range c.hops {
			b := c.self.CommonPrefixLen(h.Key)
			want := b < KeyBits && x.bit(b)
			if got := Closer(h.Key, c.self, target); got != want {
				t.Fatalf("u %s v %s t %s: got closer %v, want bit %d, %v", c.self, h.Key, target, got, b, want)
			}
		}
	})
}

// TestStuck checks that Next finds nothing exactly when no linked bucket lies at a
// one bit of (u XOR t).
func TestStuck(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCrowd(t, 12)
		s := snapshotOf(c)
		target := c.drawTarget(t)
		x := c.self.Xor(target)
		stuck := true
		for _, h := range c.hops {
			if b := c.self.CommonPrefixLen(h.Key); b < KeyBits && x.bit(b) {
				stuck = false
			}
		}
		if _, ok := s.Next(target); ok == stuck {
			t.Fatalf("u %s t %s: got a next hop %v, want %v", c.self, target, ok, !stuck)
		}
	})
}

// world is a network in which every node has links in each bucket that is not
// empty: the condition under which greedy forwarding must arrive.
type world struct {
	keys  []Key
	nodes []*Snapshot[int] // by node; Value is the number of the peer
	depth []int            // by node: how many of its buckets are not empty
}

// newWorld links each node to one random member of each non-empty bucket, and to
// a few more at random.
func newWorld(c crowd, seed uint64, extra int) *world {
	src := source(seed)
	w := &world{}
	c = c.distinct()
	for _, h := range c.hops {
		w.keys = append(w.keys, h.Key)
	}
	for u, key := range w.keys {
		buckets := map[int][]int{}
		for v := range w.keys {
			if v != u {
				b := key.CommonPrefixLen(w.keys[v])
				buckets[b] = append(buckets[b], v)
			}
		}
		var links []Hop[int]
		link := func(v int) { links = append(links, Hop[int]{ID: c.hops[v].ID, Key: w.keys[v], Value: v}) }
		for _, members := range buckets {
			link(members[src.Uint64()%uint64(len(members))])
		}
		for range extra {
			if v := int(src.Uint64() % uint64(len(w.keys))); v != u {
				link(v)
			}
		}
		w.nodes = append(w.nodes, NewSnapshot(key, links))
		w.depth = append(w.depth, len(buckets))
	}
	return w
}

// walk follows Next from u to t and returns the hops taken, or -1 if it ends
// elsewhere or goes on for longer than there are nodes.
func (w *world) walk(u, t int) int {
	for hops := range len(w.nodes) {
		if u == t {
			return hops
		}
		i, ok := w.nodes[u].Next(w.keys[t])
		if !ok {
			return -1
		}
		u = w.nodes[u].At(i).Value
	}
	return -1
}

// TestGreedyArrives sends from every node to every other.
func TestGreedyArrives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCrowd(t, 40)
		w := newWorld(c, rapid.Uint64().Draw(t, "links"), rapid.IntRange(0, 4).Draw(t, "extra links"))
		for u := range w.nodes {
			for v := range w.nodes {
				hops := w.walk(u, v)
				if hops < 0 || hops > w.depth[v] {
					t.Fatalf("%d to %d of %d: got %d hops, want 0 to %d", u, v, len(w.nodes), hops, w.depth[v])
				}
			}
		}
	})
}

// TestGreedyArrivesAtTheClosest sends to targets that are nobody: every node must
// end at the same place, the closest node there is.
func TestGreedyArrivesAtTheClosest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCrowd(t, 40)
		if len(c.hops) == 0 {
			return
		}
		w := newWorld(c, rapid.Uint64().Draw(t, "links"), 0)
		target := c.drawTarget(t)
		want := c.byDistance(target)[0]
		for u := range w.nodes {
			at, hops := u, 0
			for i, ok := w.nodes[at].Next(target); ok; i, ok = w.nodes[at].Next(target) {
				at = w.nodes[at].At(i).Value
				if hops++; hops > len(w.nodes) {
					t.Fatalf("from %d: still moving after %d hops", u, hops)
				}
			}
			if w.keys[at] != want {
				t.Fatalf("from %d: got to %s, want %s", u, w.keys[at], want)
			}
		}
	})
}

// TestGreedyInALargeNetwork does the same once at a size where paths are long,
// with IDs hashed to their Keys.
func TestGreedyInALargeNetwork(t *testing.T) {
	src := source(7)
	var c crowd
	for range 600 {
		id := mustID(src)
		c.hops = append(c.hops, Hop[int]{ID: id, Key: id.Key()})
	}
	w := newWorld(c, 8, 0)
	total, longest := 0, 0
	for u := range w.nodes {
		for v := range w.nodes {
			hops := w.walk(u, v)
			if hops < 0 || hops > w.depth[v] {
				t.Fatalf("%d to %d: got %d hops, want 0 to %d", u, v, hops, w.depth[v])
			}
			total, longest = total+hops, max(longest, hops)
		}
	}
	pairs := len(w.nodes) * (len(w.nodes) - 1)
	t.Logf("%d nodes, one link per bucket: mean %.2f hops, longest %d", len(w.nodes), float64(total)/float64(pairs), longest)
}
