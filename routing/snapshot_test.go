package routing

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestChangesEqualRebuild applies a random history of changes and compares each
// step with a snapshot made from scratch, and the step before with what it was.
func TestChangesEqualRebuild(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCrowd(t, 60)
		s := NewSnapshot[int](c.self, nil)
		live := map[ID]Hop[int]{}
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			if len(c.hops) == 0 {
				return
			}
			h := c.hops[rapid.IntRange(0, len(c.hops)-1).Draw(t, "hop")]
			before, frozen := s, slices.Clone(s.hops)
			switch rapid.SampledFrom([]string{"with", "revalue", "move", "without"}).Draw(t, "op") {
			case "with":
				s = s.With(h)
			case "revalue":
				h.Value += 1000
				s = s.With(h)
			case "move":
				h.Key = flip(h.Key, 0)
				s = s.With(h)
			case "without":
				s = s.Without(h.ID)
				delete(live, h.ID)
				h.ID = ID{}
			}
			if !h.ID.IsZero() {
				live[h.ID] = h
			}
			checkSame(t, s, rebuilt(c.self, live))
			if !slices.Equal(before.hops, frozen) {
				t.Fatal("a change reached the snapshot it was derived from")
			}
		}
	})
}

func rebuilt(self Key, live map[ID]Hop[int]) *Snapshot[int] {
	hops := make([]Hop[int], 0, len(live))
	for _, h := range live {
		hops = append(hops, h)
	}
	return NewSnapshot(self, hops)
}

func checkSame(t *rapid.T, got, want *Snapshot[int]) {
	if got.Len() != want.Len() {
		t.Fatalf("got %d hops, want %d", got.Len(), want.Len())
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	for i := range got.Len() {
		if j, ok := got.Find(got.At(i).ID); !ok || j != i {
			t.Fatalf("Find of hop %d: got %d, %v", i, j, ok)
		}
	}
}

func TestNewSnapshotKeepsTheLastOfEachID(t *testing.T) {
	a, b := ID{1}, ID{2}
	hops := []Hop[string]{
		{ID: a, Key: a.Key(), Value: "old"},
		{ID: b, Key: b.Key(), Value: "b"},
		{ID: a, Key: a.Key(), Value: "new"},
	}
	s := NewSnapshot(Key{}, hops)
	if s.Len() != 2 {
		t.Fatalf("got %d hops, want 2", s.Len())
	}
	if i, ok := s.Find(a); !ok || s.At(i).Value != "new" {
		t.Errorf("got value %q, want %q", s.At(i).Value, "new")
	}
	hops[1].Value = "changed"
	if i, _ := s.Find(b); s.At(i).Value != "b" {
		t.Errorf("got value %q, want the hops to be copied", s.At(i).Value)
	}
}

func TestWithoutAStrangerIsTheSame(t *testing.T) {
	s := snapshotOf(newCrowd(10, 1, "random", 8))
	if got := s.Without(ID{1}); got != s {
		t.Error("got another snapshot, want the receiver")
	}
	if i, ok := s.Find(ID{1}); i != -1 || ok {
		t.Errorf("Find of a stranger: got %d, %v, want -1, false", i, ok)
	}
}

// TestCells compares the run of every cell with the nearest occupied cell found
// by trying them all.
func TestCells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := snapshotOf(drawCrowd(t, 100))
		own := map[int]cell{}
		for i, h := range s.heads {
			n := int(h >> s.shift)
			if _, ok := own[n]; !ok {
				own[n] = cell{first: uint32(i)}
			}
			own[n] = cell{own[n].first, uint32(i + 1)}
		}
		for n, got := range s.cells {
			nearest := -1
			for m := range own {
				if nearest < 0 || m^n < nearest^n {
					nearest = m
				}
			}
			if want := own[nearest]; got != want {
				t.Fatalf("cell %d of %d: got %v, want %v of cell %d", n, len(s.cells), got, want, nearest)
			}
		}
	})
}

func ExampleSnapshot() {
	self, near, far := ID{1}, ID{2}, ID{3}
	s := NewSnapshot(self.Key(), []Hop[string]{
		{ID: near, Key: near.Key(), Value: "a link"},
		{ID: far, Key: far.Key(), Value: "another link"},
	})
	if i, ok := s.Next(far.Key()); ok {
		fmt.Println(s.At(i).ID.Short(), s.At(i).Value)
	}
	if _, ok := s.Next(self.Key()); !ok {
		fmt.Println("nobody is closer to us than we are")
	}
	// Output:
	// 03000000 another link
	// nobody is closer to us than we are
}
