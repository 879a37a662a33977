package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

// A direct link is one for what its two ends have to say to each other, between
// any two nodes, leaves too. Frames of others take it as they take any link with
// a relay, but it is no link of the table: it fills no place there, none of those
// who want one can push it out, and others are not told of it. The user's own
// stay; of itself a node makes limits.DirectLinks, and of those that others make
// with it, it takes as many as half of its links over WebRTC. One that fell silent
// goes for the sake of a pair that talks.

func (ev Offered) step(e *Engine, now time.Time) {
	why := e.offered(now, ev)
	switch {
	case why == reason.None && e.carriedTo(ev.ID, ev.Direct): // it takes the place of another
	case why == reason.None:
		e.carried.forget(func(o offer) bool { return o.id == ev.ID })
		e.carried.offers = append(e.carried.offers, offer{ev.ID, ev.Direct, e.clock(now) + limits.SignalTimeout})
	}
	ev.Done(why)
}

// offered says whether a link that a node offers would be admitted, as far as
// its ID tells.
func (e *Engine) offered(now time.Time, ev Offered) reason.Reason {
	switch {
	case e.cfg.WebRTC == WebRTCOff:
		return reason.Unsupported
	case e.targets.stopped:
		return reason.Leaving
	case e.isBanned(now, ev.ID):
		return reason.Banned
	case len(e.carried.offers) >= limits.SignalSessions:
		return reason.LinkLimit
	case e.carriedTo(ev.ID, ev.Direct):
		return reason.None
	case ev.Direct:
		return e.pairOffered(now, ev.ID, ev.Wanted)
	case !ev.Need && e.filledBy(now, ev.ID) && e.filler.Need(e.places(), ev.ID.Key()) <= routing.NeedSpread,
		e.roomOfTable(now, ev.ID) <= 0 && e.spareCarried(now) == nil,
		e.links.relays >= e.cfg.MaxRelays && e.links.leaves >= e.cfg.MaxLeaves && e.spare(now, true) == nil:
		return reason.LinkLimit
	}
	return reason.None
}

// filledBy says whether the links that this node has and those that others than id
// are about to make fill its room: what neither end needs would not be admitted.
func (e *Engine) filledBy(now time.Time, id routing.ID) bool {
	return e.links.relays+e.carried.offered(e.clock(now), false, id) >= e.filler.Room
}

// carriedTo says whether there is such a link over WebRTC already.
func (e *Engine) carriedTo(id routing.ID, direct bool) bool {
	for _, n := range e.links.byID[id] {
		if n.usable() && n.webRTC && n.direct == direct {
			return true
		}
	}
	return false
}

func (e *Engine) pairOffered(now time.Time, id routing.ID, wanted bool) reason.Reason {
	w := e.reach[id]
	if (wanted || w != nil && w.byUser) && e.roomOverall(now, id) > 0 {
		return reason.None
	}
	if e.guestRoom(now, id) <= 0 || e.roomOverall(now, id) <= 0 && e.silentPair(now) == nil {
		return reason.LinkLimit
	}
	return reason.None
}

// pairRoom is how many more direct links this node may make of itself, what is
// under way counted.
func (e *Engine) pairRoom(now time.Time) int {
	return limits.DirectLinks - e.hot.flying - e.pairs(func(n *neighbour) bool { return n.link.Outbound && !e.silent(n, now) })
}

// guestRoom is how many more direct links others may make with this node, what is
// under way with others than id counted: of all links over WebRTC half, pairs of
// this node's own making included.
func (e *Engine) guestRoom(now time.Time, id routing.ID) int {
	all, _ := e.capWebRTC()
	return (all+1)/2 - e.hot.flying - e.carried.offered(e.clock(now), true, id) -
		e.pairs(func(n *neighbour) bool { return !e.silent(n, now) })
}

// pairs counts the direct links that the user of this node did not ask for.
func (e *Engine) pairs(which func(*neighbour) bool) (count int) {
	for _, n := range e.links.list {
		if n.ofPair() && which(n) {
			count++
		}
	}
	return count
}

// ofPair says that n is a direct link that the user of this node did not ask for.
func (n *neighbour) ofPair() bool { return n.usable() && n.direct && !n.kept }

func (e *Engine) silent(n *neighbour, now time.Time) bool {
	return e.clock(now)-n.talked >= limits.HotIdle
}

// silentPair is the link of a pair that has been silent longest, nil when none
// has for limits.HotIdle.
func (e *Engine) silentPair(now time.Time) (oldest *neighbour) {
	for _, n := range e.links.list {
		if n.ofPair() && e.silent(n, now) && (oldest == nil || n.talked < oldest.talked) {
			oldest = n
		}
	}
	return oldest
}

// admitDirect says whether there is a place for a direct link, and makes one.
func (e *Engine) admitDirect(n *neighbour, now time.Time) reason.Reason {
	all, _ := e.capWebRTC()
	room, carried := (all+1)/2-e.pairs(func(*neighbour) bool { return true }), e.links.webRTC+e.links.direct
	if n.link.Outbound {
		room = limits.DirectLinks - e.pairs(func(o *neighbour) bool { return o.link.Outbound })
	}
	if (n.kept || room > 0) && (!n.webRTC || carried < all) {
		return reason.None
	}
	old := e.silentPair(now)
	if old == nil || n.webRTC && carried >= all && !old.webRTC {
		return reason.LinkLimit
	}
	e.end(old, reason.LinkLimit, now)
	return reason.None
}
