package routing

import (
	"bytes"
	"slices"
	"sort"
)

// Hop is one peer that frames can be handed to.
type Hop[T any] struct {
	// ID names the peer. A snapshot holds each ID once.
	ID ID
	// Key is the ID's place, ID.Key(). The snapshot takes it as given and does not
	// hash again.
	Key Key
	// Value is whatever the caller wants to find with the peer. The snapshot
	// copies it and never looks at it.
	Value T
}

// Snapshot is an immutable set of hops, sorted by Key, that tells in constant time
// (for Keys that nobody clustered on purpose) which is closest to a target.
//
// All methods may be called from any goroutine. Hops are named by their index
// in the sorted order, 0 to Len()-1; an index is meaningful for the snapshot it
// came from only. A nil Snapshot must not be used; the zero Snapshot is
// an empty one of a node whose Key is zero.
type Snapshot[T any] struct {
	self  Key
	hops  []Hop[T]     // ascending by Key, then ID
	heads []uint64     // the first 8 bytes of each hop's Key, big-endian
	cells []cell       // prefix index over heads
	shift uint         // a Key with head h belongs to cells[h>>shift]
	byID  map[ID]int32 // ID to index
}

// NewSnapshot returns the snapshot of the hops of a node whose Key is self. The
// hops are copied. Where an ID occurs more than once its last hop counts. Self
// should not be among them; if it is, [Snapshot.Next] never returns it.
func NewSnapshot[T any](self Key, hops []Hop[T]) *Snapshot[T] {
	unique := lastOfEach(hops)
	slices.SortFunc(unique, func(a, b Hop[T]) int { return compareHops(&a, &b) })
	return index(self, unique)
}

// With returns a snapshot that also holds h, in place of a hop with the same ID
// if there is one. The receiver stays as it is. It costs time and memory
// proportional to the number of hops, but no sorting.
func (s *Snapshot[T]) With(h Hop[T]) *Snapshot[T] {
	if i, ok := s.Find(h.ID); ok {
		if s.hops[i].Key == h.Key {
			return s.replace(i, h)
		}
		s = s.Without(h.ID)
	}
	at := sort.Search(len(s.hops), func(i int) bool { return compareHops(&s.hops[i], &h) > 0 })
	hops := make([]Hop[T], 0, len(s.hops)+1)
	hops = append(hops, s.hops[:at]...)
	hops = append(hops, h)
	hops = append(hops, s.hops[at:]...)
	return index(s.self, hops)
}

// Without returns a snapshot that does not hold the hop with this ID: the
// receiver itself if it never did. The receiver stays as it is.
func (s *Snapshot[T]) Without(id ID) *Snapshot[T] {
	i, ok := s.Find(id)
	if !ok {
		return s
	}
	hops := make([]Hop[T], 0, len(s.hops)-1)
	hops = append(hops, s.hops[:i]...)
	hops = append(hops, s.hops[i+1:]...)
	return index(s.self, hops)
}

// Len returns the number of hops.
func (s *Snapshot[T]) Len() int { return len(s.hops) }

// At returns the hop with index i, which must be in 0 to Len()-1. It belongs to
// the snapshot and must not be changed.
func (s *Snapshot[T]) At(i int) *Hop[T] { return &s.hops[i] }

// Find returns the index of the hop with this ID, or -1 and false. It needs no
// Key and does not allocate.
func (s *Snapshot[T]) Find(id ID) (i int, ok bool) {
	j, ok := s.byID[id]
	if !ok {
		return -1, false
	}
	return int(j), true
}

// replace returns a snapshot whose hop i is h, which has the same ID and Key.
// Nothing moves, so all indexes are shared with the receiver.
func (s *Snapshot[T]) replace(i int, h Hop[T]) *Snapshot[T] {
	next := *s
	next.hops = slices.Clone(s.hops)
	next.hops[i] = h
	return &next
}

// lastOfEach copies hops, keeping the last of each ID.
func lastOfEach[T any](hops []Hop[T]) []Hop[T] {
	at := make(map[ID]int, len(hops))
	unique := make([]Hop[T], 0, len(hops))
	for _, h := range hops {
		if i, ok := at[h.ID]; ok {
			unique[i] = h
			continue
		}
		at[h.ID] = len(unique)
		unique = append(unique, h)
	}
	return unique
}

// compareHops orders by Key. Two IDs with one Key would be a broken SHA-256; the
// ID decides then, so that the order is total whatever the caller hands in.
func compareHops[T any](a, b *Hop[T]) int {
	if c := a.Key.compare(&b.Key); c != 0 {
		return c
	}
	return bytes.Compare(a.ID[:], b.ID[:])
}
