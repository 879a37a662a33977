package engine

// placedHeap orders what knows its own place in it, so that any of it can be
// taken out.
type placedHeap[T any] struct {
	list   []T
	before func(a, b T) bool
	place  func(T) *int // where an element keeps its place in this heap
}

func (h *placedHeap[T]) add(x T) {
	*h.place(x) = len(h.list)
	h.list = append(h.list, x)
	h.rise(len(h.list) - 1)
}

func (h *placedHeap[T]) remove(x T) {
	i, last := *h.place(x), len(h.list)-1
	h.swap(i, last)
	clear(h.list[last:])
	h.list = h.list[:last]
	if i < last {
		h.sink(i)
		h.rise(i)
	}
}

func (h *placedHeap[T]) swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	*h.place(h.list[i]), *h.place(h.list[j]) = i, j
}

func (h *placedHeap[T]) rise(i int) {
	for up := (i - 1) / 2; i > 0 && h.before(h.list[i], h.list[up]); i, up = up, (up-1)/2 {
		h.swap(i, up)
	}
}

func (h *placedHeap[T]) sink(i int) {
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
