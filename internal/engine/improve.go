package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

// improve tries one contact that may be faster than a link of the same bucket
// that nobody needs. Its round trip is measured by the handshake: a link that is
// not faster by far ends at once, at either end, and one that is takes the place
// of the slower one at both (see swap).
func (e *Engine) improve(now time.Time) {
	if e.cfg.Leaf || !e.joined || e.dialing > 0 || e.links.relays < e.filler.Room || e.links.relays >= e.cfg.MaxRelays {
		return
	}
	places, relays := e.linkedRelays()
	clock, first := e.clock(now), e.cfg.Rand.IntN(max(len(e.book.list), 1))
	for i := range e.book.list {
		k := e.book.list[(first+i)%len(e.book.list)]
		if k.dialing || k.noURL || clock < k.next || k.failures > 1 || e.links.linked(k.ID) || e.isBanned(now, k.ID) {
			continue
		}
		rtt := k.rtt()
		if rtt == 0 {
			rtt = e.filler.Fastest(places, k.key) // it may be as fast as any
		}
		if e.slower(now, places, relays, k.key, rtt) != nil {
			k.trial = true
			e.dialKnown(now, k, false)
			return
		}
	}
}

// slower is the link that one to key with that round trip takes the place of:
// young, and needed by neither end. Proven links stay whatever their speed.
func (e *Engine) slower(now time.Time, places []routing.Place, relays []*neighbour, key routing.Key, rtt time.Duration) *neighbour {
	i, ok := e.filler.Slower(places, key, rtt, func(i int) bool {
		n := relays[i]
		return n.lets() && !e.proven(n, now) && e.sparedBy(n)
	})
	if !ok {
		return nil
	}
	return relays[i]
}

// swap admits a link that is faster than another, whose place it takes when it
// has answered a ping. Until then it has one of the places that are kept for
// those who need them.
func (e *Engine) swap(n *neighbour, now time.Time) reason.Reason {
	if e.links.relays >= e.cfg.MaxRelays {
		return reason.LinkLimit
	}
	places, relays := e.linkedRelays()
	if n.instead = e.slower(now, places, relays, n.Key, n.rtt); n.instead == nil {
		return reason.LinkLimit
	}
	return reason.None
}

// swapped ends the link that n is there instead of; or n, if it is not the
// faster one after all.
func (e *Engine) swapped(n *neighbour, now time.Time) {
	old := n.instead
	n.instead = nil
	if old == nil || !old.usable() {
		return
	}
	if n.rtt >= old.rtt {
		old = n
	}
	if k := e.book.byID[old.ID]; k != nil {
		k.next = e.clock(now) + limits.SlowPause
	}
	e.endFor(old, now)
	e.redraw = true
}

// lets says that the link may be ended for the sake of another.
func (n *neighbour) lets() bool { return !n.wanted && n.answered }

// linkedRelays are the relays linked, as the fill policy sees them.
func (e *Engine) linkedRelays() (places []routing.Place, relays []*neighbour) {
	places = make([]routing.Place, 0, e.links.relays)
	for _, n := range e.links.list {
		if n.ofTable() {
			relays = append(relays, n)
			places = append(places, routing.Place{Key: n.Key, RTT: n.rtt})
		}
	}
	return places, relays
}
