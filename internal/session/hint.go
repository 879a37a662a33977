package session

import (
	"encoding/binary"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// HandleHint takes a Hint about a frame of ours. Anybody can write one, so it
// counts only when its echo fits what left, and never ends a session or, alone,
// a message: it makes the next copy leave earlier, or a new handshake begin
// beside the session. A control call.
func (t *Table) HandleHint(now time.Time, h wire.Hint) reason.Reason {
	p := t.find(&h.Dst)
	if p == nil {
		return t.drop(reason.Unsolicited)
	}
	at := t.at(now)
	var fx effects
	p.mu.Lock()
	ok := p.onHint(at, &h, &fx)
	p.mu.Unlock()
	fx.run(t)
	if !ok {
		return t.drop(reason.Unsolicited)
	}
	return reason.None
}

func (p *peer) onHint(at time.Duration, h *wire.Hint, fx *effects) bool {
	switch {
	case h.Type == wire.TypeHandshake:
		return p.hintedFirst(at, h, fx)
	case h.Type != wire.TypeData:
		return false
	case reason.Reason(h.Reason) == reason.UnknownSession:
		return p.hintedUnknown(at, h)
	}
	return p.hintedMessage(at, h)
}

// hintedFirst: a copy of our message 1 got no further.
func (p *peer) hintedFirst(at time.Duration, h *wire.Hint, fx *effects) bool {
	in := p.init
	if in == nil || in.busy {
		return false
	}
	c := in.search.echoed(&h.Echo)
	if c == nil || c.told {
		return false
	}
	c.told = true // each copy is told about once
	in.search.told++
	p.firstLost(at, c.hop, reason.Reason(h.Reason), fx)
	return true
}

// firstLost goes on after a copy of message 1 that got no further. What is said of
// one copy says little of the others: they go other ways.
func (p *peer) firstLost(at time.Duration, hop wire.ID, why reason.Reason, fx *effects) {
	in := p.init
	in.trail.last, in.search.linked = why, false
	if nowhere(why) {
		in.trail.deadEnd(hop)
	}
	searching := p.searching()
	switch {
	case p.nobody(at):
		p.noRoute(fx)
	case !searching && in.trail.sent < limits.NoRouteAgain:
		p.sendFirst(at)
	case searching && in.trail.sent == 1: // later ones keep their times: what is nowhere now may be about to join
		p.sendFirst(at)
	case searching && why == reason.Detached && in.trail.sent < limits.FirstCopiesSoon && p.mayGoOn(at):
		p.sendCopy(at, nil)
	default:
		p.armFirst(at)
	}
}

// nowhere reports whether a Hint says that the destination was looked for and not
// found.
func nowhere(why reason.Reason) bool { return why == reason.NoRoute || why == reason.LoopedDetour }

// nobody reports whether the peer of our handshake, which was never reached, is
// nowhere to be found: limits.NoRouteCopies have left, some were heard of, all of
// those said so, and the others are silent for long. Silence alone says nothing,
// and of a peer that was there a while ago nobody's word does: the time of who waits
// ends that. mu is held.
func (p *peer) nobody(at time.Duration) bool {
	in := p.init
	s := &in.search
	if !p.searching() || in.trail.sent < limits.NoRouteCopies || p.known(at) {
		return false
	}
	if in.trail.said == 0 || in.trail.said < s.told || s.sequence != 0 {
		return false
	}
	return s.told >= in.trail.sent || at-s.left >= limits.NoRouteAfter
}

// armFirst sets the time at which there is something to do about message 1.
func (p *peer) armFirst(at time.Duration) {
	p.arm(p.init.next)
	if end := p.init.search.left + limits.NoRouteAfter; p.init.trail.said > 0 && at < end {
		p.arm(end)
	}
}

// noRoute ends the handshake and, where no session serves, what waits for it.
func (p *peer) noRoute(fx *effects) {
	trail := p.init.trail
	p.abandonInit()
	p.wanted = 0
	if p.usable() != nil {
		return
	}
	for _, l := range []*list{&p.out.fresh, &p.out.shelf} {
		for m := l.head; m != nil; m = m.behind {
			m.trail.last = trail.last
		}
	}
	p.endUnsent(Result{Err: reason.NoRoute, Told: trail.told(), Tried: len(trail.tried)}, fx)
	p.dropDatagrams(len(p.datagrams.list), reason.NoRoute)
}

// hintedUnknown: the peer says that it does not know a session of ours. It may
// have restarted; or somebody lies, and then the session stands as before.
func (p *peer) hintedUnknown(at time.Duration, h *wire.Hint) bool {
	if s, _ := p.sealer(&h.Echo); s == nil {
		return false
	}
	if p.hinted != 0 && at-p.hinted < limits.SessionUnknownGap {
		return true
	}
	p.hinted = at
	p.wanted = at + limits.DatagramPatience
	p.arm(at)
	return true
}

// sealer returns the session that sealed the frame with this echo, and its counter;
// nil: none of ours did.
func (p *peer) sealer(echo *[limits.HintEcho]byte) (*session, uint64) {
	remote, counter := binary.BigEndian.Uint32(echo[:]), be64(echo[4:])
	for _, s := range []*session{p.current.Load(), p.next, p.previous} {
		if s != nil && s.remote == remote && counter < s.sent.Load() {
			return s, counter
		}
	}
	return nil, 0
}

// hintSearch bounds how many messages on their way a Hint is compared with.
const hintSearch = 4_096

// hintedMessage: a copy of a message got no further. The echo holds a piece of
// the ciphertext, so only who saw the copy can tell of it. But who saw it may have
// sent it on as well: nothing that is told so makes a message undelivered.
func (p *peer) hintedMessage(at time.Duration, h *wire.Hint) bool {
	m := p.onItsWay(&h.Echo)
	if m == nil {
		s, counter := p.sealer(&h.Echo) // of a datagram, or an ack
		if s != nil {
			p.goneAstray(s, counter)
		}
		return s != nil
	}
	m.echo = [limits.HintEcho]byte{} // each copy is told about once
	why := reason.Reason(h.Reason)
	m.trail.last = why
	if nowhere(why) {
		m.trail.deadEnd(m.hop)
	}
	if m.trail.sent >= limits.NoRouteAgain {
		if !nowhere(why) && why != reason.Detached {
			return true // somebody had no room: it goes again when its time has come
		}
		p.goAway(why, at)
	}
	m.cut()
	m.stay = false
	p.out.again.push(m)
	p.flush(at)
	return true
}

// onItsWay returns the message whose last copy has this echo, or nil.
func (p *peer) onItsWay(echo *[limits.HintEcho]byte) *Pending {
	left := hintSearch
	for _, f := range p.out.paths {
		for m := f.flight.head; m != nil && left > 0; m, left = m.behind, left-1 {
			if m.echo == *echo {
				return m
			}
		}
	}
	return nil
}
