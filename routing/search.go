package routing

import "math/bits"

// scanMax is the longest run of hops that is looked at one by one. A random
// Key's cell holds one hop on average and hardly ever more than 8; longer runs
// are a cluster, perhaps made on purpose, and are narrowed first.
const scanMax = 8

// Closest returns the hop closest to target, whatever the distance, or -1 and
// false if there are no hops. It does not allocate.
func (s *Snapshot[T]) Closest(target Key) (i int, ok bool) {
	if len(s.hops) == 0 {
		return -1, false
	}
	return s.closest(&target), true
}

// Next returns the hop closest to target if it is strictly closer than the node
// itself, else -1 and false: the node is the closest that it knows of. It does
// not allocate.
//
// A frame that only ever moves along Next cannot loop.
func (s *Snapshot[T]) Next(target Key) (i int, ok bool) {
	if len(s.hops) == 0 {
		return -1, false
	}
	i = s.closest(&target)
	t := target.word(0)
	there, here := s.heads[i]^t, s.self.word(0)^t
	if there < here || there == here && Closer(s.hops[i].Key, s.self, target) {
		return i, true
	}
	return -1, false
}

// ClosestFunc returns the closest of the hops that accept agrees to, or -1 and
// false if it agrees to none. It is for rare paths: it looks at every hop. Accept
// is asked in no promised order, and only about hops that would be the closest so
// far; it must not change the hop.
func (s *Snapshot[T]) ClosestFunc(target Key, accept func(*Hop[T]) bool) (i int, ok bool) {
	best := -1
	for i := range s.hops {
		h := &s.hops[i]
		if (best < 0 || Closer(h.Key, s.hops[best].Key, target)) && accept(h) {
			best = i
		}
	}
	return best, best >= 0
}

// Nearest appends to dst the indexes of the n hops closest to target, or of all
// if there are fewer, in ascending order of distance, and returns it. It does not
// allocate when dst has room.
func (s *Snapshot[T]) Nearest(target Key, n int, dst []int) []int {
	n = min(n, len(s.hops))
	if n <= 0 {
		return dst
	}
	return s.appendNearest(dst, len(dst)+n, &target, 0, len(s.hops))
}

// closest returns the index of the closest hop; there is at least one.
func (s *Snapshot[T]) closest(target *Key) int {
	t := target.word(0)
	c := s.cells[t>>s.shift]
	first, end := int(c.first), int(c.end)
	if end-first > scanMax {
		first, end = s.descend(target, first, end)
	}
	best := first
	for i := first + 1; i < end; i++ {
		there, here := s.heads[i]^t, s.heads[best]^t
		if there < here || there == here && Closer(s.hops[i].Key, s.hops[best].Key, *target) {
			best = i
		}
	}
	return best
}

// descend narrows a run to at most scanMax hops that contain the closest one. At
// each bit in which the run differs the half that agrees with target wins: all of
// it is closer than all of the other.
func (s *Snapshot[T]) descend(target *Key, first, end int) (int, int) {
	for end-first > scanMax {
		bit := s.commonPrefixLen(first, end-1)
		if bit == KeyBits {
			return first, first + 1
		}
		mid := s.split(bit, first, end)
		if target.bit(bit) {
			first = mid
		} else {
			end = mid
		}
	}
	return first, end
}

// appendNearest walks the run [first, end) as the binary trie that a sorted list
// is, the agreeing half first, which is ascending order of distance. It stops when
// dst has limit entries. It nests at most once per bit of a Key.
func (s *Snapshot[T]) appendNearest(dst []int, limit int, target *Key, first, end int) []int {
	bit := s.commonPrefixLen(first, end-1)
	if bit == KeyBits {
		for i := first; i < end && len(dst) < limit; i++ {
			dst = append(dst, i)
		}
		return dst
	}
	mid := s.split(bit, first, end)
	near, far := [2]int{first, mid}, [2]int{mid, end}
	if target.bit(bit) {
		near, far = far, near
	}
	dst = s.appendNearest(dst, limit, target, near[0], near[1])
	if len(dst) < limit {
		dst = s.appendNearest(dst, limit, target, far[0], far[1])
	}
	return dst
}

// commonPrefixLen returns how many leading bits the Keys of hops i and j share,
// and so, the hops being sorted, how many all from i to j share.
func (s *Snapshot[T]) commonPrefixLen(i, j int) int {
	if x := s.heads[i] ^ s.heads[j]; x != 0 {
		return bits.LeadingZeros64(x)
	}
	return s.hops[i].Key.CommonPrefixLen(s.hops[j].Key)
}

// split returns the index of the first hop of the run whose Key has a one at bit.
// The run shares all bits before it and has both values there.
func (s *Snapshot[T]) split(bit, first, end int) int {
	for first < end {
		mid := int(uint(first+end) / 2)
		if s.bit(mid, bit) {
			end = mid
		} else {
			first = mid + 1
		}
	}
	return first
}

// bit tells whether bit b of hop i's Key is one, from the dense heads if it can.
func (s *Snapshot[T]) bit(i, b int) bool {
	if b < 64 {
		return s.heads[i]<<b>>63 != 0
	}
	return s.hops[i].Key.bit(b)
}
