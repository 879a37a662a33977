package engine

import (
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

// admit says whether there is a place for n, and makes one for a relay that is
// needed.
func (e *Engine) admit(n *neighbour, now time.Time) reason.Reason {
	switch {
	case e.targets.stopped:
		return reason.Leaving
	case e.isBanned(now, n.ID):
		return reason.Banned
	case e.links.holds(n):
		return reason.None // about to take the place of another
	case n.direct:
		return e.admitDirect(n, now)
	case n.Leaf:
		if n.webRTC && !e.carries(n, now) {
			return reason.LinkLimit
		}
		if n.link.Outbound {
			return reason.None
		}
		return e.leafPlace(n, now)
	case n.webRTC && !e.carries(n, now):
		return reason.LinkLimit
	case n.target != nil: // the user's own choice
		return e.makeRoom(n, now)
	case e.links.relays < e.filler.Room:
		return reason.None
	case e.crowded(n):
		return e.groupInNeed(n)
	case e.groupYields(n, now):
		return reason.None
	case n.trial:
		return e.swap(n, now)
	case n.link.Outbound, n.from.Need, e.filler.Need(e.places(), n.Key) > routing.NeedSpread:
		return e.makeRoom(n, now)
	}
	return e.swap(n, now)
}

// makeRoom frees a place for n if there is none.
func (e *Engine) makeRoom(n *neighbour, now time.Time) reason.Reason {
	if e.links.relays < e.cfg.MaxRelays {
		return reason.None
	}
	old := e.spare(now, true)
	if old == nil && n.wanted {
		old = e.spare(now, false)
	}
	if old == nil && n.chosen {
		old = e.lodger()
	}
	if old == nil {
		return reason.LinkLimit
	}
	e.endFor(old, now)
	return reason.None
}

// endFor ends a link that another needs more: its peer is told whom else to try.
func (e *Engine) endFor(old *neighbour, now time.Time) {
	contacts := e.nearestRecords(now, old.Key, limits.ByeContacts, old.ID)
	old.closing = true
	e.links.count(old, -1)
	e.do(CloseLink{Link: old.link, Reason: reason.LinkLimit, Contacts: contacts})
	e.relaysChanged(now)
}

// proven says that a link has stood for limits.ProvenAfter, and is not doubted.
func (e *Engine) proven(n *neighbour, now time.Time) bool {
	return e.clock(now)-n.up >= limits.ProvenAfter && !e.isDoubted(n)
}

// spare is the link missed least of those that both ends can do without, a
// doubted one if there is one; nil: there is none. A proven link makes no room
// for a stranger.
func (e *Engine) spare(now time.Time, stranger bool) *neighbour {
	if len(e.doubts.until) > 0 {
		if n := e.spareOf(e.isDoubted); n != nil {
			return n
		}
	}
	return e.spareOf(func(n *neighbour) bool { return !(stranger && e.proven(n, now)) })
}

// spareOf is the spare link among those that may go.
func (e *Engine) spareOf(may func(*neighbour) bool) *neighbour {
	places, relays := e.linkedRelays()
	i, ok := e.filler.Spare(places, func(i int) bool {
		n := relays[i]
		return !e.twin(n) && n.lets() && may(n) && e.sparedBy(n)
	})
	if !ok {
		return nil
	}
	return relays[i]
}

// twin says that n is one of two links to a peer, of which one goes anyway: the
// other would make no room.
func (e *Engine) twin(n *neighbour) bool {
	return slices.ContainsFunc(e.links.byID[n.ID], func(o *neighbour) bool { return o != n && o.usable() })
}

// sparedBy says that the peer can do without this node, going by its list.
func (e *Engine) sparedBy(n *neighbour) bool {
	if n.neighbours == nil || len(n.neighbours.heads) == 0 {
		return false
	}
	heads := n.neighbours.heads
	f := routing.Filler{Self: n.Key, Room: max(len(heads), e.filler.Room)}
	places := make([]routing.Place, 0, len(heads)+1)
	for _, head := range heads {
		places = append(places, routing.Place{Key: headKey(head)})
	}
	return f.Redundant(append(places, routing.Place{Key: e.filler.Self}), len(heads))
}

// trim ends one link beyond those that own requests may fill, so that there is
// room for who needs one: the newest that nobody needs, a proven one only where
// no stranger holds a place.
func (e *Engine) trim(now time.Time) {
	if e.links.relays < e.cfg.MaxRelays {
		return
	}
	old := e.spare(now, true)
	if old == nil && e.allProven(now) {
		old = e.spare(now, false)
	}
	if old != nil {
		e.endFor(old, now)
		e.redraw = true
	}
}

func (e *Engine) allProven(now time.Time) bool {
	for _, n := range e.links.list {
		if n.ofTable() && !e.proven(n, now) {
			return false
		}
	}
	return true
}

// tried says that a link which ends for want of a place was a try and nothing more:
// two nodes that have other links laid it over WebRTC to see whether it is worth one.
// No user asked for it, and nothing is amiss.
func (n *neighbour) tried(why reason.Reason) bool {
	return noPlace(why) && n.webRTC && !n.wanted && n.target == nil
}

// refuse ends a link that there is no place for.
func (e *Engine) refuse(n *neighbour, why reason.Reason, now time.Time) {
	if !n.tried(why) {
		e.cfg.Drops.Add(why, 1)
	}
	if n.target != nil {
		e.retry(n.target, now, "admission", why)
		if until, away := e.awayUntil(now, n.ID); away {
			n.target.hold(until)
		}
	}
	if n.direct {
		e.hot.failed(e.clock(now), n.ID)
	}
	e.answerReach(n.ID, why)
	var contacts [][]byte
	if noPlace(why) {
		contacts = e.nearestRecords(now, n.Key, limits.ByeContacts, n.ID)
	}
	e.do(CloseLink{Link: n.link, Reason: why, Contacts: contacts})
	if !n.trial && !n.tried(why) {
		e.do(Tell{Notice{Kind: NoticeRefused, Link: n.link, Peer: n.ID, Reason: why, URL: n.url, Err: e.refusal(n, why)}})
	}
}

// noPlace says that a peer was refused for want of a place, and may find one elsewhere.
func noPlace(why reason.Reason) bool { return why == reason.LinkLimit || why == reason.GroupLimit }
