package routing

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// scene is a node with links and candidates, no Key twice.
type scene struct {
	f                 Filler
	links, candidates []Place
}

func drawScene(t *rapid.T) scene {
	c := drawCrowd(t, 120).distinct()
	places := make([]Place, 0, len(c.hops))
	src := rand.New(source(rapid.Uint64().Draw(t, "round trips")))
	for _, h := range c.hops {
		if h.Key == c.self {
			continue
		}
		// A third unknown, and few enough values for ties.
		rtt := time.Duration(max(src.IntN(9)-2, 0)) * time.Millisecond
		places = append(places, Place{Key: h.Key, RTT: rtt})
	}
	linked := rapid.IntRange(0, min(len(places), 40)).Draw(t, "links")
	return scene{
		f:          Filler{Self: c.self, Room: rapid.IntRange(0, 40).Draw(t, "room")},
		links:      places[:linked:linked],
		candidates: places[linked:],
	}
}

// TestWantsHold checks what Wants promises of its answer as a whole.
func TestWantsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		n := rapid.IntRange(0, 60).Draw(t, "n")
		wants := s.f.Wants(s.links, s.candidates, n)
		if len(wants) > n {
			t.Fatalf("got %d wants, want at most %d", len(wants), n)
		}
		seen := map[int]bool{}
		for i, w := range wants {
			if seen[w.Index] {
				t.Fatalf("got candidate %d twice", w.Index)
			}
			seen[w.Index] = true
			if w.Need == NeedNone || i > 0 && !s.inOrder(wants[i-1], w) {
				t.Fatalf("got %v at %d, want it in order: %v", w, i, wants)
			}
			if w.Need == NeedSpread && len(s.links)+i >= s.f.Room {
				t.Fatalf("got a spread want as link %d, want none above %d", len(s.links)+i+1, s.f.Room)
			}
		}
	})
}

// inOrder tells whether b may follow a.
func (s *scene) inOrder(a, b Want) bool {
	if a.Need != b.Need {
		return a.Need > b.Need
	}
	x, y := s.candidates[a.Index].Key, s.candidates[b.Index].Key
	switch a.Need {
	case NeedNear:
		return Closer(x, y, s.f.Self)
	case NeedBucket:
		return s.f.Self.CommonPrefixLen(x) > s.f.Self.CommonPrefixLen(y)
	}
	return true
}

// TestWantsSuffice checks that a node that gets all it wants has the near set that
// all it knows allows, and no empty bucket, and that it has no room left unless it
// knows nobody else.
func TestWantsSuffice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		links := slices.Clone(s.links)
		wants := s.f.Wants(s.links, s.candidates, len(s.candidates))
		for _, w := range wants {
			links = append(links, s.candidates[w.Index])
		}
		if empty := s.f.emptyBuckets(links, s.candidates); len(empty) > 0 {
			t.Fatalf("got buckets %v empty", empty)
		}
		if len(wants) < len(s.candidates) && len(links) < s.f.Room {
			t.Fatalf("got %d links, want %d", len(links), s.f.Room)
		}
		all := slices.Concat(s.links, s.candidates)
		sortByDistance(all, s.f.Self)
		near := s.f.nearest(all)
		for _, p := range all[:min(len(all), near.size(s.f.Room))] {
			if !slices.Contains(links, p) {
				t.Fatalf("got no link to %s, one of the nearest", p.Key)
			}
		}
	})
}

func sortByDistance(places []Place, self Key) {
	slices.SortFunc(places, func(a, b Place) int {
		x, y := a.Key.Xor(self), b.Key.Xor(self)
		return slices.Compare(x[:], y[:])
	})
}

// TestWantsAgreeWithNeed makes the wanted links one by one: at each step Need must
// see at least as much in the link, and a needed one is not redundant afterwards.
func TestWantsAgreeWithNeed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		links := slices.Clone(s.links)
		for _, w := range s.f.Wants(s.links, s.candidates, len(s.candidates)) {
			p := s.candidates[w.Index]
			if got := s.f.Need(links, p.Key); got < w.Need {
				t.Fatalf("%s: got %s from Need, want at least %s", p.Key, got, w.Need)
			}
			links = append(links, p)
			if w.Need >= NeedBucket && s.f.Redundant(links, len(links)-1) {
				t.Fatalf("%s: got it redundant as soon as it was linked for %s", p.Key, w.Need)
			}
		}
	})
}

// TestRedundantAgreesWithNeed checks that a link is redundant exactly when a node
// without it would not need it, both against the plain definition, and that all of
// them together are told the same.
func TestRedundantAgreesWithNeed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		needed := s.f.Needed(s.links, nil)
		for i, p := range s.links {
			rest := slices.Delete(slices.Clone(s.links), i, i+1)
			got, need := s.f.Redundant(s.links, i), s.f.Need(rest, p.Key)
			if got != (need < NeedBucket) || got != s.plainlyRedundant(p) || got == needed[i] {
				t.Fatalf("%s: got redundant %v, need %s, want redundant %v", p.Key, got, need, s.plainlyRedundant(p))
			}
		}
	})
}

func (s *scene) plainlyRedundant(p Place) bool {
	sorted := slices.Clone(s.links)
	sortByDistance(sorted, s.f.Self)
	near := s.f.nearest(s.links)
	if slices.Index(sorted, p) < near.size(s.f.Room) {
		return false
	}
	b := s.f.bucket(&p)
	return slices.ContainsFunc(sorted, func(q Place) bool { return q != p && s.f.bucket(&q) == b })
}

// TestSpareLeavesWhatIsNeeded drops links until none is spare: all that is left is
// needed, and no bucket has become empty.
func TestSpareLeavesWhatIsNeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		links := slices.Clone(s.links)
		for i, ok := s.f.Spare(links, nil); ok; i, ok = s.f.Spare(links, nil) {
			if !s.f.Redundant(links, i) {
				t.Fatalf("got %s, which is not redundant", links[i].Key)
			}
			links = slices.Delete(links, i, i+1)
		}
		for i, p := range links {
			if s.f.Redundant(links, i) {
				t.Fatalf("%s: got it left although it is redundant", p.Key)
			}
		}
		if empty := s.f.emptyBuckets(links, s.links); len(empty) > 0 {
			t.Fatalf("got buckets %v emptied", empty)
		}
	})
}

// TestFillIsBlindToOrder shuffles what goes in: the same nodes must come out.
func TestFillIsBlindToOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		other := scene{f: s.f, links: slices.Clone(s.links), candidates: slices.Clone(s.candidates)}
		src := rand.New(source(rapid.Uint64().Draw(t, "order")))
		for _, places := range [][]Place{other.links, other.candidates} {
			src.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
		}
		if got, want := other.wanted(), s.wanted(); !slices.Equal(got, want) {
			t.Fatalf("got other wants:\n%v\n%v", got, want)
		}
		i, ok := s.f.Spare(s.links, nil)
		j, _ := other.f.Spare(other.links, nil)
		if ok && s.links[i] != other.links[j] {
			t.Fatalf("got %s spare, want %s", other.links[j].Key, s.links[i].Key)
		}
	})
}

// wanted returns who is wanted, in order.
func (s *scene) wanted() (places []Place) {
	for _, w := range s.f.Wants(s.links, s.candidates, len(s.candidates)) {
		places = append(places, s.candidates[w.Index])
	}
	return places
}
