package session

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// Choice says by which first hop a frame of ours leaves.
type Choice struct {
	K   int     // the k-th choice, the best first
	Via wire.ID // not zero: this one, if it is the destination or a relay in use; else the K-th
	// Past are the first hops of copies that left before: they come behind all
	// others. With K above 0 or Past, what this node itself holds about where the
	// destination is to be found is not used: that was for the first copy.
	Past []wire.ID
}

// lead is the first hop by which something was last acked after others had
// failed. It goes before the best choice until it fails, too, or is old: what was
// wrong with the best one may have passed. Guarded by the lock of the peer.
type lead struct {
	hop   wire.ID
	until time.Duration
}

// learn makes hop the lead, by which the last copy left and arrived. The best
// choice needs none.
func (l *lead) learn(r *trail, hop wire.ID, at time.Duration) {
	*l = lead{}
	if r.sent > 1 && l.choice(r.sent-1, r.led, at).K > 0 {
		*l = lead{hop, at + limits.LeadLife}
	}
}

// failed notes that what left by hop came to nothing.
func (l *lead) failed(hop wire.ID) {
	if l.hop == hop {
		*l = lead{}
	}
}

// choice returns the first hop for the copy of something of which n copies have
// left, the first of them by the lead if led.
func (l *lead) choice(n int, led bool, at time.Duration) Choice {
	switch {
	case n == 0 && at < l.until:
		return Choice{Via: l.hop}
	case led:
		return Choice{K: n - 1}
	}
	return Choice{K: n}
}

// emit hands a frame to the first hop of choice c or, when that takes none, of
// the next choice, and returns which it was.
func (t *Table) emit(frame []byte, c Choice) (hop wire.ID, by Choice, ok bool) {
	if hop, ok = t.cfg.Emit(frame, c); !ok {
		c = c.pass()
		hop, ok = t.cfg.Emit(frame, c)
	}
	return hop, c, ok
}

// pass returns the choice to fall back on when no link took a frame by c.
func (c Choice) pass() Choice {
	if c.Via != (wire.ID{}) {
		return Choice{K: c.K, Past: c.Past}
	}
	return Choice{K: c.K + 1, Past: c.Past}
}

// hasty reports whether there are more first hops to try soon: then the pauses
// between copies grow no longer than limits.FirstHopsPause, unless the first
// is longer. One that comes up twice is no sign that there are no others: links
// come and go meanwhile, and with them the order of the choices.
func (r *trail) hasty() bool { return len(r.tried) < limits.FirstHopsTried && r.stale < 2 }

// conclude takes what the ack of m, of which several copies left, tells of first
// hops. That a copy by another hop was lost is certain enough when it timed out
// or a Hint told so, and when the last copy has been under way for so long that
// the ack is not that of an earlier one, late. mu is held.
func (p *peer) conclude(m *Pending, at time.Duration, fx *effects) {
	if at-m.sentAt < p.srtt/2 {
		return
	}
	failed := false
	for _, v := range m.trail.tried {
		if v.hop == m.hop || !v.late && !v.noRoute {
			continue
		}
		failed = true
		if v.late {
			p.blame(v.hop, at, fx)
		}
	}
	if !failed {
		return
	}
	p.lead.learn(&m.trail, m.hop, at)
	if p.srtt == 0 {
		p.measure(at - m.sentAt)
	}
}

// blame notes that a copy was lost by way of hop, unless that is the peer itself:
// then it is not for others that it is a bad hop. mu is held.
func (p *peer) blame(hop wire.ID, at time.Duration, fx *effects) {
	if hop != p.id && p.table.scores.blame(hop, p.id, at) {
		fx.doubts = append(fx.doubts, hop)
	}
}

// latest returns the first hop of the last copy of message 1, by which the one
// that was answered left in all likelihood; zero if there is no such guess.
func (in *initiation) latest() wire.ID {
	if in.trail.sent < 2 {
		return wire.ID{}
	}
	return in.copies[(in.trail.sent-1)%len(in.copies)].hop
}

// certain reports whether it was the last copy of message 1 that was answered,
// after others had failed. The answer does not tell, and nobody knows the round
// trip: it was if of each copy by another hop a Hint told that it was lost, or if
// it left so long ago that a late answer is out of the question.
func (in *initiation) certain(at time.Duration) bool {
	last, failed := in.latest(), false
	if last == (wire.ID{}) {
		return false
	}
	for _, c := range in.copies[:min(in.trail.sent, len(in.copies))] {
		lost := c.hop == (wire.ID{})
		if !lost && c.hop != last && (in.trail.sent < firstCertain || at-c.at < limits.FirstHopsPause) {
			return false
		}
		failed = failed || lost || c.hop != last
	}
	return failed
}

// concludeFirst is conclude for message 1, whose answer has been verified. mu is
// held.
func (in *initiation) concludeFirst(at time.Duration, fx *effects) {
	if !in.certain(at) {
		return
	}
	p, last := in.peer, in.latest()
	p.lead.learn(&in.trail, last, at)
	p.measure(at - in.sentAt)
	for _, c := range in.copies {
		if c.hop != (wire.ID{}) && c.hop != last {
			p.blame(c.hop, at, fx)
		}
	}
}

// firstCertain is the copy of message 1 from which on the pauses are long enough
// to tell which copy was answered.
const firstCertain = 4
