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

// flight is what is on its way by one first hop: one list for each length of
// the retransmission timeout, each in order of transmission, so that only the
// heads need be looked at.
type flight struct {
	hop    wire.ID
	lists  [5]list       // by how often the message timed out; the last holds all from 4 on
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
func (f *flight) depart(m *Pending, at time.Duration) {
	f.left = max(f.left, at)
	m.flight, m.sentAt = f, f.left
	f.lists[min(m.timeouts, len(f.lists)-1)].push(m)
}

// overtaken moves those to again that left no later than the given time: they
// were sent before one that arrived, by the same hop.
func (f *flight) overtaken(until time.Duration, again *list) {
	for i := range f.lists {
		f.lists[i].expire(until, again, false)
	}
}

// rto is how long a copy may take to be acked, of a message that timed out so
// often.
func (p *peer) rto(timeouts int) time.Duration {
	first := min(max(2*p.srtt+10*time.Millisecond, limits.MessageRTOMin), limits.MessageRTOMax)
	return backoff(first, timeouts, limits.MessageRTOMax)
}

// timeOut moves those to again whose time is up, and returns when the next is
// due, 0 for none.
func (p *peer) timeOut(at time.Duration) (next time.Duration) {
	for _, f := range p.out.flights {
		for i := range f.lists {
			wait := p.rto(i)
			f.lists[i].expire(at-wait, &p.out.again, true)
			if head := f.lists[i].head; head != nil && (next == 0 || head.sentAt+wait < next) {
				next = head.sentAt + wait
			}
		}
	}
	return next
}

// expire moves those to again that left no later than the given time, because
// they timed out or because they are known to be lost.
func (l *list) expire(until time.Duration, again *list, timeout bool) {
	for m := l.head; m != nil && m.sentAt <= until; m = l.head {
		m.cut()
		if timeout {
			m.timeouts++
		}
		again.push(m)
	}
}
