package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

// misled are the peers whose lists of neighbours this node does not look at,
// because something got lost that may have gone by way of them for the sake of
// what they say. They are kept by ID, so that a new link does not wash a peer
// clean.
type misled struct {
	byID map[routing.ID]*misleading // at most limits.ScoredHops
	next time.Time                  // when the first of them is over; zero: there is none
}

// misleading is one of them.
type misleading struct {
	first time.Time // loss of this hour
	count int       // losses in it
	until time.Time // its list is not looked at before
}

func (ev Lost) step(e *Engine, now time.Time) {
	if !e.links.linked(ev.Peer) {
		return
	}
	l := &e.misled
	x := l.byID[ev.Peer]
	switch {
	case x == nil && len(l.byID) >= limits.ScoredHops:
		return
	case x == nil:
		if l.byID == nil {
			l.byID = make(map[routing.ID]*misleading)
		}
		x = &misleading{first: now}
		l.byID[ev.Peer] = x
	case now.Before(x.until):
		return // it left before, or by the peer's own Key
	case now.Sub(x.first) >= limits.ListLosses:
		*x = misleading{first: now}
	}
	x.count++
	x.until = now.Add(limits.ListHold)
	earlier(&l.next, x.until)
	e.redraw = true
}

// lists says whether the list of a peer is looked at. After limits.ListLossesMost
// losses it is not for as long as a link stands.
func (l *misled) lists(id routing.ID) bool {
	x := l.byID[id]
	return x == nil || x.until.IsZero()
}

// misledDue forgets what is over: lists are looked at again, and losses of long
// ago count no more.
func (e *Engine) misledDue(now time.Time) {
	l := &e.misled
	if !due(l.next, now) {
		return
	}
	l.next = time.Time{}
	for id, x := range l.byID {
		switch {
		case x.until.IsZero() || now.Before(x.until):
		case x.count >= limits.ListLossesMost && e.links.linked(id):
			x.until = now.Add(limits.ListHold)
		default:
			x.until, e.redraw = time.Time{}, true
		}
		switch over := x.first.Add(limits.ListLosses); {
		case !x.until.IsZero():
			earlier(&l.next, x.until)
		case now.Before(over):
			earlier(&l.next, over)
		default:
			delete(l.byID, id)
		}
	}
}
