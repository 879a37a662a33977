package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/secret"
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
	e.holdBack(now)
	if wait > 0 && (e.links.relays < e.filler.Room || len(again) > 0) {
		e.fillSoon(now, max(wait, time.Second))
	}
}

// candidates are the contacts that may be dialled now: those that never failed,
// and the others; and how long until the next of those may.
func (e *Engine) candidates(now time.Time) (fresh, again []*known, wait time.Duration) {
	clock, carried := e.clock(now), e.mayCarry(now, nil, true)
	for _, k := range e.book.list {
		switch {
		case k.noURL && !carried: // the other ones' turn
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
		if n.ofTable() {
			places = append(places, routing.Place{Key: n.Key, RTT: n.rtt})
		}
	}
	if e.dialing > 0 {
		for _, k := range e.book.list {
			if k.dialing && !k.direct && !e.links.linked(k.ID) {
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
	for _, w := range e.wants(now, links, candidates, from, n) {
		if e.links.relays+e.dialing >= e.cfg.MaxRelays && e.spare(now, true) == nil && e.lodger() == nil {
			return
		}
		e.dialKnown(now, from[w.Index], w.Need > routing.NeedSpread || e.links.relays < limits.NearSet)
	}
}

// dialKnown dials a contact by one of its URLs, another one each time. A reason
// says that there is none, or no room for a link over WebRTC.
func (e *Engine) dialKnown(now time.Time, k *known, need bool) reason.Reason {
	urls := e.urlsOf(k)
	if len(urls) == 0 {
		return reason.Unsupported
	}
	if last := len(urls) - 1; isWebRTC(urls[last]) && !e.mayCarry(now, k, need) {
		if urls = urls[:last]; last == 0 {
			return reason.LinkLimit
		}
	}
	t := &Target{TargetSpec: TargetSpec{URL: secret.URL(urls[int(k.failures)%len(urls)]), Pin: k.ID, Scopes: k.Scopes}, known: k, began: e.clock(now)}
	e.dialBegins(k, isWebRTC(t.URL.Reveal()), need)
	e.do(Dial{Target: t, Count: e.targets.dials, Need: need, Direct: k.direct})
	return reason.None
}

// dialBegins counts a dial of k.
func (e *Engine) dialBegins(k *known, webRTC, need bool) {
	k.dialing, k.carried = true, webRTC
	e.targets.flying++
	e.targets.dials++
	if webRTC {
		e.carried.count(k, 1)
	}
	if k.direct {
		return
	}
	k.needed = need && !(webRTC && k.failures > 0) // it may never come to anything: no reason to wait for it
	e.dialing++
	if k.needed {
		e.needed++
	}
}

// dialOver notes that a dial of k has ended, whatever came of it.
func (e *Engine) dialOver(k *known) {
	if !k.dialing {
		return
	}
	e.targets.flying--
	if k.carried {
		e.carried.count(k, -1)
	}
	switch {
	case k.hot:
		e.hot.landed(k.ID)
	case !k.direct:
		e.dialing--
		if k.needed {
			e.needed--
		}
	}
	k.dialing, k.trial, k.carried, k.forPeer, k.direct = false, false, false, false, k.hot
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
		e.dialKnown(now, k, true)
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
	return e.needed == 0 && !e.pace.held && len(e.asks) == 0 && len(e.empty) == 0 && e.links.relays > 0
}
