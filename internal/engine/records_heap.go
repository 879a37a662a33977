package engine

// recordHeap orders records; each knows its place in it, so that any can be
// taken out.
type recordHeap struct {
	list   []*heldRecord
	place  int // which place of a record is that in this heap
	before func(a, b *heldRecord) bool
}

func (h *recordHeap) add(r *heldRecord) {
	r.place[h.place] = len(h.list)
	h.list = append(h.list, r)
	h.rise(len(h.list) - 1)
}

func (h *recordHeap) remove(r *heldRecord) {
	i, last := r.place[h.place], len(h.list)-1
	h.swap(i, last)
	h.list[last] = nil
	h.list = h.list[:last]
	if i < last {
		h.sink(i)
		h.rise(i)
	}
}

func (h *recordHeap) swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].place[h.place], h.list[j].place[h.place] = i, j
}

func (h *recordHeap) rise(i int) {
	for up := (i - 1) / 2; i > 0 && h.before(h.list[i], h.list[up]); i, up = up, (up-1)/2 {
		h.swap(i, up)
	}
}

func (h *recordHeap) sink(i int) {
	for {
		first := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < len(h.list) && h.before(h.list[c], h.list[first]) {
				first = c
			}
		}
		if first == i {
			return
		}
		h.swap(i, first)
		i = first
	}
}
