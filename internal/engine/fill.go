package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

// fill looks for links that this node should have and dials.
func (e *Engine) fill(now time.Time) {
	e.fillAt, e.filled = time.Time{}, now
	if e.cfg.Leaf {
		e.fillLeaf(now)
		return
	}
	if e.links.live() == 0 && e.dialing == 0 && len(e.book.list) == 0 {
		return
	}
	fresh, again, wait := e.candidates(now)
	e.dialWants(now, fresh, limits.LearntDials)
	e.dialWants(now, again, limits.RetryDials)
	e.seek(len(fresh))
	if wait > 0 && (e.links.relays < e.filler.Room || len(again) > 0) {
		e.fillSoon(now, max(wait, time.Second))
	}
}

// candidates are the contacts that may be dialled now: those that never failed,
// and the others; and how long until the next of those may.
func (e *Engine) candidates(now time.Time) (fresh, again []*known, wait time.Duration) {
	clock := e.clock(now)
	for _, k := range e.book.list {
		switch {
		case k.dialing || e.links.linked(k.ID) || e.isBanned(now, k.ID):
		case clock < k.next:
			if d := k.next - clock; wait == 0 || d < wait {
				wait = d
			}
		case k.failures == 0:
			fresh = append(fresh, k)
		default:
			again = append(again, k)
		}
	}
	return fresh, again, wait
}

// places are the relays linked, or being dialled, as the fill policy sees them.
func (e *Engine) places() []routing.Place {
	places := make([]routing.Place, 0, e.links.relays+e.dialing)
	for _, n := range e.links.list {
		if n.usable() && !n.Leaf {
			places = append(places, routing.Place{Key: n.Key, RTT: n.rtt})
		}
	}
	if e.dialing > 0 {
		for _, k := range e.book.list {
			if k.dialing && !e.links.linked(k.ID) {
				places = append(places, routing.Place{Key: k.key})
			}
		}
	}
	return places
}

// dialWants dials the most wanted, at most so many at once.
func (e *Engine) dialWants(now time.Time, from []*known, most int) {
	n := min(most-e.dialing, limits.DialsInFlight-e.targets.flying)
	if n <= 0 || len(from) == 0 {
		return
	}
	links := e.places()
	candidates := make([]routing.Place, len(from))
	for i, k := range from {
		candidates[i] = routing.Place{Key: k.key, RTT: k.rtt()}
	}
	for _, w := range e.filler.Wants(links, candidates, n) {
		if e.links.relays+e.dialing >= e.cfg.MaxRelays && e.spare(now, true) == nil {
			return
		}
		e.dialKnown(from[w.Index], w.Need > routing.NeedSpread || e.links.relays < limits.NearSet)
	}
}

// dialKnown dials a contact by one of its URLs, another one each time.
func (e *Engine) dialKnown(k *known, need bool) {
	urls := e.urlsOf(k)
	if len(urls) == 0 {
		return
	}
	k.dialing, k.needed = true, need
	e.dialing++
	if need {
		e.needed++
	}
	e.targets.flying++
	e.targets.dials++
	t := &Target{TargetSpec: TargetSpec{URL: urls[int(k.failures)%len(urls)], Pin: k.ID, Scopes: k.Scopes}, known: k}
	e.do(Dial{Target: t, Count: e.targets.dials, Need: need})
}

// dialOver notes that a dial of k has ended, whatever came of it.
func (e *Engine) dialOver(k *known) {
	if k.dialing {
		k.dialing, k.trial = false, false
		e.dialing--
		if k.needed {
			e.needed--
		}
		e.targets.flying--
	}
}

// fillLeaf dials further homes, wherever in the mesh.
func (e *Engine) fillLeaf(now time.Time) {
	fresh, again, wait := e.candidates(now)
	for want := e.wantsHomes() - e.dialing; want > 0; want-- {
		from := &fresh
		if len(fresh) == 0 {
			from = &again
		}
		if len(*from) == 0 || e.targets.flying >= limits.DialsInFlight {
			break
		}
		i := e.cfg.Rand.IntN(len(*from))
		k := (*from)[i]
		*from = append((*from)[:i], (*from)[i+1:]...)
		e.dialKnown(k, true)
	}
	if e.wantsHomes() <= e.dialing {
		return
	}
	home := e.links.random(e, func(n *neighbour) bool { return n.usable() && n.answered })
	switch {
	case home == nil:
	case e.strayed < limits.Asks:
		if e.findNode(home, e.randomKey(0), 2*limits.Homes) {
			e.strayed++
		}
		e.fillSoon(now, max(wait, limits.BootstrapRetry))
	default:
		e.strayed = 0
		e.fillSoon(now, limits.NearExchange)
	}
}

// Settled says that the node has found its place: a relay has looked up its own
// Key and has nobody left to dial whom it needs; a leaf is attached to as many
// homes as it wants or finds.
func (e *Engine) Settled() bool {
	if e.cfg.Leaf {
		return e.Attached() && (e.wantsHomes() <= 0 || len(e.book.list) <= e.links.relays)
	}
	if !e.joined {
		return len(e.targets.list) == 0
	}
	return e.needed == 0 && len(e.asks) == 0 && len(e.empty) == 0 && e.links.relays > 0
}
