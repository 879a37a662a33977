package session

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// Holding says what has become of a frame of ours in this node's own links.
type Holding uint8

// The answers of Config.Holds.
const (
	Gone    Holding = iota // no link holds it: the neighbour has taken it
	Moving                 // a link in good standing, or the only one, holds it and is to bring it
	Waiting                // it waits in a link that is suspect, while there is another first hop
	Unacked                // that link has sent it, and the neighbour has not acked it
)

// rto is how long the oldest copy of a path may go unacked (RFC 6298). What other
// paths to the peer took says something of one that nothing is known of.
func (p *peer) rto(f *path) time.Duration {
	srtt, rttvar := f.srtt, f.rttvar
	if srtt == 0 {
		srtt, rttvar = p.srtt, p.srtt/2
	}
	if srtt == 0 {
		return limits.FirstHopsPause
	}
	return max(srtt+max(4*rttvar, limits.MessageRTOSlack), limits.MessageRTOMin)
}

// patience is rto as often doubled as the timer went off in a row. While there are
// more first hops to try soon for m, its oldest message, it grows no longer than
// limits.FirstHopsPause.
func (p *peer) patience(f *path, m *Pending) time.Duration {
	first := p.rto(f)
	wait := first << f.timeouts
	if m.trail.hasty() {
		return min(wait, max(first, limits.FirstHopsPause))
	}
	return wait
}

// due returns when the timer of a path goes off, 0 for never.
func (p *peer) due(f *path) time.Duration {
	m := f.flight.head
	if m == nil {
		return 0
	}
	return max(f.since, m.last.at) + p.patience(f, m)
}

// timeOut lets the timers go off that are due, and returns when the next is, 0 for
// none.
func (p *peer) timeOut(at time.Duration) (next time.Duration) {
	for _, f := range p.out.paths {
		due := p.due(f)
		if due != 0 && due <= at {
			p.expire(f, at)
			due = p.due(f)
		}
		if due != 0 && (next == 0 || due < next) {
			next = due
		}
	}
	return next
}

// expire is the end of the timer of a path. The oldest copy alone goes again, as a
// probe; at the second end in a row everything goes, if there is another first hop.
// What this node's own link still has to bring is not late.
func (p *peer) expire(f *path, at time.Duration) {
	f.since = at
	switch p.holds(f, f.flight.head, at) {
	case Moving:
		return
	case Waiting, Unacked:
		p.yield(f, Unacked, at)
		return
	}
	f.control.expire()
	f.flight.head.probe = true
	f.timeouts = more(f.timeouts)
	if f.timeouts < 2 || !f.others {
		p.timedOut(f, f.flight.head)
		return
	}
	for m := f.flight.head; m != nil; {
		next := m.behind
		if p.holds(f, m, at) != Moving {
			p.timedOut(f, m)
		}
		m = next
	}
}

// more counts one more end of a timer.
func more(timeouts uint8) uint8 { return min(timeouts+1, limits.MessageBackoff) }

// timedOut sends m again, whose last copy was not acked in time by that path.
func (p *peer) timedOut(f *path, m *Pending) {
	p.out.past.add(m, true)
	m.cut()
	if !m.trail.hasty() || p.rto(f)<<m.timeouts <= limits.FirstHopsPause {
		m.timeouts = more(m.timeouts)
	}
	m.stay = false
	m.trail.timedOut(m.hop)
	p.lead.failed(m.hop)
	if m.probe {
		p.out.again.pushFront(m)
	} else {
		p.out.again.push(m)
	}
}

// holds asks what has become of the last copy of m in the own link to the first hop.
func (p *peer) holds(f *path, m *Pending, at time.Duration) Holding {
	if p.table.cfg.Holds == nil {
		return Gone
	}
	if at-m.last.at < limits.LinkTick {
		return Moving // it has just left
	}
	if m.last.copy != f.mark.copy {
		f.mark = mark{copy: m.last.copy}
	}
	return p.table.cfg.Holds(&f.hop, f.mark.copy, &f.mark.at)
}

// yield sends again by other first hops what the link to this one, which is suspect,
// holds: what waits in it and, if most is Unacked, what it has sent.
func (p *peer) yield(f *path, most Holding, at time.Duration) {
	for m := f.flight.head; m != nil; {
		next := m.behind
		if h := p.holds(f, m, at); h >= Waiting && h <= most {
			p.out.past.add(m, false)
			m.cut()
			m.stay = false
			p.out.again.push(m)
		}
		m = next
	}
}

// Yield sends by other first hops, at once, what waits in the link to hop, which has
// become suspect: there is no need to wait for acks that cannot come. What the link
// has sent is not among it; the owner gives that another way. Any goroutine.
func (t *Table) Yield(now time.Time, hop wire.ID) {
	at := t.at(now)
	for _, p := range t.sorted() {
		p.mu.Lock()
		if f := p.out.pathOf(&hop); f != nil && f.flight.n > 0 && !p.gone {
			p.yield(f, Waiting, at)
			p.flush(at)
		}
		p.mu.Unlock()
	}
}
