package session

import (
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// trail remembers by which first hops the copies of one thing left, and which
// of those ended in a dead end.
type trail struct {
	sent  int // copies that left
	said  int // copies of which we know that they were dropped for want of a route
	first [3]try
	tried []try
	round uint8         // goes on when all hops were tried
	led   bool          // the first copy left by the lead, which comes up once more among the choices
	stale int           // the last so many copies left by hops that were tried before
	same  int           // copies that took a hop again on purpose
	last  reason.Reason // what was heard last about it
}

type try struct {
	hop     wire.ID
	noRoute bool  // said of the last copy that left by this hop
	told    bool  // said of any of them
	late    bool  // a copy by this hop timed out
	round   uint8 // in which a copy left by it last
}

// leave notes a copy that left by hop on choice c.
func (r *trail) leave(hop wire.ID, c Choice) {
	if r.sent == 0 {
		r.led = hop == c.Via
	}
	r.sent++
	if r.tried == nil {
		r.tried = r.first[:0]
	}
	if v := r.by(hop); v != nil {
		v.noRoute = false
		if hop == c.Via {
			r.same++
			return
		}
		if v.round == r.round {
			r.round++
		}
		v.round = r.round
		r.stale++
		return
	}
	r.tried = append(r.tried, try{hop: hop, round: r.round})
	r.stale = 0
}

// turns returns how many copies left that were to find another way.
func (r *trail) turns() int { return r.sent - r.same }

// by returns what is known of copies by a hop, or nil.
func (r *trail) by(hop wire.ID) *try {
	for i := range r.tried {
		if r.tried[i].hop == hop {
			return &r.tried[i]
		}
	}
	return nil
}

// hops returns the first hops that were tried since all were.
func (r *trail) hops() []wire.ID {
	all := make([]wire.ID, 0, len(r.tried))
	for i := range r.tried {
		if r.tried[i].round == r.round {
			all = append(all, r.tried[i].hop)
		}
	}
	return all
}

// timedOut notes that a copy by hop was not acked in time.
func (r *trail) timedOut(hop wire.ID) {
	if v := r.by(hop); v != nil {
		v.late = true
	}
}

// deadEnd notes that the last copy by hop found no route.
func (r *trail) deadEnd(hop wire.ID) {
	r.said++
	if v := r.by(hop); v != nil {
		v.noRoute, v.told = true, true
	}
}

// told returns how many first hops led to somebody who knows no way.
func (r *trail) told() (n int) {
	for i := range r.tried {
		if r.tried[i].told {
			n++
		}
	}
	return n
}
