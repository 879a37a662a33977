package session

import (
	"slices"
	"sync/atomic"
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
// wrong with the best one may have passed. Written with the lock of the peer held,
// read by anybody.
type lead struct{ by atomic.Pointer[leader] }

type leader struct {
	hop   wire.ID
	by    way // behind it
	until time.Duration
}

// learn makes the lead of the way by which the last copy left and arrived. The best
// choice needs none.
func (l *lead) learn(r *trail, hop wire.ID, by way, at time.Duration) {
	l.by.Store(nil)
	if r.sent > 1 && l.choice(r.sent-1, r.led, at).K > 0 {
		l.set(hop, by, at)
	}
}

// set makes the lead of a first hop and the way behind it.
func (l *lead) set(hop wire.ID, by way, at time.Duration) {
	l.by.Store(&leader{hop, by, at + limits.LeadLife})
}

// moved forgets a lead by a home that the peer has left.
func (l *lead) moved(homes []wire.ID) {
	if by := l.by.Load(); by != nil && by.by.home != (wire.ID{}) && !slices.Contains(homes, by.by.home) {
		l.by.Store(nil)
	}
}

// failed notes that what left by hop came to nothing.
func (l *lead) failed(hop wire.ID) {
	if by := l.by.Load(); by != nil && by.hop == hop {
		l.by.Store(nil)
	}
}

// hop returns the lead, zero if there is none.
func (l *lead) hop(at time.Duration) (hop wire.ID) {
	if by := l.get(at); by != nil {
		return by.hop
	}
	return hop
}

// get returns the lead, nil if there is none.
func (l *lead) get(at time.Duration) *leader {
	if by := l.by.Load(); by != nil && at < by.until {
		return by
	}
	return nil
}

// choice returns the first hop for the copy of something of which n copies have
// left, the first of them by the lead if led.
func (l *lead) choice(n int, led bool, at time.Duration) Choice {
	switch {
	case n == 0:
		return Choice{Via: l.hop(at)}
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

// emitMessage is emit, but what a link has no room for now waits for that link.
func (t *Table) emitMessage(frame []byte, c Choice) (hop wire.ID, by Choice, ok bool) {
	if hop, ok = t.cfg.Emit(frame, c); !ok && hop == (wire.ID{}) {
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
// or a Hint told so, and when the ack is that of the last copy: it says so itself,
// or that copy has been under way for so long that it is not that of an earlier
// one, late. mu is held.
func (p *peer) conclude(m *Pending, n *news, at time.Duration, fx *effects) {
	switch {
	case n.copy == m.last.copy:
	case n.past != nil && n.past.id == m.id, at-m.last.at < p.srtt/2:
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
	if first := m.trail.tried[0]; first.hop != m.hop && (first.late || first.noRoute) {
		p.lost(first.hop, fx)
	}
	p.lead.learn(&m.trail, m.hop, m.by, at)
}

// lost tells the owner that the first copy of something was lost by way of hop,
// unless that is the peer itself. mu is held.
func (p *peer) lost(hop wire.ID, fx *effects) {
	if hop != p.id {
		fx.losses = append(fx.losses, hop)
	}
}

// blame notes that a copy was lost by way of hop, unless that is the peer itself:
// then it is not for others that it is a bad hop. mu is held.
func (p *peer) blame(hop wire.ID, at time.Duration, fx *effects) {
	if hop != p.id && p.table.scores.blame(hop, p.id, at) {
		fx.doubts = append(fx.doubts, hop)
	}
}

// outdid reports whether c, a copy of message 1 that was answered, did better than
// the first one: that took another way, and was told to be lost or has had time for
// twice what c took.
func (in *initiation) outdid(c *firstCopy, at time.Duration) bool {
	first := &in.search.copies[0]
	if in.trail.sent == len(in.search.copies) && (c == first || first.told) {
		return c != first
	}
	return overdue(at-in.search.left, at-c.at)
}

// overdue reports whether what left that long ago is lost where the round trip is rtt.
func overdue(since, rtt time.Duration) bool { return since >= 2*rtt+10*time.Millisecond }

// concludeFirst takes what the verified answer to message 1 tells of first hops and
// returns the copy that was answered, unless that was the first or is not known: the
// tag is anybody's word. mu is held.
func (in *initiation) concludeFirst(at time.Duration, fx *effects) (won *firstCopy) {
	p := in.peer
	switch won = in.search.tagged(in.answers); {
	case won != nil:
		p.measure(at - won.at)
	case in.trail.sent == 1:
		p.measure(at - in.sentAt)
	}
	if won == nil || in.trail.sent == 1 || in.trail.sent == len(in.search.copies) && won == &in.search.copies[0] {
		return nil
	}
	if in.outdid(won, at) {
		p.lead.set(won.hop, won.by, at)
		if first := in.trail.tried[0].hop; first != won.hop {
			p.lost(first, fx)
			in.blame(won, at, fx)
		}
	}
	return won
}

// blame blames the first hops of copies that should have arrived: those that went
// greedily or by a home, not those that went anywhere. An answer that comes
// limits.FirstHopsPause later than another is out of the question.
func (in *initiation) blame(won *firstCopy, at time.Duration, fx *effects) {
	for i := range in.search.copies {
		c := &in.search.copies[i]
		if c.hop != won.hop && !c.told && !c.by.scatter && at-c.at >= limits.FirstHopsPause {
			in.peer.blame(c.hop, at, fx)
		}
	}
}

// firstCertain is the copy of message 1 with which a lead has failed that the first
// one went by.
const firstCertain = 4
