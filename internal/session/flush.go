package session

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// queue puts a new message behind what waits.
func (p *peer) queue(m *Pending, at time.Duration) {
	o := &p.out
	if by := p.deadline(m); by != 0 && o.fresh.n > 0 {
		o.order.arrives(o.freshBytes, p.pace(), max(by-at, 1))
	}
	o.fresh.push(m)
	o.freshBytes += len(m.m.Data)
}

// deadline returns that of m, 0 for none.
func (p *peer) deadline(m *Pending) time.Duration {
	if m.m.Deadline.IsZero() {
		return 0
	}
	return p.table.at(m.m.Deadline)
}

// pace is the rate at which what waits leaves, 0 where that is not known.
func (p *peer) pace() float64 {
	if f := p.out.pathOf(&p.out.by); f != nil {
		return f.control.pace()
	}
	return 0
}

// overfull reports whether as much waits as may for those who do not wait for the
// result: without a session limits.WaitingMessages and WaitingBytes, else what
// leaves in a second, limits.WaitingBytes in any case.
func (p *peer) overfull(n int) bool {
	if p.usable() == nil {
		return p.waitingFull(n)
	}
	return p.out.fresh.n > 0 && p.out.freshBytes+n > max(limits.WaitingBytes, int(p.pace()))
}

// flush sends what may be sent now: what was lost first, then what is new. mu
// is held.
func (p *peer) flush(at time.Duration) {
	o := &p.out
	s := p.usable()
	if s == nil {
		if p.init == nil {
			p.arm(at)
		}
		return
	}
	if len(p.datagrams.list) > 0 {
		p.flushDatagrams(s, at)
	}
	if at < o.stalled || o.stalled != 0 && !p.retryLink(at) {
		return
	}
	if p.away.on.Load() {
		if p.waiting() {
			p.arm(p.away.next)
		}
		return
	}
	o.stalled = 0
	if full, ok := p.flushAgain(s, at); ok {
		p.flushFresh(s, full, at)
	}
}

// flushAgain sends what is to be sent once more. full is the path whose window does
// not take it; ok is false when no link does.
func (p *peer) flushAgain(s *session, at time.Duration) (full *path, ok bool) {
	o := &p.out
	for m := o.again.head; m != nil; m = o.again.head {
		f := p.nextPath(m, at)
		switch {
		case !p.meets(m, f, at):
			o.shelve(m)
		case !p.room(f, m, at):
			f.control.look(true, true)
			return f, true
		case !p.transmit(s, m, at):
			return nil, false
		}
	}
	return nil, true
}

// flushFresh sends what has not left yet, unless by the path whose window is full.
func (p *peer) flushFresh(s *session, full *path, at time.Duration) {
	o := &p.out
	window := false
	for m := o.nextFresh(); m != nil && o.open(); m = o.nextFresh() {
		f := p.nextPath(m, at)
		if !p.meets(m, f, at) {
			o.shelve(m)
			continue
		}
		if window = f != nil && f == full || !p.room(f, m, at); window {
			break
		}
		if !p.transmit(s, m, at) {
			break
		}
	}
	if f := o.pathOf(&o.by); f != nil {
		f.control.look(o.fresh.n > 0 || full == f, window || full == f)
	}
	o.order.drains(o.freshBytes, p.pace())
}

// nextFresh returns the message that is to leave next, nil for none.
func (o *outbox) nextFresh() *Pending {
	if o.order.overloaded {
		return o.fresh.tail
	}
	return o.fresh.head
}

// nextPath returns the path that the next copy of m is to take, as far as can be
// told before it leaves; nil: one of which nothing is known.
func (p *peer) nextPath(m *Pending, at time.Duration) *path {
	switch {
	case m.stay:
		return p.out.pathOf(&m.hop)
	case m.trail.sent > 0 && p.out.aside == m.hop:
		return nil // it is to take another one
	case m.trail.sent > 0:
		return p.out.pathOf(&p.out.aside)
	}
	if by := p.lead.get(at); by != nil {
		return p.out.pathOf(&by.hop)
	}
	return p.out.pathOf(&p.out.by)
}

// frameLeast is less than what a frame adds to its message.
const frameLeast = 64

// room reports whether the window of a path takes a copy of m. It is looked at again
// when something was acked or the timer has gone off.
func (p *peer) room(f *path, m *Pending, at time.Duration) bool {
	if f == nil || m.probe || f.control.room(len(m.m.Data)+frameLeast) {
		return true
	}
	if f.flight.n > 0 {
		return false
	}
	next := f.control.fade(at, p.rto(f))
	if f.control.room(len(m.m.Data) + frameLeast) {
		return true
	}
	p.arm(next)
	return false
}

// meets reports whether a copy of m that leaves now may arrive in time. Queues stand on
// the way there: only half of the least round trip is the way back. Where others wait,
// the ack has to be back in time too: what nobody can tell of would take the place of
// one that can be met. While nothing is under way the smoothed round trip may be that
// of a queue that is gone.
func (p *peer) meets(m *Pending, f *path, at time.Duration) bool {
	by := p.deadline(m)
	if by == 0 {
		return true
	}
	needs, base := time.Duration(0), time.Duration(0)
	if f != nil && at-f.left < 2*baseSpan {
		base = f.control.base.least()
	}
	switch {
	case f == nil || f.control.inflight == 0:
		needs = base / 2
	case p.out.order.overloaded || f.control.full:
		needs = f.srtt + f.rttvar
	default:
		needs = f.srtt - base/2
	}
	return by-at >= max(needs, 0)
}

// shelve puts away a message that cannot arrive in time: it stays until it is ended.
func (o *outbox) shelve(m *Pending) {
	if m.list == &o.fresh {
		o.freshBytes -= len(m.m.Data)
	}
	m.cut()
	o.shelf.push(m)
}

// abandon notes that m is about to be ended by who sent it.
func (p *peer) abandon(m *Pending, at time.Duration) {
	switch {
	case m.over || m.acked:
	case m.path != nil:
		p.out.past.add(m, false)
		m.path.control.abandon(int(m.last.size), m.last.number, at)
	case m.trail.sent == 0 && p.usable() != nil && p.overdue(m, at):
		p.table.unsent.Add(1)
	}
}

// overdue reports whether the deadline of m is past.
func (p *peer) overdue(m *Pending, at time.Duration) bool {
	by := p.deadline(m)
	return by != 0 && at >= by
}

// endUnsent ends what has never left.
func (p *peer) endUnsent(r Result, fx *effects) {
	for m := p.out.fresh.head; m != nil; m = p.out.fresh.head {
		p.end(m, r, fx)
	}
	for m := p.out.shelf.head; m != nil; {
		next := m.behind
		if m.trail.sent == 0 {
			p.end(m, r, fx)
		}
		m = next
	}
}

// refused notes that no link took a frame: that to hop is full and will tell, or,
// where hop is zero, there is none.
func (p *peer) refused(hop wire.ID, at time.Duration) {
	if hop == (wire.ID{}) {
		p.out.stall(at)
	} else {
		p.table.waits.join(p, hop, at)
		p.out.stalled = at + limits.MessageStallMax
	}
	p.arm(p.out.stalled)
}

// retryLink reports whether what was refused may be tried again at the end of a stall:
// who waits for a link does not overtake others who do.
func (p *peer) retryLink(at time.Duration) bool {
	if p.waits.line == nil {
		return true
	}
	if p.table.waits.overdue(p, at) {
		p.table.waits.leave(p)
		return true
	}
	p.out.stalled = at + limits.MessageStallMax
	p.arm(p.out.stalled)
	return false
}
