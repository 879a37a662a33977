package session

import (
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// trail remembers by which first hops the copies of one thing left, and which
// of those ended in a dead end.
type trail struct {
	sent     int // copies that left
	said     int // copies of which we know that they were dropped for want of a route
	first    [3]try
	tried    []try
	led      bool          // the first copy left by the lead, which comes up once more among the choices
	again    bool          // and it has
	repeated bool          // a hop was tried twice though another was to be: there are no others
	stale    int           // the last so many copies left by hops that were tried before
	same     int           // copies that took a hop again on purpose
	last     reason.Reason // what was heard last about it
}

type try struct {
	hop     wire.ID
	noRoute bool // said of the last copy that left by this hop
	late    bool // a copy by this hop timed out
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
	for i := range r.tried {
		if r.tried[i].hop == hop {
			r.tried[i].noRoute = false
			r.repeat(i == 0 && r.led, hop == c.Via)
			return
		}
	}
	r.tried = append(r.tried, try{hop: hop})
	r.stale = 0
}

// repeat notes that a hop was tried once more: the lead, or one on purpose.
func (r *trail) repeat(lead, purpose bool) {
	if purpose {
		r.same++
		return
	}
	r.stale++
	if lead && !r.again {
		r.again = true
		return
	}
	r.repeated = true
}

// turns returns how many copies left that were to find another way.
func (r *trail) turns() int { return r.sent - r.same }

// hops returns the first hops that were tried.
func (r *trail) hops() []wire.ID {
	all := make([]wire.ID, len(r.tried))
	for i := range r.tried {
		all[i] = r.tried[i].hop
	}
	return all
}

// timedOut notes that a copy by hop was not acked in time.
func (r *trail) timedOut(hop wire.ID) {
	for i := range r.tried {
		if r.tried[i].hop == hop {
			r.tried[i].late = true
		}
	}
}

// deadEnd notes that the last copy by hop found no route.
func (r *trail) deadEnd(hop wire.ID) {
	r.said++
	for i := range r.tried {
		if r.tried[i].hop == hop {
			r.tried[i].noRoute = true
		}
	}
}

// hopeless reports whether all first hops that were tried, at least three or
// all there are, lead nowhere. limits.NoRouteAgain copies must have left: only the
// third and later ones go another way behind the first hop.
func (r *trail) hopeless() bool {
	if len(r.tried) < 3 && !r.repeated || r.sent < limits.NoRouteAgain {
		return false
	}
	for _, v := range r.tried {
		if !v.noRoute {
			return false
		}
	}
	return true
}
