package session

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
)

// Tick does what time has made due: copies of messages and handshakes,
// renewals, expiry. The Jobs are to be run and given to Finish; ask Next
// afterwards. A control call.
func (t *Table) Tick(now time.Time) (jobs []*Job) {
	at := t.at(now)
	var fx effects
	t.timers.begin()
	for x := t.timers.due(at); x != nil; x = t.timers.due(at) {
		switch x {
		case &t.sweep:
			t.sweepAnswers(at)
			continue
		case &t.change:
			t.stir(at)
			continue
		}
		j, idle := x.peer.tick(now, at, &fx)
		if j != nil {
			jobs = append(jobs, j)
		}
		if idle {
			t.retire(x.peer, at, &fx)
		}
	}
	fx.run(t)
	return jobs
}

// Next returns when Tick is due, false when nothing waits. What Arm tells
// afterwards is earlier. Any goroutine.
func (t *Table) Next() (time.Time, bool) {
	at := t.timers.next()
	if at == 0 {
		return time.Time{}, false
	}
	return t.time(at), true
}

// armed hands a deadline to the owner.
func (t *Table) armed(at time.Duration) {
	if t.cfg.Arm != nil {
		t.cfg.Arm(t.time(at))
	}
}

// retire drops an entry that nothing was heard of for long, if that still holds.
func (t *Table) retire(p *peer, at time.Duration, fx *effects) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.mu.Lock()
	still := !p.gone && p.idle(at)
	if !still && !p.gone {
		p.armIdle(at)
	}
	p.mu.Unlock()
	if still {
		t.remove(p, reason.Idle, fx)
	}
}

// idle reports whether the entry is of no more use. mu is held.
func (p *peer) idle(at time.Duration) bool {
	return p.awaited.Load() == 0 && len(p.datagrams.list) == 0 && at-p.usedAt() >= limits.SessionIdle
}

// armIdle sets the deadline at which the entry may be of no more use.
func (p *peer) armIdle(at time.Duration) {
	due := p.usedAt() + limits.SessionIdle
	if due <= at {
		due = at + limits.SessionIdle
	}
	p.arm(due)
}

// tick looks at one peer and sets its next deadline. idle: the entry can go.
func (p *peer) tick(now time.Time, at time.Duration, fx *effects) (j *Job, idle bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.table.timers.remove(&p.timer)
	if p.gone {
		return nil, false
	}
	if p.idle(at) {
		return nil, true
	}
	p.armIdle(at)
	p.expireDatagrams(at)
	p.expireSessions(at, fx)
	p.resendThird(at)
	if next := p.timeOut(at); next != 0 {
		p.arm(next)
	}
	p.tickStirred(at)
	p.tickAway(at, fx)
	p.doubt(at)
	j = p.tickHandshake(now, at, fx)
	if p.usable() != nil {
		p.flush(at)
	}
	p.armRest(at)
	return j, false
}

// armRest sets the deadlines that no step of tick has set.
func (p *peer) armRest(at time.Duration) {
	if len(p.datagrams.list) > 0 {
		p.arm(p.datagrams.list[0].since + limits.DatagramPatience)
	}
	if p.previous != nil {
		p.arm(p.previous.expires)
	}
	if p.out.stalled > at {
		p.arm(p.out.stalled)
	}
	if p.renewAt > at {
		p.arm(p.renewAt)
	}
}

// expireSessions closes what has served its time. mu is held.
func (p *peer) expireSessions(at time.Duration, fx *effects) {
	if p.previous != nil && at >= p.previous.expires {
		p.previous.close()
		p.previous = nil
	}
	s := p.unconfirmed()
	if s == nil || at < s.third.until {
		return
	}
	if s == p.next {
		s.close()
		p.next = nil
		return
	}
	s.close() // no other ever stood
	p.current.Store(nil)
	p.ours.Store(false)
	p.renewAt = 0
	fx.events = append(fx.events, p.event(SessionDown))
}

// resendThird resends message 3 while somebody waits.
func (p *peer) resendThird(at time.Duration) {
	s := p.unconfirmed()
	if s == nil {
		return
	}
	if at < s.third.next {
		p.arm(s.third.next)
		return
	}
	if p.waitedFor(at) {
		p.sendThird(s, at)
		return
	}
	p.arm(s.third.until)
}

// waitedFor reports whether a session is worth a frame: a message or datagram
// waits, one was sent or arrived a moment ago, or a new session is wanted.
func (p *peer) waitedFor(at time.Duration) bool {
	return p.unsent() || at < p.wanted || p.current.Load() != nil && at-p.usedAt() < limits.DatagramPatience
}

// unsent reports whether something waits to be sent or acked.
func (p *peer) unsent() bool { return p.out.count > 0 || len(p.datagrams.list) > 0 }

// tickHandshake begins, repeats and ends our handshake. mu is held.
func (p *peer) tickHandshake(now time.Time, at time.Duration, fx *effects) *Job {
	p.wantRenewal(at)
	needed := at < p.wanted || p.usable() == nil && p.unsent()
	in := p.init
	switch {
	case in == nil && needed && p.unconfirmed() == nil:
		if until := p.peerBegins(at); at < until {
			p.arm(until)
			return nil
		}
		return p.begin(now, at)
	case in == nil || in.busy:
	case !needed:
		p.abandonInit()
	case at-in.started >= limits.RekeyAfter: // its certificate grows old
		p.abandonInit()
		return p.begin(now, at)
	case p.nobody(at):
		p.noRoute(fx)
	case at >= in.next:
		p.sendFirst(at)
	default:
		p.armFirst(at)
	}
	return nil
}

// wantRenewal wants a new session when the current one is due for it and in
// use; for one that is not in use it waits.
func (p *peer) wantRenewal(at time.Duration) {
	if p.renewAt == 0 || at < p.renewAt || p.current.Load() == nil {
		return
	}
	if at-p.usedAt() >= limits.DatagramPatience {
		p.renewAt = at + limits.DatagramPatience
		return
	}
	p.wanted = at + limits.HandshakeAnswerKept
	p.renewAt = at + limits.RekeyGap
}

// doubt wants a new session when copies of a message go unanswered and nothing
// at all was heard for limits.SessionDoubt: the peer may have restarted, and its
// hints may not come through.
func (p *peer) doubt(at time.Duration) {
	if p.out.again.n == 0 || p.current.Load() == nil || p.unconfirmed() != nil {
		return
	}
	since := max(time.Duration(p.heard.Load()), p.hinted, p.current.Load().born)
	if at-since >= limits.SessionDoubt {
		p.hinted, p.wanted = at, at+limits.DatagramPatience
	}
}
