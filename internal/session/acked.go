package session

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// news is what an ack tells of the newest copy that its sender got.
type news struct {
	copy uint64        // names it; 0: none
	path *path         // by which it left; nil: not known, or any more
	left time.Duration // when
	past *pastCopy     // it is one that was given up; nil: it is not

	again struct { // the latest copy of a message that was sent again and is named, though not for that copy
		path   *path
		number uint64
	}
	marks uint32 // messages that were marked on the way and that no ack told of before
}

// onAck takes an ack: what it names has arrived, and what left by the same first
// hop clearly before it is lost. A counter that was never used is against the rules.
func (p *peer) onAck(b *Batch, s *session, body []byte, at time.Duration) reason.Reason {
	ack, err := wire.ParseAckBody(b.ranges[:0], body)
	if err != nil || ack.Newest != wire.NoCounter && ack.Newest >= s.sent.Load() {
		return reason.Malformed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.newest(s, ack.Newest, at)
	for _, r := range ack.Ranges {
		p.ackRange(r, &n, at, &b.fx)
	}
	if n.path != nil {
		n.marks = s.newMarks(ack.Marked)
		p.measured(n.path, at-n.left, time.Duration(ack.Delay)*wire.AckDelayUnit, at)
	}
	p.steer(&n, at)
	p.concludeLoss()
	p.flush(at)
	return reason.None
}

// sentAgain notes that an ack names m, of which several copies left. If the newest copy
// that arrived had left before the last one of m, by the same first hop, an earlier one
// of m has arrived: it was not lost.
func (n *news) sentAgain(m *Pending) {
	if f := m.path; f != nil && (f != n.again.path || m.last.number > n.again.number) {
		n.again.path, n.again.number = f, m.last.number
	}
}

// steer tells the windows of what has arrived. Marks count for the first hop of the
// newest copy.
func (p *peer) steer(n *news, at time.Duration) {
	if n.marks > 0 {
		n.path.marks += uint64(n.marks)
		p.table.marked.Add(uint64(n.marks))
	}
	for _, f := range p.out.paths {
		if !f.fresh {
			continue
		}
		if n.again.path == f && n.again.number > f.last.number {
			f.control.undo()
		}
		a := progress{at: at, bytes: f.got, left: f.last}
		if f == n.path {
			a.rtt, a.marked = at-n.left, n.marks > 0
		}
		f.control.ack(&a)
		f.got, f.last = 0, snapshot{}
	}
}

// newest returns what is known of the copy with that counter of s before the ack is
// looked at any further.
func (p *peer) newest(s *session, counter uint64, at time.Duration) (n news) {
	if counter == wire.NoCounter {
		return n
	}
	n.copy = transmissionOf(s.remote, counter)
	if n.past = p.out.past.take(n.copy); n.past != nil {
		n.path, n.left = n.past.path, n.past.at
		n.path.arrived(&n.past.departure, at)
		if n.past.lost {
			n.path.control.undo()
		}
	}
	return n
}

// newMarks returns how many marked frames an ack tells of that none before did. A
// count that falls or outruns the messages that left is somebody's mistake and says
// nothing.
func (s *session) newMarks(count uint32) (more uint32) {
	if count < s.marked || count > s.messages {
		return 0
	}
	more, s.marked = count-s.marked, count
	return more
}

// measured takes a round trip of a path.
func (p *peer) measured(f *path, trip, delay, at time.Duration) {
	f.sample(trip, delay, at)
	if f.srtt != 0 {
		p.table.trips.change(p.srtt, f.srtt)
		p.srtt = f.srtt
	}
}

// ackRange ends the messages of one range. Which copy of a message arrived is certain
// if a single one left, or if it is the newest of the ack.
func (p *peer) ackRange(r wire.AckRange, n *news, at time.Duration, fx *effects) {
	o := &p.out
	end := min(r.First+uint64(r.Count), o.next)
	for id, ok := o.nextLive(max(r.First, o.lowest), end); ok; id, ok = o.nextLive(id+1, end) {
		m := o.ring[id&uint64(len(o.ring)-1)]
		newest := m.last.copy == n.copy
		if newest && m.path != nil {
			n.path, n.left = m.path, m.last.at
		}
		if newest || m.trail.sent == 1 {
			p.ackCopy(m, at)
		}
		if m.trail.sent > 1 {
			p.conclude(m, n, at, fx)
			if !newest {
				o.past.add(m, false)
				n.sentAgain(m)
			}
		}
		p.arrived(m, fx)
	}
}

// ackCopy notes that the last copy of m has arrived.
func (p *peer) ackCopy(m *Pending, at time.Duration) {
	m.rtt = max(at-m.last.at, 1)
	if m.path != nil {
		m.path.arrived(&m.last, at)
	}
	p.table.scores.credit(m.hop, p.id)
}

// concludeLoss sends again what left by the same first hop clearly before
// something that arrived.
func (p *peer) concludeLoss() {
	for _, f := range p.out.paths {
		if f.fresh {
			f.fresh = false
			f.overtaken(f.newest-max(limits.MessageReorder, f.srtt/4), &p.out)
		}
	}
}

// onRefusal takes a refusal: the message it names will never be delivered.
func (p *peer) onRefusal(b *Batch, body []byte, at time.Duration) reason.Reason {
	r, err := wire.ParseRefusalBody(body)
	if err != nil {
		return reason.Malformed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.out.get(r.ID); m != nil {
		p.end(m, Result{Err: reason.Reason(r.Reason), Outcome: Undelivered}, &b.fx)
	}
	p.flush(at)
	return reason.None
}
