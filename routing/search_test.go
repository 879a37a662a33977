package routing

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSearchAgreesWithBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCrowd(t, 300)
		s := snapshotOf(c)
		for range 8 {
			target := c.drawTarget(t)
			want := c.byDistance(target)
			checkClosest(t, s, target, want)
			checkNext(t, s, target, want)
			checkNearest(t, s, target, want)
		}
	})
}

func checkClosest(t *rapid.T, s *Snapshot[int], target Key, want []Key) {
	i, ok := s.Closest(target)
	if ok != (len(want) > 0) {
		t.Fatalf("Closest of %d hops: got ok %v", len(want), ok)
	}
	if ok && s.At(i).Key != want[0] {
		t.Fatalf("Closest to %s: got %s, want %s", target, s.At(i).Key, want[0])
	}
}

func checkNext(t *rapid.T, s *Snapshot[int], target Key, want []Key) {
	progress := len(want) > 0 && Closer(want[0], s.self, target)
	i, ok := s.Next(target)
	if ok != progress {
		t.Fatalf("Next to %s: got ok %v, want %v", target, ok, progress)
	}
	if ok && s.At(i).Key != want[0] {
		t.Fatalf("Next to %s: got %s, want %s", target, s.At(i).Key, want[0])
	}
}

func checkNearest(t *rapid.T, s *Snapshot[int], target Key, want []Key) {
	n := rapid.IntRange(-1, len(want)+2).Draw(t, "n")
	got := s.Nearest(target, n, []int{-7})
	if got[0] != -7 {
		t.Fatalf("Nearest: got first entry %d, want the -7 that was there", got[0])
	}
	if keys, want := keysAt(s, got[1:]), want[:min(max(n, 0), len(want))]; !slices.Equal(keys, want) {
		t.Fatalf("Nearest %d to %s: got %v, want %v", n, target, keys, want)
	}
}

func TestClosestFuncAgreesWithBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCrowd(t, 100)
		s := snapshotOf(c)
		target := c.drawTarget(t)
		refused := rapid.Uint64().Draw(t, "refused")
		accept := func(h *Hop[int]) bool { return refused>>(h.Value%64)&1 == 0 }

		left := crowd{self: c.self}
		for _, h := range c.hops {
			if accept(&h) {
				left.hops = append(left.hops, h)
			}
		}
		want := left.byDistance(target)
		i, ok := s.ClosestFunc(target, accept)
		switch {
		case ok != (len(want) > 0):
			t.Fatalf("got ok %v with %d acceptable hops", ok, len(want))
		case ok && s.At(i).Key != want[0]:
			t.Fatalf("got %s, want %s", s.At(i).Key, want[0])
		}
	})
}

func TestSearchOfFewHops(t *testing.T) {
	self, other := ID{1}.Key(), ID{2}.Key()
	target := flip(other, KeyBits-1)
	hop := Hop[int]{ID: ID{2}, Key: other}
	me := Hop[int]{ID: ID{1}, Key: self}
	for _, tt := range []struct {
		name          string
		s             *Snapshot[int]
		closest, next int
	}{
		{"zero value", &Snapshot[int]{}, -1, -1},
		{"none", NewSnapshot[int](self, nil), -1, -1},
		{"one, closer", NewSnapshot(self, []Hop[int]{hop}), 0, 0},
		{"one, not closer", NewSnapshot(target, []Hop[int]{hop}), 0, -1},
		{"only itself", NewSnapshot(self, []Hop[int]{me}), 0, -1},
		{"one added to the zero value", new(Snapshot[int]).With(hop), 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if i, ok := tt.s.Closest(target); i != tt.closest || ok != (i >= 0) {
				t.Errorf("Closest: got %d, %v, want %d", i, ok, tt.closest)
			}
			if i, ok := tt.s.Next(target); i != tt.next || ok != (i >= 0) {
				t.Errorf("Next: got %d, %v, want %d", i, ok, tt.next)
			}
			if got := len(tt.s.Nearest(target, 5, nil)); got != tt.s.Len() {
				t.Errorf("Nearest: got %d hops, want %d", got, tt.s.Len())
			}
		})
	}
}

// TestEqualKeys holds more than a scan's worth of IDs at one place, which a
// descent can never tell apart.
func TestEqualKeys(t *testing.T) {
	src := source(1)
	k := anyKey(src)
	var hops []Hop[int]
	for range 3 * scanMax {
		hops = append(hops, Hop[int]{ID: mustID(src), Key: k})
	}
	s := NewSnapshot(flip(k, 0), hops)
	if i, ok := s.Next(k); !ok || s.At(i).Key != k {
		t.Errorf("Next: got %d, %v", i, ok)
	}
	if got := s.Nearest(k, len(hops), nil); len(got) != len(hops) {
		t.Errorf("Nearest: got %d hops, want %d", len(got), len(hops))
	}
	if _, ok := NewSnapshot(k, hops).Next(k); ok {
		t.Error("Next: got a hop that is no closer than the node, want none")
	}
}

func TestSearchAllocatesNothing(t *testing.T) {
	for _, shape := range []string{"random", "one cluster", "ladder"} {
		s := snapshotOf(newCrowd(160, 1, shape, 40))
		target := flip(s.At(80).Key, 100)
		dst := make([]int, 0, 20)
		for name, search := range map[string]func(){
			"Closest":     func() { s.Closest(target) },
			"Next":        func() { s.Next(target) },
			"Find":        func() { s.Find(s.At(3).ID) },
			"Nearest":     func() { s.Nearest(target, 20, dst) },
			"ClosestFunc": func() { s.ClosestFunc(target, func(h *Hop[int]) bool { return h.Value != 3 }) },
		} {
			if got := testing.AllocsPerRun(100, search); got != 0 {
				t.Errorf("%s, %s: got %v allocations, want 0", name, shape, got)
			}
		}
	}
}
