package routing

import (
	"bytes"
	"slices"
	"time"
)

const (
	// nearMost and nearLeast bound the size of the near set. Four survive the loss
	// of three neighbours at once; more cost hops and gain nothing measurable. With
	// fewer than two a node hangs on one neighbour.
	nearMost, nearLeast = 4, 2

	// nearSlack is the number of links that a tight cap keeps free besides the near
	// set and one link in each of about log2 N buckets.
	nearSlack = 2

	// fillReserve is the number of links between [Filler.Room] and the cap: they are
	// left to requests from others.
	fillReserve = 4
)

// Need says what a link to some node would be good for, the lowest first.
type Need uint8

// The needs. Links for NeedNear and NeedBucket are those that make greedy
// forwarding arrive; links for NeedSpread only shorten the way.
const (
	// NeedNone: there are links enough.
	NeedNone Need = iota
	// NeedSpread: there is room, and one more link in any bucket saves hops.
	NeedSpread
	// NeedBucket: it would be the only link in its bucket.
	NeedBucket
	// NeedNear: it would be one of the nearest links.
	NeedNear
)

var needNames = [...]string{"none", "spread", "bucket", "near"}

// String returns one lower-case word, "unknown" for a value that is no Need.
func (n Need) String() string {
	if int(n) >= len(needNames) {
		return "unknown"
	}
	return needNames[n]
}

// Place is one node as the fill policy sees it.
type Place struct {
	// Key is where it is.
	Key Key
	// RTT is the round trip to it, or 0 if nobody has measured it.
	RTT time.Duration
}

// Filler decides which links a node should have:
//
//   - the near set, its 4 nearest neighbours (down to 2 where the cap is too tight
//     for the size of the network, which it estimates from its neighbourhood);
//   - at least one link in each bucket that has anybody in it;
//   - with the rest of its room as many links in each bucket as in any other, and
//     within a bucket Keys that differ early.
//
// The first two are what greedy forwarding needs in order to arrive, the third
// makes its ways short.
//
// A Filler remembers nothing. Its methods only read, the fields and what they are
// given, so that they may run at once; equal inputs give equal answers. In each
// list of places no Key may occur twice, and links must not contain Self.
type Filler struct {
	// Self is the node's own place.
	Self Key
	// Room is the number of links up to which the node asks others for links of no
	// particular need: its cap less 4.
	Room int
}

// Need tells what one more link, to key, would be good for. It is NeedNone for
// Self and for a Key that is linked already. It takes one pass over links and
// does not allocate.
func (f *Filler) Need(links []Place, key Key) Need {
	near := f.nearest(links)
	near.add(f.Self, key)
	bucket := f.Self.CommonPrefixLen(key)
	mates, known := 0, key == f.Self
	for i := range links {
		known = known || links[i].Key == key
		if f.bucket(&links[i]) == bucket {
			mates++
		}
	}
	switch {
	case known:
		return NeedNone
	case near.holds(f, key):
		return NeedNear
	case mates == 0:
		return NeedBucket
	case len(links) < f.Room:
		return NeedSpread
	}
	return NeedNone
}

// Redundant tells whether link i, an index of links, is neither in the near set
// nor alone in its bucket: whether forwarding still arrives without it. Of two
// links that are redundant each may be needed once the other is gone. It takes one
// pass over links and does not allocate.
func (f *Filler) Redundant(links []Place, i int) bool {
	bucket := f.bucket(&links[i])
	alone := !slices.ContainsFunc(links, func(p Place) bool {
		return f.bucket(&p) == bucket && p.Key != links[i].Key
	})
	if alone {
		return false
	}
	near := f.nearest(links)
	return !near.holds(f, links[i].Key)
}

// Needed appends to dst, for each of links, whether it is not redundant. It takes two
// passes over links for all of them.
func (f *Filler) Needed(links []Place, dst []bool) []bool {
	var first [KeyBits + 1]int32 // of each bucket, one more than the index; -1: it has several Keys
	for i := range links {
		switch at := &first[f.bucket(&links[i])]; {
		case *at == 0:
			*at = int32(i) + 1
		case *at > 0 && links[*at-1].Key != links[i].Key:
			*at = -1
		}
	}
	near := f.nearest(links)
	for i := range links {
		dst = append(dst, first[f.bucket(&links[i])] > 0 || near.holds(f, links[i].Key))
	}
	return dst
}

// bucket returns the bucket that p lies in, KeyBits if it is Self.
func (f *Filler) bucket(p *Place) int { return f.Self.CommonPrefixLen(p.Key) }

// tally counts places by bucket; the last entry counts Self.
type tally [KeyBits + 1]int32

func (f *Filler) tally(places []Place) (t tally) {
	for i := range places {
		t[f.bucket(&places[i])]++
	}
	return t
}

// nearby holds the distances of the nearMost nearest places, or of all if there
// are fewer, ascending.
type nearby struct {
	distances [nearMost]Key
	n         int
}

func (f *Filler) nearest(places []Place) (c nearby) {
	for i := range places {
		c.add(f.Self, places[i].Key)
	}
	return c
}

// add takes key in if it is near enough. A node is not near itself.
func (c *nearby) add(self, key Key) {
	if c.n == nearMost && !within(self, key, &c.distances[nearMost-1]) || key == self {
		return
	}
	d := self.Xor(key)
	c.n = min(c.n+1, nearMost)
	at := c.n - 1
	for ; at > 0 && d.compare(&c.distances[at-1]) < 0; at-- {
		c.distances[at] = c.distances[at-1]
	}
	c.distances[at] = d
}

// holds tells whether key is in the near set of f, given that it was added.
func (c *nearby) holds(f *Filler, key Key) bool {
	if c.n < nearMost {
		return true
	}
	return within(f.Self, key, &c.distances[c.size(f.Room)-1])
}

// size returns how many links the near set has, nearLeast to nearMost.
//
// The fourth of N nodes is expected at the distance 4/N of the whole space, which
// begins with log2(N/4) zeros.
func (c *nearby) size(room int) int {
	if c.n < nearMost {
		return nearMost
	}
	log2N := c.distances[nearMost-1].CommonPrefixLen(Key{}) + 2
	return min(nearMost, max(nearLeast, room+fillReserve-log2N-nearSlack))
}

// within tells whether key is at most as far from self as distance.
func within(self, key Key, distance *Key) bool {
	if x, y := self.word(0)^key.word(0), distance.word(0); x != y {
		return x < y
	}
	d := self.Xor(key)
	return bytes.Compare(d[:], distance[:]) <= 0
}
