package testnet

import "time"

// simKind says which of the things that an actor does is due.
type simKind uint8

// simActor is what an event happens to.
type simActor interface {
	happen(s *Simulation, kind simKind)
}

// simEvent is one thing that will happen. Those of one instant happen in the
// order in which they were planned.
type simEvent struct {
	at    time.Duration // since simEpoch
	order uint64
	who   simActor
	kind  simKind
}

func (e *simEvent) before(o *simEvent) bool {
	return e.at < o.at || e.at == o.at && e.order < o.order
}

// simHeap is a heap with four children for each parent: half as deep as one
// with two, and the children lie side by side.
type simHeap struct {
	events []simEvent
	order  uint64
}

func (h *simHeap) push(at time.Duration, who simActor, kind simKind) {
	h.order++
	h.events = append(h.events, simEvent{at, h.order, who, kind})
	i := len(h.events) - 1
	e := h.events[i]
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&h.events[parent]) {
			break
		}
		h.events[i] = h.events[parent]
		i = parent
	}
	h.events[i] = e
}

// due takes the first event if it is not after end.
func (h *simHeap) due(end time.Duration) (first simEvent, ok bool) {
	if len(h.events) == 0 || h.events[0].at > end {
		return simEvent{}, false
	}
	first = h.events[0]
	n := len(h.events) - 1
	last := h.events[n]
	h.events[n] = simEvent{}
	h.events = h.events[:n]
	if n > 0 {
		h.sink(last)
	}
	return first, true
}

// sink puts e where the first event was and lets it find its place.
func (h *simHeap) sink(e simEvent) {
	i, n := 0, len(h.events)
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		for c := child + 1; c < min(child+4, n); c++ {
			if h.events[c].before(&h.events[child]) {
				child = c
			}
		}
		if !h.events[child].before(&e) {
			break
		}
		h.events[i] = h.events[child]
		i = child
	}
	h.events[i] = e
}
