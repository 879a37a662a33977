package session

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// list is a list of pending messages. A message is in at most one.
type list struct {
	head, tail *Pending
	n          int
}

// push puts m at the end.
func (l *list) push(m *Pending) {
	m.list, m.before, m.behind = l, l.tail, nil
	if l.tail != nil {
		l.tail.behind = m
	} else {
		l.head = m
	}
	l.tail = m
	l.n++
}

// cut takes m out of the list that it is in, if any.
func (m *Pending) cut() {
	l := m.list
	if l == nil {
		return
	}
	if m.before != nil {
		m.before.behind = m.behind
	} else {
		l.head = m.behind
	}
	if m.behind != nil {
		m.behind.before = m.before
	} else {
		l.tail = m.before
	}
	l.n--
	m.list, m.before, m.behind = nil, nil, nil
}

// A pace is the length of a retransmission timeout: by how often the message
// timed out, all from 4 on being one; and paceHasty for one that stops growing,
// because there are more first hops to try soon.
const (
	paceSlowest = 4
	paceHasty   = 5
	paces       = 6
)

// flight is what is on its way by one first hop: one list for each length of
// the retransmission timeout, each in order of transmission, so that only the
// heads need be looked at.
type flight struct {
	hop    wire.ID
	lists  [paces]list
	left   time.Duration // when the last copy left
	newest time.Duration // when the newest copy left of which we know that it arrived
	fresh  bool          // newest is news
}

// flightBy returns the flight by hop.
func (o *outbox) flightBy(hop wire.ID) *flight {
	for _, f := range o.flights {
		if f.hop == hop {
			return f
		}
	}
	o.land()
	f := &flight{hop: hop}
	o.flights = append(o.flights, f)
	return f
}

// land forgets the hops by which nothing is on its way.
func (o *outbox) land() {
	kept := o.flights[:0]
	for _, f := range o.flights {
		if !f.empty() {
			kept = append(kept, f)
		}
	}
	clear(o.flights[len(kept):])
	o.flights = kept
}

func (f *flight) empty() bool {
	for i := range f.lists {
		if f.lists[i].n > 0 {
			return false
		}
	}
	return true
}

// depart puts m, of which a copy has just left, into the flight by its hop. A
// caller may have looked at the clock before one whose copy left first: the
// times of one flight are those of its order all the same, since losses are
// concluded from them.
func (f *flight) depart(m *Pending, pace int, at time.Duration) {
	f.left = max(f.left, at)
	m.flight, m.sentAt = f, f.left
	f.lists[pace].push(m)
}

// overtaken moves those to again that left no later than the given time: they
// were sent before one that arrived, by the same hop.
func (f *flight) overtaken(until time.Duration, again *list) {
	for i := range f.lists {
		f.lists[i].expire(until, again)
	}
}

// firstRTO is how long the first copy of a message may take to be acked. While
// the round trip is not known it is so long that a late ack is out of the
// question, or nobody would ever know which copy was acked (RFC 6298: 1 s).
func (p *peer) firstRTO() time.Duration {
	if p.srtt == 0 {
		return limits.FirstHopsPause
	}
	return min(max(2*p.srtt+10*time.Millisecond, limits.MessageRTOMin), limits.MessageRTOMax)
}

// rto is how long a copy may take to be acked at that pace.
func (p *peer) rto(pace int) time.Duration {
	first := p.firstRTO()
	if pace == paceHasty {
		return max(first, limits.FirstHopsPause)
	}
	return backoff(first, pace, limits.MessageRTOMax)
}

// pace returns that of the last copy of m.
func (p *peer) pace(m *Pending) int {
	pace := min(m.timeouts, paceSlowest)
	if m.trail.hasty() && p.rto(pace) > p.rto(paceHasty) {
		return paceHasty
	}
	return pace
}

// timeOut moves those to again whose time is up, and returns when the next is
// due, 0 for none.
func (p *peer) timeOut(at time.Duration) (next time.Duration) {
	for _, f := range p.out.flights {
		for i := range f.lists {
			wait := p.rto(i)
			for m := f.lists[i].head; m != nil && m.sentAt <= at-wait; m = f.lists[i].head {
				p.timedOut(m)
			}
			if head := f.lists[i].head; head != nil && (next == 0 || head.sentAt+wait < next) {
				next = head.sentAt + wait
			}
		}
	}
	return next
}

// timedOut sends m again, whose last copy was not acked in time.
func (p *peer) timedOut(m *Pending) {
	m.cut()
	m.timeouts++
	m.trail.timedOut(m.hop)
	p.lead.failed(m.hop)
	p.out.again.push(m)
}

// expire moves those to again that left no later than the given time: they are
// known to be lost.
func (l *list) expire(until time.Duration, again *list) {
	for m := l.head; m != nil && m.sentAt <= until; m = l.head {
		m.cut()
		again.push(m)
	}
}
