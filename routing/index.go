package routing

import "math/bits"

// cell is one of the equal parts that the prefix index cuts the space into. It
// holds the run of hops [first, end) of the nearest cell that has any hops: its
// own, where it has some.
//
// The nearest such cell is the same for all targets in a cell, because the
// leading bits of the distance depend on the two cells alone. So the run always
// contains the closest hop.
type cell struct{ first, end uint32 }

func (c cell) empty() bool { return c.first == c.end }

// index returns the snapshot over hops, which are sorted and free of duplicates
// and belong to it from now on.
func index[T any](self Key, hops []Hop[T]) *Snapshot[T] {
	s := &Snapshot[T]{
		self:  self,
		hops:  hops,
		heads: make([]uint64, len(hops)),
		byID:  make(map[ID]int32, len(hops)),
	}
	for i := range hops {
		s.heads[i] = hops[i].Key.word(0)
		s.byID[hops[i].ID] = int32(i)
	}
	s.cells, s.shift = cut(s.heads)
	return s
}

// cut returns 2^ceil(log2 n) cells for the n heads, and the shift that leads from
// a head to its cell. Without heads there are no cells.
func cut(heads []uint64) (cells []cell, shift uint) {
	if len(heads) == 0 {
		return nil, 0
	}
	prefix := bits.Len(uint(len(heads) - 1))
	shift = uint(64 - prefix)
	cells = make([]cell, 1<<prefix)
	vacant := len(cells)
	for i, h := range heads {
		c := &cells[h>>shift]
		if c.empty() {
			c.first = uint32(i)
			vacant--
		}
		c.end = uint32(i + 1)
	}
	settle(cells, vacant)
	return cells, shift
}

// settle gives each of the vacant cells the run of its nearest neighbour. Cells
// are at distance (their numbers' XOR), so the blocks of 2^k cells are tried in
// ascending k: a block without any hops takes over the runs of its sibling, cell
// by cell, and as a whole.
func settle(cells []cell, vacant int) {
	for step := 1; vacant > 0 && step < len(cells); step *= 2 {
		for i := range cells {
			if twin := cells[i^step]; cells[i].empty() && !twin.empty() {
				cells[i] = twin
				vacant--
			}
		}
	}
}
