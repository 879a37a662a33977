package routing

import (
	"fmt"
	"testing"
)

// benchSizes are a busy peer, a server at its default cap, and a very large one.
var benchSizes = []int{24, 160, 5000}

// benchTargets returns a power of two of random targets, so that no branch
// predictor learns them.
func benchTargets(base Key, shared int) []Key {
	src := source(99)
	targets := make([]Key, 4096)
	for i := range targets {
		targets[i] = sharing(base, anyKey(src), shared)
	}
	return targets
}

func BenchmarkNext(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("random/%d", n), func(b *testing.B) {
			s := snapshotOf(newCrowd(n, 1, "random", 0))
			benchNext(b, s, benchTargets(Key{}, 0))
		})
		b.Run(fmt.Sprintf("cluster/%d", n), func(b *testing.B) {
			s := snapshotOf(newCrowd(n, 1, "one cluster", 40))
			benchNext(b, s, benchTargets(s.At(0).Key, 40))
		})
		b.Run(fmt.Sprintf("ladder/%d", n), func(b *testing.B) {
			c := newCrowd(min(n, 64), 1, "ladder", 0)
			benchNext(b, snapshotOf(c), benchTargets(c.hops[len(c.hops)-1].Key, 40))
		})
	}
}

// benchNext lets each search wait for the result of the one before, as the steps
// of one frame do: the time is that of a search, not of many overlapping ones.
func benchNext(b *testing.B, s *Snapshot[int], targets []Key) {
	b.ReportAllocs()
	at := 0
	for b.Loop() {
		i, _ := s.Next(targets[at%len(targets)])
		at += 2 + i&1
	}
}

func BenchmarkFind(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := snapshotOf(newCrowd(n, 1, "random", 0))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s.Find(s.At(i % n).ID)
				i++
			}
		})
	}
}

func BenchmarkNearest20(b *testing.B) {
	for _, n := range benchSizes {
		c := newCrowd(n, 1, "random", 0)
		s := snapshotOf(c)
		targets := benchTargets(Key{}, 0)
		b.Run(fmt.Sprintf("snapshot/%d", n), func(b *testing.B) {
			dst := make([]int, 0, 20)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s.Nearest(targets[i%len(targets)], 20, dst)
				i++
			}
		})
		b.Run(fmt.Sprintf("table/%d", n), func(b *testing.B) {
			table := mustTable(b, ID{1}, n)
			for _, h := range c.hops {
				if err := table.Add(h.ID); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				table.Nearest(targets[i%len(targets)], 20)
				i++
			}
		})
	}
}

func BenchmarkWith(b *testing.B) {
	for _, n := range benchSizes {
		c := newCrowd(n, 1, "random", 0)
		s := NewSnapshot(c.self, c.hops[1:])
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.With(c.hops[0])
			}
		})
	}
}

func BenchmarkKey(b *testing.B) {
	id := sampleID
	b.ReportAllocs()
	for b.Loop() {
		id[0] = id.Key()[0]
	}
}
