package session

import (
	"bytes"
	"slices"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// away is the state of a peer that has a session, and that the mesh has no way to
// as far as its answers tell: limits.NoRouteAgain copies of a message left, and of
// the last a Hint said so. That ends no message. But none leaves any more, so
// that of what ends meanwhile without having left it is certain that it did not
// arrive. Only a probe leaves, the message that tells our homes, after pauses that
// grow; when something changes, at once. What the peer acks ends the state.
//
// Guarded by the lock of the peer.
type away struct {
	on     atomic.Bool   // written with the lock held
	why    reason.Reason // what was heard
	probes int           // that left since something changed
	probed time.Duration // when the last one left
	next   time.Duration // when the next one is due
}

// goAway notes that a Hint says that nobody knows a way to the peer. mu is held.
func (p *peer) goAway(why reason.Reason, at time.Duration) {
	a := &p.away
	a.why = why
	if a.on.Load() {
		return
	}
	a.on.Store(true)
	a.probes, a.probed = 0, at
	p.armProbe(at)
}

// backAgain notes that something of ours has arrived. mu is held.
func (p *peer) backAgain() {
	if p.away.on.Load() {
		p.away.on.Store(false)
	}
}

// armProbe sets the time of the next probe.
func (p *peer) armProbe(at time.Duration) {
	p.away.next = at + p.table.jitter(awayPause(p.away.probes))
	p.arm(p.away.next)
}

// awayPause is how long to wait after so many probes: as long as between the
// copies of a message that nobody answers, until as many first hops were tried.
func awayPause(probes int) time.Duration {
	if probes < limits.FirstHopsTried {
		return backoff(limits.AwayPause, probes, limits.FirstHopsPause)
	}
	return limits.AwayPauseMax
}

// jitter returns a pause that is up to a quarter shorter or longer, so that nodes
// that have lost the same peer do not look for it together.
func (t *Table) jitter(pause time.Duration) time.Duration {
	return pause*3/4 + time.Duration(uint64(t.draw())*uint64(pause/2)>>32)
}

// tickAway sends the probe that is due, as long as somebody waits. mu is held.
func (p *peer) tickAway(at time.Duration, fx *effects) {
	if !p.away.on.Load() {
		return
	}
	if !p.waiting() {
		if p.told != nil {
			p.end(p.told, Result{Err: reason.Expired}, fx)
		}
		return
	}
	if at < p.away.next {
		p.arm(p.away.next)
		return
	}
	p.probe(at)
}

// waiting reports whether a message of somebody waits: the one that tells our homes
// is for nobody. mu is held.
func (p *peer) waiting() bool {
	own := 0
	if p.told != nil && !p.told.over {
		own = 1
	}
	return p.out.count > own
}

// probe sends the probe. mu is held.
func (p *peer) probe(at time.Duration) {
	s, m := p.usable(), p.probeWith(at)
	p.away.probed = at
	if s != nil && m != nil && p.transmit(s, m, at) {
		p.away.probes++
	}
	p.armProbe(at)
}

// probeWith returns what is to be sent as probe: the message that tells our homes.
// Where that may have no id yet, because the window is used up, one that has left
// before; nil: there is none.
func (p *peer) probeWith(at time.Duration) *Pending {
	switch {
	case p.told != nil && !p.told.over && (p.told.trail.sent > 0 || p.out.open()):
		return p.told
	case p.out.open():
		p.told = nil
		p.tellHomes(at, nil)
		return p.told
	}
	return p.out.again.head
}

// hasten makes the pause end early, because something changed: something is sent
// again now, but no sooner than limits.AwayGap after the last time. mu is held.
func (p *peer) hasten(at time.Duration) {
	if a := &p.away; a.on.Load() {
		a.probes = 0
		if due := max(at, a.probed+limits.AwayGap); due < a.next {
			a.next = due
			p.arm(due)
		}
	}
	if in := p.init; in != nil && !in.busy && in.trail.sent > 0 {
		in.changed = in.trail.sent
		if due := max(at, in.sentAt+limits.AwayGap); due < in.next {
			in.next = due
			p.arm(due)
		}
	}
	if s := p.unconfirmed(); s != nil {
		if due := max(at, s.third.sentAt+limits.AwayGap); due < s.third.next {
			s.third.next = due
			p.arm(due)
		}
	}
}

// latePause returns the pause between copies of message 1 that was begun
// long ago: after a change it grows anew.
func (in *initiation) latePause(pause time.Duration) time.Duration {
	if in.changed == 0 {
		return pause
	}
	return min(pause, awayPause(in.trail.sent-in.changed))
}

// Changed tells that links of this node have come up, or work again: what waits for a
// way is tried now. A control call.
func (t *Table) Changed(now time.Time) {
	t.timers.earlier(&t.change, max(t.at(now), t.changed+limits.ChangeGap))
}

// Located tells that a new attachment record of a peer has come: it is somewhere. Any
// goroutine.
func (t *Table) Located(now time.Time, id wire.ID) {
	if p := t.find(&id); p != nil {
		at := t.at(now)
		p.mu.Lock()
		if !p.gone {
			p.hasten(at)
		}
		p.mu.Unlock()
	}
}

// stir lets all peers that something waits for be looked at, one after another.
func (t *Table) stir(at time.Duration) {
	t.timers.remove(&t.change)
	t.changed = at
	var all []*peer
	t.mu.RLock()
	for _, p := range t.peers {
		if p.awaited.Load() > 0 {
			all = append(all, p)
		}
	}
	t.mu.RUnlock()
	slices.SortFunc(all, func(a, b *peer) int { return bytes.Compare(a.id[:], b.id[:]) })
	for i, p := range all {
		p.mu.Lock()
		if !p.gone {
			p.stirred = at + time.Duration(i)*limits.ChangeSpread
			p.arm(p.stirred)
		}
		p.mu.Unlock()
	}
}

// tickStirred does at one peer what a change of links makes due: what was not acked
// in time is sent again now. mu is held.
func (p *peer) tickStirred(at time.Duration) {
	if p.stirred == 0 {
		return
	}
	if at < p.stirred {
		p.arm(p.stirred)
		return
	}
	p.stirred = 0
	p.hasten(at)
	for _, f := range p.out.paths {
		if f.flight.n > 0 && f.timeouts > 0 {
			p.retry(f, at)
		}
	}
}

// retry sends everything again that is on its way by a first hop of which an ack is
// late, but for what the own link still has to bring: the pauses there have grown.
func (p *peer) retry(f *path, at time.Duration) {
	f.since, f.timeouts = at, 0
	for m := f.flight.head; m != nil; {
		next := m.behind
		if p.holds(f, m, at) != Moving {
			p.out.past.add(m, false)
			m.cut()
			m.stay, m.timeouts = false, 0
			p.out.again.push(m)
		}
		m = next
	}
}

// firstOfAll makes the next probe of an away peer leave soon, if nobody waited for it
// before the message that is being taken. mu is held.
func (p *peer) firstOfAll(at time.Duration) {
	if a := &p.away; a.on.Load() && !p.waiting() {
		a.next = min(a.next, max(at, a.probed+limits.AwayGap))
	}
}

// stillThere notes that something of an away peer arrived.
func (p *peer) stillThere(at time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hasten(at)
}

// tell adds to the result of m what was heard on the way: of one that never left, on
// the way of what goes before it. mu is held.
func (p *peer) tell(m *Pending, r *Result) {
	way := &m.trail
	if m.trail.sent == 0 && p.init != nil && m.trail.last == reason.None {
		way = &p.init.trail
	}
	if r.Last = way.last; r.Last == reason.None && m.trail.sent == 0 && p.away.on.Load() {
		r.Last = p.away.why
	}
	if r.Tried == 0 {
		r.Told, r.Tried = way.told(), len(way.tried)
	}
}
