package engine

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

// Neighbours is the list of relays that one peer is linked to, made ready for
// snapshots. It is immutable.
type Neighbours struct{ heads []uint64 }

// NewNeighbours hashes the IDs, once for all snapshots to come. IDs beyond the
// first limits.PeerListEntries are left out.
func NewNeighbours(ids []routing.ID) *Neighbours {
	ids = ids[:min(len(ids), limits.PeerListEntries)]
	n := &Neighbours{heads: make([]uint64, len(ids))}
	for i, id := range ids {
		key := id.Key()
		n.heads[i] = keyHead(&key)
	}
	return n
}

// keyHead returns the first 64 bits of a Key. No two nodes share them, unless
// somebody ground one out in 2^64 hashes for the sake of a detour of one hop.
func keyHead(k *routing.Key) uint64 { return binary.BigEndian.Uint64(k[:]) }

// lookahead finds the relay whose best neighbour is closest to a target. It
// holds the head of every relay and of every relay's neighbours, with the owner
// that leads there, in one sorted list.
type lookahead struct {
	owners []*Peer
	mask   routing.Key // bit b is set when some owner shares exactly b leading bits with this node
	spots  []spot      // ascending by head
	cells  []uint32    // spots[cells[c]:cells[c+1]] are those with head>>shift == c
	shift  int
}

// spot is one place within two hops. 16 bytes, four to a cache line.
type spot struct {
	head   uint64
	rtt    uint32 // of the owner, µs; math.MaxUint32: not measured
	owner  uint16 // index of owners
	bucket uint8  // leading bits that the owner shares with this node
	far    bool   // a neighbour of the owner, not the owner itself
}

// newLookahead returns nil if no peer has shown a list: then there is nothing
// to look at beyond the peers themselves.
func newLookahead(self routing.Key, peers []PeerState) *lookahead {
	l := &lookahead{}
	lists := false
	for i := range peers {
		p := &peers[i]
		if p.Suspect || p.Doubted || p.Leaf || p.Key == self || len(l.owners) > math.MaxUint16 {
			continue
		}
		l.add(&self, p)
		lists = lists || p.Neighbours != nil
	}
	if !lists {
		return nil
	}
	l.sort()
	return l
}

// sort puts the spots in order by counting those of each cell. Heads are hashes:
// a cell gets one or two, unless somebody made them crowd together.
func (l *lookahead) sort() {
	width := bits.Len(uint(len(l.spots)))
	l.shift = 64 - width
	l.cells = make([]uint32, 1<<width+1)
	for i := range l.spots {
		l.cells[l.spots[i].head>>l.shift+1]++
	}
	for c := range l.cells[1:] {
		l.cells[c+1] += l.cells[c]
	}
	next, sorted := slices.Clone(l.cells), make([]spot, len(l.spots))
	for _, at := range l.spots {
		c := at.head >> l.shift
		sorted[next[c]] = at
		next[c]++
	}
	l.spots = sorted
	for c, end := range l.cells[1:] {
		if run := sorted[l.cells[c]:end]; len(run) > 1 {
			slices.SortFunc(run, func(a, b spot) int { return cmp.Compare(a.head, b.head) })
		}
	}
}

// add enters a relay and its neighbours. This node itself is left out: going
// there means coming back.
func (l *lookahead) add(self *routing.Key, p *PeerState) {
	bucket := self.CommonPrefixLen(p.Key)
	l.mask[bucket/8] |= 0x80 >> (bucket % 8)
	at := spot{head: keyHead(&p.Key), rtt: p.RTTMicros, owner: uint16(len(l.owners)), bucket: uint8(bucket)}
	if at.rtt == 0 {
		at.rtt = math.MaxUint32
	}
	l.owners = append(l.owners, p.Peer)
	l.spots = append(l.spots, at)
	if p.Neighbours == nil {
		return
	}
	at.far = true
	own := keyHead(self)
	for _, at.head = range p.Neighbours.heads {
		if at.head != own {
			l.spots = append(l.spots, at)
		}
	}
}

// best returns, among the relays strictly closer to target than this node, the
// one that leads to the spot sharing most leading bits with it. Spots that share
// as many are ranked by less.
//
// A relay is strictly closer exactly when self XOR target has a one at the
// relay's bucket, so one bit test per spot decides. Sharing only decreases
// away from the target's place in the sorted list, on both sides.
func (l *lookahead) best(self, target *routing.Key) *Peer {
	toward := self.Xor(*target)
	if !intersects(&toward, &l.mask) {
		return nil
	}
	t := keyHead(target)
	right := l.search(t)
	left := right - 1
	var best *spot
	for left >= 0 || right < len(l.spots) {
		at := l.closerEnd(t, &left, &right)
		if best != nil && shared(at.head, t) < shared(best.head, t) {
			break
		}
		if toward[at.bucket/8]<<(at.bucket%8)&0x80 != 0 && (best == nil || at.less(best, t)) {
			best = at
		}
	}
	if best == nil {
		return nil
	}
	return l.owners[best.owner]
}

// closerEnd returns the spot at left or right that shares more leading bits with
// t, and moves that end on.
func (l *lookahead) closerEnd(t uint64, left, right *int) *spot {
	if *right >= len(l.spots) || *left >= 0 && shared(l.spots[*left].head, t) >= shared(l.spots[*right].head, t) {
		*left--
		return &l.spots[*left+1]
	}
	*right++
	return &l.spots[*right-1]
}

// less ranks two spots equally near to t: the relay itself before a neighbour,
// which is one hop more; then the faster link; then the smaller distance.
func (a *spot) less(b *spot, t uint64) bool {
	if a.far != b.far {
		return b.far
	}
	if a.rtt != b.rtt {
		return a.rtt < b.rtt
	}
	if x, y := a.head^t, b.head^t; x != y {
		return x < y
	}
	return a.owner < b.owner
}

// search returns the index of the first spot whose head is at least t.
func (l *lookahead) search(t uint64) int {
	c := t >> l.shift
	low, high := int(l.cells[c]), int(l.cells[c+1])
	for low < high {
		mid := int(uint(low+high) / 2)
		if l.spots[mid].head < t {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// shared returns how many leading bits two heads share, 0 to 64.
func shared(a, b uint64) int { return bits.LeadingZeros64(a ^ b) }

// intersects tells whether a and b have a one in the same place.
func intersects(a, b *routing.Key) bool {
	for i := 0; i < len(a); i += 8 {
		if binary.BigEndian.Uint64(a[i:])&binary.BigEndian.Uint64(b[i:]) != 0 {
			return true
		}
	}
	return false
}
