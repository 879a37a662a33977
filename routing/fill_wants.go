package routing

import (
	"cmp"
	"slices"
	"time"
)

// spreadSample is the number of candidates among which the best link of a bucket
// is chosen. More save next to no hops (measured with 1,000 nodes: 3.48 with 16 and
// 3.47 with all).
const spreadSample = 16

// Want is one candidate to link with.
type Want struct {
	// Index is its index in the candidates that [Filler.Wants] was given.
	Index int
	// Need is what the link is good for, never NeedNone.
	Need Need
}

// Wants returns at most n of the candidates to link with, the most needed first,
// none twice:
//
//   - for NeedNear those among the nearest of links and candidates together,
//     ascending by distance;
//   - for NeedBucket one in each bucket still without a link, the deepest first: the
//     one with the lowest known RTT, else one that depends on both Keys, so that the
//     links of many nodes into one bucket go to all of its members alike;
//   - for NeedSpread, as long as the links and the wants before it are fewer than
//     Room, one at a time in the bucket with the fewest, the farthest of those. Of
//     up to 16 candidates there, taken at even steps, it is the one whose nearest
//     link in the bucket is farthest; where that differs by less than a factor of
//     two, the one with the lowest known RTT.
//
// Near and bucket wants come whatever Room says. The caller leaves out of
// candidates whom it is linked with; Self among them is passed over. The cost is
// mostly that of sorting the candidates, which stay as they are.
func (f *Filler) Wants(links, candidates []Place, n int) []Want {
	n = min(n, len(candidates))
	if n <= 0 {
		return nil
	}
	p := newPlan(f, links, candidates, n)
	p.addNear()
	p.addBuckets()
	p.addSpread()
	return p.wants
}

// plan is the work of one call of Wants.
type plan struct {
	*Filler
	links, candidates []Place
	n                 int // the most wants to give

	ranked []ranked // the candidates, ascending by distance from Self
	runs   []run    // of ranked, one for each bucket, the deepest first
	linked tally    // links and wants
	wants  []Want
	mates  []Key // links and wants in the bucket being looked at
}

// ranked is one candidate.
type ranked struct {
	head  uint64 // first 8 bytes of its distance
	index int32  // of candidates
	taken bool   // it is among the wants
}

// run is the part [first, end) of the ranked candidates that lies in one bucket.
type run struct {
	bucket, first, end int
	left               int // candidates not taken
}

func newPlan(f *Filler, links, candidates []Place, n int) *plan {
	p := &plan{Filler: f, links: links, candidates: candidates, n: n, linked: f.tally(links)}
	p.wants = make([]Want, 0, min(n, max(f.Room-len(links), 0)+nearMost+8))
	p.rank()
	for i := range p.ranked {
		b := p.bucket(p.place(i))
		if last := len(p.runs) - 1; last >= 0 && p.runs[last].bucket == b {
			p.runs[last].end++
			p.runs[last].left++
			continue
		}
		p.runs = append(p.runs, run{bucket: b, first: i, end: i + 1, left: 1})
	}
	return p
}

// rank sorts the candidates; Self is not one.
func (p *plan) rank() {
	p.ranked = make([]ranked, 0, len(p.candidates))
	self := p.Self.word(0)
	for i := range p.candidates {
		if k := &p.candidates[i].Key; *k != p.Self {
			p.ranked = append(p.ranked, ranked{head: k.word(0) ^ self, index: int32(i)})
		}
	}
	slices.SortFunc(p.ranked, func(a, b ranked) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		x, y := p.candidates[a.index].Key.Xor(p.Self), p.candidates[b.index].Key.Xor(p.Self)
		return x.compare(&y)
	})
}

// place returns the candidate with rank i.
func (p *plan) place(i int) *Place { return &p.candidates[p.ranked[i].index] }

// full tells whether no more wants are asked for.
func (p *plan) full() bool { return len(p.wants) >= p.n }

// take wants the candidate with rank i, which lies in r.
func (p *plan) take(r *run, i int, need Need) {
	p.ranked[i].taken = true
	r.left--
	p.linked[r.bucket]++
	p.wants = append(p.wants, Want{Index: int(p.ranked[i].index), Need: need})
}

func (p *plan) addNear() {
	near := p.nearest(p.links)
	for i := range min(nearMost, len(p.ranked)) {
		near.add(p.Self, p.place(i).Key)
	}
	for r := range p.runs {
		for i := p.runs[r].first; i < p.runs[r].end; i++ {
			if p.full() || !near.holds(p.Filler, p.place(i).Key) {
				return
			}
			p.take(&p.runs[r], i, NeedNear)
		}
	}
}

func (p *plan) addBuckets() {
	for i := range p.runs {
		if p.full() {
			return
		}
		if r := &p.runs[i]; p.linked[r.bucket] == 0 {
			p.take(r, p.first(r), NeedBucket)
		}
	}
}

// first returns the rank of the candidate of r to enter its bucket by.
func (p *plan) first(r *run) int {
	best := r.first
	for i := r.first + 1; i < r.end; i++ {
		a, b := p.place(i), p.place(best)
		if cmp.Or(compareRTT(a.RTT, b.RTT), cmp.Compare(p.lot(&a.Key), p.lot(&b.Key))) < 0 {
			best = i
		}
	}
	return best
}

// lot draws a number for key that is as good as random, but always the same at one
// node. It mixes the last eight bytes, which have no part in who is near whom, by
// the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
func (p *plan) lot(key *Key) uint64 {
	x := p.Self.word(KeyLen-8) ^ key.word(KeyLen-8)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (p *plan) addSpread() {
	for !p.full() && len(p.links)+len(p.wants) < p.Room {
		r := p.emptiest()
		if r == nil {
			return
		}
		p.take(r, p.diverse(r), NeedSpread)
	}
}

// emptiest returns the run with candidates left whose bucket has the fewest links,
// the farthest of those, or nil if none has candidates left.
func (p *plan) emptiest() (least *run) {
	for i := range p.runs {
		r := &p.runs[i]
		if r.left > 0 && (least == nil || p.linked[r.bucket] <= p.linked[least.bucket]) {
			least = r
		}
	}
	return least
}

// diverse returns the rank of the candidate of r to spread to.
func (p *plan) diverse(r *run) int {
	p.gather(r.bucket)
	best, bestOffer := -1, offer{}
	seen, sample := 0, min(r.left, spreadSample)
	for i := r.first; i < r.end; i++ {
		if p.ranked[i].taken {
			continue
		}
		// Of r.left candidates these are sample many, evenly apart.
		if seen*sample%r.left < sample {
			if o := newOffer(p.place(i), p.mates); best < 0 || o.compare(&bestOffer) < 0 {
				best, bestOffer = i, o
			}
		}
		seen++
	}
	return best
}

// gather lists who is in a bucket already.
func (p *plan) gather(bucket int) {
	p.mates = p.mates[:0]
	for i := range p.links {
		if p.bucket(&p.links[i]) == bucket {
			p.mates = append(p.mates, p.links[i].Key)
		}
	}
	for _, w := range p.wants {
		if c := &p.candidates[w.Index]; p.bucket(c) == bucket {
			p.mates = append(p.mates, c.Key)
		}
	}
}

// offer is what a candidate would add to a bucket.
type offer struct {
	shared int // leading bits shared with the nearest mate
	rtt    time.Duration
	apart  Key // distance to the nearest mate
}

// newOffer weighs a candidate against its mates, of which there is at least one.
func newOffer(c *Place, mates []Key) offer {
	nearest := nearestBut(c.Key, mates)
	return offer{c.Key.CommonPrefixLen(nearest), c.RTT, c.Key.Xor(nearest)}
}

// nearestBut returns the one of keys, other than k itself, that is nearest to k, or
// k if there is none.
func nearestBut(k Key, keys []Key) Key {
	nearest := k
	for i := range keys {
		if keys[i] != k && (nearest == k || Closer(keys[i], nearest, k)) {
			nearest = keys[i]
		}
	}
	return nearest
}

// compare is negative if o is the better one.
func (o *offer) compare(other *offer) int {
	return cmp.Or(
		cmp.Compare(o.shared, other.shared),
		compareRTT(o.rtt, other.rtt),
		other.apart.compare(&o.apart),
	)
}

// compareRTT orders round trips ascending, with the unknown ones behind.
func compareRTT(a, b time.Duration) int {
	if (a == 0) != (b == 0) {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}
