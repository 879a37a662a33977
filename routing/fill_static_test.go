package routing

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
)

// staticNodes is the size of the network of TestStaticNetworkHops. With 10,000
// nodes it takes about 9 minutes.
var staticNodes = flag.Int("nodes", 1000, "nodes of the static network")

// mostHops is the mean that greedy forwarding may take, by the size of the network.
var mostHops = map[int]float64{1_000: 3.7, 10_000: 5.7}

const (
	staticPairs = 5000
	staticCap   = 24
	staticRoom  = staticCap - fillReserve
)

// society is a network whose nodes know each other all and link as the fill policy
// says. Node v is at places[v].
type society struct {
	ids    []ID
	places []Place
	fills  []Filler
	links  []map[int]bool // by node, the other ends
	shut   []map[int]bool // by node, who refused it
}

func newSociety(n int, seed uint64) *society {
	src := source(seed)
	s := &society{}
	for range n {
		id := mustID(src)
		s.ids = append(s.ids, id)
		s.places = append(s.places, Place{Key: id.Key()})
		s.fills = append(s.fills, Filler{Self: id.Key(), Room: staticRoom})
		s.links = append(s.links, map[int]bool{})
		s.shut = append(s.shut, map[int]bool{})
	}
	return s
}

// others returns the other ends of u's links, ascending, and their places.
func (s *society) others(u int) (nodes []int, places []Place) {
	for v := range s.links[u] {
		nodes = append(nodes, v)
	}
	slices.Sort(nodes)
	for _, v := range nodes {
		places = append(places, s.places[v])
	}
	return nodes, places
}

// need tells what u has of a link to v.
func (s *society) need(u, v int) Need {
	_, places := s.others(u)
	return s.fills[u].Need(places, s.places[v].Key)
}

// round lets every node, in the given order, ask for up to n links, and tells how
// many were asked for.
func (s *society) round(order []int, n int, least Need) (asked int) {
	for _, u := range order {
		_, links := s.others(u)
		var who []int
		var candidates []Place
		for v := range s.places {
			if v != u && !s.links[u][v] && !s.shut[u][v] {
				who, candidates = append(who, v), append(candidates, s.places[v])
			}
		}
		for _, w := range s.fills[u].Wants(links, candidates, n) {
			if w.Need >= least {
				s.ask(u, who[w.Index], w.Need)
				asked++
			}
		}
	}
	return asked
}

// ask lets u ask v for a link. A node at its cap takes needed links alone, and
// only if it finds one to drop.
func (s *society) ask(u, v int, need Need) {
	needed := need >= NeedBucket || s.need(v, u) >= NeedBucket
	if !s.room(u, needed) || !s.room(v, needed) {
		s.shut[u][v] = true
		return
	}
	s.links[u][v], s.links[v][u] = true, true
}

// room makes room at u for one link more.
func (s *society) room(u int, needed bool) bool {
	if len(s.links[u]) < staticCap {
		return true
	}
	if !needed {
		return false
	}
	nodes, places := s.others(u)
	i, ok := s.fills[u].Spare(places, func(i int) bool { return s.redundant(nodes[i], u) })
	if ok {
		delete(s.links[u], nodes[i])
		delete(s.links[nodes[i]], u)
	}
	return ok
}

// redundant tells whether u can do without its link to v.
func (s *society) redundant(u, v int) bool {
	nodes, places := s.others(u)
	return s.fills[u].Redundant(places, slices.Index(nodes, v))
}

// settle lets the nodes ask until nobody wants any further link: for what they
// need first, then for one or two others at a time.
func (s *society) settle(t *testing.T, seed uint64) {
	order := rand.New(source(seed)).Perm(len(s.places))
	for rounds := 0; s.round(order, staticRoom, NeedBucket) > 0; rounds++ {
		if rounds > staticCap {
			t.Fatal("needed links: got no end of changes")
		}
	}
	for rounds := 0; s.round(order, 2, NeedSpread) > 0; rounds++ {
		if rounds > 2*staticCap {
			t.Fatal("other links: got no end of changes")
		}
	}
}

// world returns the network as its nodes forward in it.
func (s *society) world() *world {
	w := &world{}
	for u, p := range s.places {
		nodes, _ := s.others(u)
		var hops []Hop[int]
		for _, v := range nodes {
			hops = append(hops, Hop[int]{ID: s.ids[v], Key: s.places[v].Key, Value: v})
		}
		w.keys = append(w.keys, p.Key)
		w.nodes = append(w.nodes, NewSnapshot(p.Key, hops))
	}
	return w
}

// TestStaticNetworkHops fills a network by the policy alone and forwards in it
// greedily: everything arrives, and by short ways. No node may exceed its cap or
// lack a link in a bucket.
func TestStaticNetworkHops(t *testing.T) {
	s := newSociety(*staticNodes, 11)
	s.settle(t, 12)
	degrees := 0
	for u := range s.places {
		_, links := s.others(u)
		degrees += len(links)
		if len(links) > staticCap {
			t.Errorf("node %d: got %d links, want at most %d", u, len(links), staticCap)
		}
		if empty := s.fills[u].emptyBuckets(links, s.places); len(empty) > 0 {
			t.Errorf("node %d: got no link in buckets %v", u, empty)
		}
	}
	w, src := s.world(), rand.New(source(13))
	total, longest := 0, 0
	for range staticPairs {
		from, to := src.IntN(*staticNodes), src.IntN(*staticNodes)
		for from == to {
			to = src.IntN(*staticNodes)
		}
		hops := w.walk(from, to)
		if hops < 0 {
			t.Fatalf("%d to %d: got stuck", from, to)
		}
		total, longest = total+hops, max(longest, hops)
	}
	mean := float64(total) / staticPairs
	t.Logf("%d nodes, mean degree %.2f: mean %.3f hops, longest %d", *staticNodes, float64(degrees)/float64(*staticNodes), mean, longest)
	if most, ok := mostHops[*staticNodes]; ok && mean > most {
		t.Errorf("got %.3f hops, want at most %.1f", mean, most)
	}
}
