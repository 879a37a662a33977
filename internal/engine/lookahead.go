package engine

import (
	"encoding/binary"
	"math"
	"math/bits"
	"sort"

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
	owners []owner
	mask   routing.Key // bit b is set when some owner shares exactly b leading bits with this node
	places places      // within two hops, ascending by head
	cells  []uint32    // places[cells[c]:cells[c+1]] are those with head>>shift == c
	shift  int
}

// owner is a relay that leads to places.
type owner struct {
	peer   *Peer
	rtt    uint32 // µs; math.MaxUint32: not measured
	bucket uint8  // leading bits that it shares with this node
}

// places are heads and, for each, the way there.
type places struct {
	heads []uint64
	ways  []way
}

// way is twice the index of an owner, and one more if the place is a neighbour
// of the owner and not the owner itself.
type way uint32

func (w way) far() bool { return w&1 != 0 }

func (p *places) append(head uint64, w way) {
	p.heads, p.ways = append(p.heads, head), append(p.ways, w)
}

func (p *places) Len() int           { return len(p.heads) }
func (p *places) Less(i, j int) bool { return p.heads[i] < p.heads[j] }
func (p *places) Swap(i, j int) {
	p.heads[i], p.heads[j] = p.heads[j], p.heads[i]
	p.ways[i], p.ways[j] = p.ways[j], p.ways[i]
}

func makePlaces(n int) places { return places{make([]uint64, 0, n), make([]way, 0, n)} }

// newLookahead returns nil if no peer has shown a list: then there is nothing
// to look at beyond the peers themselves.
func newLookahead(self routing.Key, peers []PeerState) *lookahead {
	owners, size, lists := 0, 0, false
	for i := range peers {
		if p := &peers[i]; leads(p, &self) {
			owners++
			size++
			if p.Neighbours != nil {
				lists = true
				size += len(p.Neighbours.heads)
			}
		}
	}
	if !lists {
		return nil
	}
	l := &lookahead{owners: make([]owner, 0, owners), places: makePlaces(size)}
	for i := range peers {
		if p := &peers[i]; leads(p, &self) {
			l.add(&self, p)
		}
	}
	l.sort()
	return l
}

// leads says that frames of others may go on by a peer, as far as rule 6 has a
// choice.
func leads(p *PeerState, self *routing.Key) bool {
	return !p.Suspect && !p.Doubted && !p.Passive && !p.Leaf && p.Key != *self
}

// insertionMost is up to how many places of a cell are sorted by insertion.
const insertionMost = 16

// sort puts the places in order by counting those of each cell. Heads are
// hashes: a cell gets two or so, unless somebody made them crowd together.
func (l *lookahead) sort() {
	width := max(bits.Len(uint(l.places.Len()))-1, 1)
	l.shift = 64 - width
	l.cells = make([]uint32, 1<<width+1)
	for _, head := range l.places.heads {
		l.cells[head>>l.shift]++
	}
	end := uint32(0)
	for c := range l.cells {
		end += l.cells[c]
		l.cells[c] = end
	}
	sorted := places{make([]uint64, end), make([]way, end)}
	for i, head := range l.places.heads {
		c := head >> l.shift
		l.cells[c]-- // from the end of each cell down to its beginning
		sorted.heads[l.cells[c]], sorted.ways[l.cells[c]] = head, l.places.ways[i]
	}
	l.places = sorted
	for c, end := range l.cells[1:] {
		sorted.sort(int(l.cells[c]), int(end))
	}
}

// sort sorts the places in [from, to).
func (p *places) sort(from, to int) {
	if to-from > insertionMost {
		sort.Sort(&places{p.heads[from:to], p.ways[from:to]})
		return
	}
	for i := from + 1; i < to; i++ {
		for j := i; j > from && p.Less(j, j-1); j-- {
			p.Swap(j, j-1)
		}
	}
}

// add enters a relay and its neighbours. This node itself is left out: going
// there means coming back.
func (l *lookahead) add(self *routing.Key, p *PeerState) {
	bucket := self.CommonPrefixLen(p.Key)
	l.mask[bucket/8] |= 0x80 >> (bucket % 8)
	w := way(2 * len(l.owners))
	l.owners = append(l.owners, owner{p.Peer, p.RTTMicros, uint8(bucket)})
	if p.RTTMicros == 0 {
		l.owners[w/2].rtt = math.MaxUint32
	}
	l.places.append(keyHead(&p.Key), w)
	if p.Neighbours == nil {
		return
	}
	own := keyHead(self)
	for _, head := range p.Neighbours.heads {
		if head != own {
			l.places.append(head, w|1)
		}
	}
}

// best returns, among the relays that carry and are strictly closer to target
// than this node, the one that leads to the place sharing most leading bits with it. Places that
// share as many are ranked by less.
//
// A relay is strictly closer exactly when self XOR target has a one at the
// relay's bucket, so one bit test per place decides. Sharing only decreases
// away from the target's place in the sorted list, on both sides.
func (l *lookahead) best(self, target *routing.Key) *Peer {
	toward := self.Xor(*target)
	if !intersects(&toward, &l.mask) {
		return nil
	}
	t := keyHead(target)
	right := l.search(t)
	left := right - 1
	best, bestShared := -1, 0
	for left >= 0 || right < l.places.Len() {
		at := l.closerEnd(t, &left, &right)
		sharing := shared(l.places.heads[at], t)
		if best >= 0 && sharing < bestShared {
			break
		}
		o := &l.owners[l.places.ways[at]/2]
		if toward[o.bucket/8]<<(o.bucket%8)&0x80 != 0 && (best < 0 || l.less(at, best, t)) {
			best, bestShared = at, sharing
		}
	}
	if best < 0 {
		return nil
	}
	return l.owners[l.places.ways[best]/2].peer
}

// nearest returns how many leading bits t shares with the head that shares most.
func (l *lookahead) nearest(t uint64) (most int) {
	i := l.search(t)
	for _, head := range l.places.heads[max(i-1, 0):min(i+1, l.places.Len())] {
		most = max(most, shared(head, t))
	}
	return most
}

// closerEnd returns the place at left or right that shares more leading bits with
// t, and moves that end on.
func (l *lookahead) closerEnd(t uint64, left, right *int) int {
	heads := l.places.heads
	if *right >= len(heads) || *left >= 0 && shared(heads[*left], t) >= shared(heads[*right], t) {
		*left--
		return *left + 1
	}
	*right++
	return *right - 1
}

// less ranks two places equally near to t: the relay itself before a neighbour,
// which is one hop more; then the faster link; then the smaller distance.
func (l *lookahead) less(a, b int, t uint64) bool {
	wa, wb := l.places.ways[a], l.places.ways[b]
	if wa.far() != wb.far() {
		return wb.far()
	}
	if x, y := l.owners[wa/2].rtt, l.owners[wb/2].rtt; x != y {
		return x < y
	}
	if x, y := l.places.heads[a]^t, l.places.heads[b]^t; x != y {
		return x < y
	}
	return wa < wb
}

// search returns the index of the first place whose head is at least t.
func (l *lookahead) search(t uint64) int {
	c := t >> l.shift
	low, high := int(l.cells[c]), int(l.cells[c+1])
	for low < high {
		mid := int(uint(low+high) / 2)
		if l.places.heads[mid] < t {
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
