package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

// Doubted: frames that left by way of a peer got lost time and again, although
// its link acks them.
type Doubted struct{ Peer routing.ID }

// doubts are the relays that nothing is sent by way of for a while. They are
// kept by ID, so that a new link does not wash a peer clean.
type doubts struct {
	until map[routing.ID]time.Time // at most limits.ScoredHops
	next  time.Time                // when the first of them ends; zero: there is none
}

func (ev Doubted) step(e *Engine, now time.Time) {
	if !e.links.linked(ev.Peer) {
		return
	}
	d := &e.doubts
	if d.until == nil {
		d.until = make(map[routing.ID]time.Time)
	}
	if len(d.until) >= limits.ScoredHops && d.until[ev.Peer].IsZero() {
		return
	}
	d.until[ev.Peer] = now.Add(limits.DoubtHold)
	earlier(&d.next, now.Add(limits.DoubtHold))
	e.redraw = true
}

// doubtsDue ends the doubts whose time is over.
func (e *Engine) doubtsDue(now time.Time) {
	d := &e.doubts
	if !due(d.next, now) {
		return
	}
	d.next = time.Time{}
	for id, until := range d.until {
		if now.Before(until) {
			earlier(&d.next, until)
		} else {
			delete(d.until, id)
		}
	}
	e.redraw = true
}

func (e *Engine) isDoubted(n *neighbour) bool {
	_, doubted := e.doubts.until[n.ID]
	return doubted
}

// trusted says whether there is a relay to send by that is neither suspect nor
// doubted.
func (e *Engine) trusted() bool {
	if len(e.doubts.until) == 0 {
		return false // and nobody asks
	}
	for _, n := range e.links.list {
		if !n.Leaf && !n.closing && !n.suspect && !e.isDoubted(n) {
			return true
		}
	}
	return false
}
