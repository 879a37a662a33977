package session

import (
	"sync"
	"time"
)

// timer is a deadline in a heap.
type timer struct {
	at    time.Duration // 0: none
	place int           // in the heap, from 1; 0: not in it
	peer  *peer         // whose; nil: the Table's own
}

// timers is a heap of deadlines. Its lock is taken after that of a peer.
//
// timer.at of a peer is written with both locks held, so either is enough to
// read it.
type timers struct {
	mu   sync.Mutex
	heap []*timer
	told time.Duration // earliest time told to the owner and not past; 0: none
	arm  func(at time.Duration)
}

// earlier makes sure that x goes off at the given time or before.
func (h *timers) earlier(x *timer, at time.Duration) {
	if x.at == 0 || at < x.at {
		h.set(x, at)
	}
}

// set lets x go off at the given time, and only then.
func (h *timers) set(x *timer, at time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	x.at = at
	if x.place == 0 {
		h.heap = append(h.heap, x)
		x.place = len(h.heap)
	}
	h.down(x)
	h.up(x)
	if h.told == 0 || at < h.told {
		h.told = at
		h.arm(at)
	}
}

// remove takes x out of the heap.
func (h *timers) remove(x *timer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut(x)
	x.at = 0
}

func (h *timers) cut(x *timer) {
	if x.place == 0 {
		return
	}
	last := h.heap[len(h.heap)-1]
	h.heap = h.heap[:len(h.heap)-1]
	if last != x {
		h.put(last, x.place)
		h.down(last)
		h.up(last)
	}
	x.place = 0
}

// begin says that the owner is looking at the clock: what was told is past.
func (h *timers) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = 0
}

// due takes the earliest timer that has gone off, or nil.
func (h *timers) due(at time.Duration) *timer {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.heap) == 0 || h.heap[0].at > at {
		return nil
	}
	x := h.heap[0]
	h.cut(x)
	return x
}

// next returns the earliest deadline, 0 for none, and takes note that it was told.
func (h *timers) next() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = 0
	if len(h.heap) > 0 {
		h.told = h.heap[0].at
	}
	return h.told
}

func (h *timers) put(x *timer, place int) { h.heap[place-1], x.place = x, place }

func (h *timers) up(x *timer) {
	for x.place > 1 {
		parent := h.heap[x.place/2-1]
		if parent.at <= x.at {
			return
		}
		place := parent.place
		h.put(parent, x.place)
		h.put(x, place)
	}
}

func (h *timers) down(x *timer) {
	for 2*x.place <= len(h.heap) {
		child := h.heap[2*x.place-1]
		if 2*x.place < len(h.heap) && h.heap[2*x.place].at < child.at {
			child = h.heap[2*x.place]
		}
		if x.at <= child.at {
			return
		}
		place := child.place
		h.put(child, x.place)
		h.put(x, place)
	}
}
