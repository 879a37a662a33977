package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
)

// network is what the engine remembers of changes of the network below the node. Its
// times are those of Engine.clock.
type network struct {
	calm time.Duration // what fails until then is the fault of a change
	cut  bool          // the last link is gone: once there is one again, what is under way leaves once more
}

// NetworkChanged brings the node back: whom it would dial after a pause it dials now,
// and others learn where it is to be found.
func (ev NetworkChanged) step(e *Engine, now time.Time) {
	clock := e.clock(now)
	e.network.calm = clock + limits.NetCalm
	if e.targets.stopped {
		return
	}
	for _, t := range e.targets.list {
		if t.failures == 0 && t.next.Sub(now) <= limits.BootstrapRetryLive { // else it was told to stay away
			t.attempts, t.next = 0, now.Add(e.jitter(limits.BootstrapRetry/8))
		}
	}
	for _, k := range e.book.list {
		if k.linked != 0 && !k.dialing {
			k.failures, k.next = 0, 0
		}
	}
	e.hot.forgive(e.network.calm)
	e.pace = pace{since: clock, held: e.pace.held}
	if ev.URLs {
		e.tellContact(now)
	}
	if homes := e.Homes(); len(homes) > 0 && !e.attach.left {
		e.attest(now, homes)
	}
	e.fillSoon(now, 0)
}

// blameless says that what fails now fails because the network has changed.
func (e *Engine) blameless(now time.Time) bool { return e.clock(now) < e.network.calm }

// reconnected has what is under way leave again, if the node was cut off until now.
func (e *Engine) reconnected(now time.Time) {
	if e.network.cut {
		e.network.cut = false
		e.cfg.Sessions.Revive(now)
	}
}

// displace ends a link of which a newer one of the same instance has taken the place.
// The peer may be at another address by now: what waits for it, and what it has not
// acked, takes the newer link at once. One that was suspect hears nothing any more.
func (e *Engine) displace(now time.Time, old *neighbour) {
	if old.closing {
		return
	}
	old.closing = true
	e.links.count(old, -1)
	e.do(CloseLink{Link: old.link, Reason: reason.Replaced, Now: old.suspect})
	if !old.suspect {
		e.do(Reforward{old.link})
	}
	e.relaysChanged(now)
	e.homesMoved(now)
	e.redraw = true
}

// dialAgain dials a target again whose dial the change has ended.
func (e *Engine) dialAgain(now time.Time, t *Target) {
	k := t.known
	if k == nil {
		e.landed(t)
		t.next = now
		return
	}
	direct, forPeer := k.direct, k.forPeer
	e.landed(t)
	switch {
	case e.links.linked(k.ID):
		e.answerReach(k.ID, nil)
	case e.reach[k.ID] != nil && !k.hot:
		k.direct, k.forPeer = direct, forPeer
		if why := e.dialKnown(now, k, true); why != reason.None {
			e.answerReach(k.ID, why)
		}
	default:
		k.next = 0
		e.fillSoon(now, 0)
	}
}
