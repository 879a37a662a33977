package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// A name may have several addresses, or one behind which are several nodes. One link
// satisfies a URL, so two meshes that share a name would never meet. A relay
// therefore looks at another address of it now and then: soon while it has few links,
// seldom later. Which address, and whether there is one worth it, the node knows. See
// ADR 035.

// lookDue dials another address of each name that is due.
func (e *Engine) lookDue(now time.Time) {
	for _, t := range e.targets.list {
		if e.targets.flying >= limits.DialsInFlight {
			return
		}
		if !e.looksFrom(t) {
			continue
		}
		if t.lookAt.IsZero() {
			t.lookAt = now.Add(e.lookPause())
		}
		if due(t.lookAt, now) {
			t.lookAt = now.Add(e.lookPause())
			e.dialNow(now, t, Dial{Need: e.links.relays < limits.NearSet, Look: true})
		}
	}
}

// nextLook is when the first look is due.
func (e *Engine) nextLook() (at time.Time, ok bool) {
	for _, t := range e.targets.list {
		if e.looksFrom(t) && !t.lookAt.IsZero() && (!ok || t.lookAt.Before(at)) {
			at, ok = t.lookAt, true
		}
	}
	return at, ok
}

// looksFrom says that another address of t may be looked at. A leaf is found
// by its homes: it is for relays to bring meshes together.
func (e *Engine) looksFrom(t *Target) bool {
	return t.Name && !e.cfg.Leaf && !t.dialing && !t.never && e.satisfied(t)
}

// lookPause is the time until the next look.
func (e *Engine) lookPause() time.Duration {
	pause := limits.NameLook
	if e.links.relays < limits.NearSet {
		pause = limits.NameLookFew
	}
	return pause/2 + e.jitter(pause/2)
}

// Looked: a Dial with Look, or of a name none of whose addresses is due, ended
// without a link and without news.
func (ev Looked) step(e *Engine, now time.Time) {
	if e.landed(ev.Target); !e.satisfied(ev.Target) {
		ev.Target.hold(now.Add(e.lookPause()))
	}
}

// foundSelf notes that a target leads to this very node: an address for good, a name
// until it leads elsewhere.
func (e *Engine) foundSelf(t *Target, now time.Time) {
	if t.never = !t.Name; t.Name {
		t.hold(now.Add(e.lookPause()))
	}
}
