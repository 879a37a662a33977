package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

func (ev Reach) step(e *Engine, now time.Time) {
	id := ev.Contact.ID
	switch {
	case e.links.linked(id):
		ev.Done(nil)
		return
	case len(e.reach) >= limits.Asks:
		ev.Done(reason.RateLimited)
		return
	case ev.ByPeer && e.isBanned(now, id):
		ev.Done(reason.Banned)
		return
	}
	delete(e.banned, id)
	k := e.book.byID[id]
	if len(ev.Contact.URLs) > 0 {
		k = e.note(now, ev.Contact, 0)
	}
	if k == nil {
		ev.Done(reason.NoRoute)
		return
	}
	e.reach[id] = append(e.reach[id], ev.Done)
	if !k.dialing {
		e.dialKnown(k, true)
	}
	if !k.dialing {
		e.answerReach(id, reason.Unsupported)
	}
}

// answerReach tells those who wait for a link with a node how it went.
func (e *Engine) answerReach(id routing.ID, err error) {
	waiting := e.reach[id]
	delete(e.reach, id)
	for _, done := range waiting {
		done(err)
	}
}
