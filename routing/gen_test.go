package routing

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// source returns a generator that gives the same stream for the same seed.
func source(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	return rand.NewChaCha8(key)
}

func mustID(src *rand.ChaCha8) ID {
	id, err := RandomID(src)
	if err != nil {
		panic(err)
	}
	return id
}

func anyKey(src *rand.ChaCha8) Key {
	var k Key
	src.Read(k[:])
	return k
}

// sharing returns k with its first n bits taken from base.
func sharing(base, k Key, n int) Key {
	for i := range n {
		if base.bit(i) != k.bit(i) {
			k = flip(k, i)
		}
	}
	return k
}

// flip returns k with bit i turned over.
func flip(k Key, i int) Key {
	k[i/8] ^= 0x80 >> (i % 8)
	return k
}

// crowd is a population of hops, in no order, whose Keys are random or lie in
// clusters; the IDs have nothing to do with the Keys.
type crowd struct {
	self Key
	hops []Hop[int]
}

// drawCrowd draws up to limit hops. Three in four crowds are clustered: most
// Keys share 8 to 64 leading bits, sometimes nearly all, with one of a few.
func drawCrowd(t *rapid.T, limit int) crowd {
	n := rapid.IntRange(0, limit).Draw(t, "hops")
	seed := rapid.Uint64().Draw(t, "seed")
	shape := rapid.SampledFrom([]string{"random", "one cluster", "clusters", "ladder"}).Draw(t, "shape")
	shared := rapid.OneOf(rapid.IntRange(8, 64), rapid.IntRange(65, 255)).Draw(t, "shared bits")
	return newCrowd(n, seed, shape, shared)
}

func newCrowd(n int, seed uint64, shape string, shared int) crowd {
	src := source(seed)
	c := crowd{self: anyKey(src)}
	bases := []Key{anyKey(src), anyKey(src), c.self}
	for i := range n {
		k := anyKey(src)
		switch shape {
		case "one cluster":
			k = sharing(bases[0], k, shared)
		case "clusters":
			if i%4 != 0 {
				k = sharing(bases[i%len(bases)], k, shared)
			}
		case "ladder": // one more shared bit at each step, the deepest trie there is
			k = sharing(bases[0], k, i%KeyBits)
		}
		c.hops = append(c.hops, Hop[int]{ID: mustID(src), Key: k, Value: i})
	}
	return c
}

// drawTarget draws a target that is random, a member, next to a member, the node
// itself, or next to it.
func (c crowd) drawTarget(t *rapid.T) Key {
	src := source(rapid.Uint64().Draw(t, "target seed"))
	near := rapid.IntRange(0, KeyBits).Draw(t, "target shares")
	k := anyKey(src)
	if len(c.hops) == 0 || rapid.Bool().Draw(t, "near self") {
		return sharing(c.self, k, near)
	}
	member := c.hops[rapid.IntRange(0, len(c.hops)-1).Draw(t, "member")].Key
	if near == 0 {
		return k
	}
	return sharing(member, k, near)
}

// distinct returns the crowd without the hops whose Key an earlier one has, which
// tight clusters bring about. Two nodes of a network never share a Key.
func (c crowd) distinct() crowd {
	seen := map[Key]bool{}
	left := crowd{self: c.self}
	for _, h := range c.hops {
		if !seen[h.Key] {
			seen[h.Key] = true
			left.hops = append(left.hops, h)
		}
	}
	return left
}

// byDistance returns the Keys of the hops in ascending order of distance, the
// plain way.
func (c crowd) byDistance(target Key) []Key {
	keys := make([]Key, 0, len(c.hops))
	for _, h := range c.hops {
		keys = append(keys, h.Key)
	}
	slices.SortFunc(keys, func(a, b Key) int {
		x, y := a.Xor(target), b.Xor(target)
		return slices.Compare(x[:], y[:])
	})
	return keys
}

func keysAt(s *Snapshot[int], indexes []int) []Key {
	keys := make([]Key, 0, len(indexes))
	for _, i := range indexes {
		keys = append(keys, s.At(i).Key)
	}
	return keys
}

// TestCrowdShapes makes sure that the generator reaches what it is for: cells
// that must be descended, and Keys that differ only behind the head.
func TestCrowdShapes(t *testing.T) {
	for _, tt := range []struct {
		shape     string
		shared    int
		longRun   bool
		sameHeads bool
	}{
		{"random", 8, false, false},
		{"one cluster", 12, true, false},
		{"clusters", 64, true, true},
		{"one cluster", 200, true, true},
		{"ladder", 8, true, true},
	} {
		s := snapshotOf(newCrowd(160, 1, tt.shape, tt.shared))
		longest := 0
		for _, c := range s.cells {
			longest = max(longest, int(c.end-c.first))
		}
		if got := longest > scanMax; got != tt.longRun {
			t.Errorf("%s, %d bits: longest run %d, want above %d: %v", tt.shape, tt.shared, longest, scanMax, tt.longRun)
		}
		distinct := len(slices.Compact(slices.Clone(s.heads)))
		if got := distinct < s.Len(); got != tt.sameHeads {
			t.Errorf("%s, %d bits: got %d heads of %d hops, want equal ones: %v", tt.shape, tt.shared, distinct, s.Len(), tt.sameHeads)
		}
	}
}

func snapshotOf(c crowd) *Snapshot[int] { return NewSnapshot(c.self, c.hops) }

// emptyBuckets returns the buckets, as common prefix lengths with Self, in which
// there is no link although known has somebody there, the deepest first. Known may
// contain Self and nodes that are linked.
func (f *Filler) emptyBuckets(links []Place, known []Place) []int {
	linked, there := f.tally(links), f.tally(known)
	var empty []int
	for b := KeyBits - 1; b >= 0; b-- {
		if linked[b] == 0 && there[b] > 0 {
			empty = append(empty, b)
		}
	}
	return empty
}
