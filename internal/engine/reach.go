package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

// reaching are those who wait for a link with one node.
type reaching struct {
	done   []func(error)
	byUser bool // one of them is the user of this node
}

func (ev Reach) step(e *Engine, now time.Time) {
	id := ev.Contact.ID
	switch {
	case e.links.linked(id):
		e.keepLink(ev)
		ev.Done(nil)
		return
	case len(e.reach) >= limits.Asks && e.reach[id] == nil:
		ev.Done(reason.RateLimited)
		return
	case ev.ByPeer && e.isBanned(now, id):
		ev.Done(reason.Banned)
		return
	case ev.ByPeer && ev.Direct && e.guestRoom(now, id) <= 0:
		ev.Done(reason.LinkLimit)
		return
	}
	e.welcome(id)
	k := e.reachable(now, ev.Contact)
	switch {
	case k == nil:
		ev.Done(reason.NoRoute)
		return
	case len(addresses(e.urlsOf(k))) == 0:
		ev.Done(reason.Unsupported)
		return
	}
	w := e.reach[id]
	if w == nil {
		w = &reaching{}
		e.reach[id] = w
	}
	w.done, w.byUser = append(w.done, ev.Done), w.byUser || !ev.ByPeer
	if len(w.done) > 1 || k.dialing || e.hot.dials(id) {
		return // a dial is under way
	}
	k.direct, k.forPeer = ev.Direct, ev.ByPeer
	e.dialKnown(now, k, true) // it has an address
}

// reachable is whom to dial; nil: nobody knows how.
func (e *Engine) reachable(now time.Time, c Contact) *known {
	if len(addresses(c.URLs)) > 0 {
		return e.note(now, c, 0)
	}
	return e.book.byID[c.ID]
}

// keepLink notes that the user wants a link that is up already.
func (e *Engine) keepLink(ev Reach) {
	if !ev.Direct || ev.ByPeer {
		return
	}
	for _, n := range e.links.byID[ev.Contact.ID] {
		n.wanted, n.seat = true, seatChosen
		n.kept = n.kept || n.direct
	}
	if len(e.links.byID[ev.Contact.ID]) > 0 {
		e.redraw = true
	}
}

// answerReach tells those who wait for a link with a node how it went.
func (e *Engine) answerReach(id routing.ID, err error) {
	w := e.reach[id]
	if w == nil {
		return
	}
	delete(e.reach, id)
	for _, done := range w.done {
		done(err)
	}
}
