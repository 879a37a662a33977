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
// stay; of the others, whichever end began them, a node has limits.DirectLinks,
// and one that fell silent goes for the sake of a pair that talks.

func (ev Offered) step(e *Engine, now time.Time) {
	why := e.offered(now, ev)
	if why == reason.None {
		e.carried.forget(func(o offer) bool { return o.id == ev.ID })
		e.carried.offers = append(e.carried.offers, offer{ev.ID, ev.Direct, e.clock(now) + limits.SignalTimeout})
	} else {
		e.cfg.Drops.Add(why, 1)
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
		return reason.None // about to take the place of another
	case ev.Direct:
		return e.pairOffered(now, ev.ID, ev.Wanted)
	case e.roomOfTable(now, ev.ID) <= 0 && e.spareCarried(now) == nil,
		e.links.relays >= e.cfg.MaxRelays && e.links.leaves >= e.cfg.MaxLeaves && e.spare(now, true) == nil:
		return reason.LinkLimit
	}
	return reason.None
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
	if e.pairRoom(now, id) <= 0 || e.roomOverall(now, id) <= 0 && e.silentPair(now) == nil {
		return reason.LinkLimit
	}
	return reason.None
}

// pairRoom is how many more direct links that the user of this node did not ask
// for there may be, what is under way with others than id counted.
func (e *Engine) pairRoom(now time.Time, id routing.ID) int {
	room := limits.DirectLinks - e.hot.flying - e.carried.offered(e.clock(now), true, id)
	for _, n := range e.links.list {
		if n.ofPair() && !e.silent(n, now) {
			room--
		}
	}
	return room
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
	pairs, all, carried := 0, 0, e.links.webRTC+e.links.direct
	for _, o := range e.links.list {
		if o.ofPair() {
			pairs++
		}
	}
	all, _ = e.capWebRTC()
	if (n.kept || pairs < limits.DirectLinks) && (!n.webRTC || carried < all) {
		return reason.None
	}
	old := e.silentPair(now)
	if old == nil || n.webRTC && carried >= all && !old.webRTC {
		return reason.LinkLimit
	}
	e.end(old, reason.LinkLimit, now)
	return reason.None
}
