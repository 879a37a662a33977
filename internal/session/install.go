package session

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// install puts a session that has just come to stand into its peer. told is
// what the peer's handshake said of itself. mu of the peer is held.
//
// When the peer has restarted, or has lost the ids that it saw from us, the
// older sessions are worth nothing: it has lost them, too. Otherwise a session
// that the peer began takes over at once, since the peer holds its keys already,
// and one that we began when the peer has shown that it does.
//
// since is how many sessions begun by us stood when the handshake began. What
// left first on a later one is not meant by what the peer says of its window.
func (p *peer) install(s *session, told *wire.HandshakePayload, since uint64, fx *effects) {
	t := p.table
	restarted := told.Instance != p.instance
	up := p.current.Load() == nil || restarted
	if restarted || told.Window != t.cfg.Instance {
		p.dropSessions(nil)
		p.out.lostWindow(p, since, restarted, fx)
	}
	if restarted {
		p.in = &inbox{instance: told.Instance}
		p.chargeWindow()
		p.instance = told.Instance
	}
	p.abandonInit()
	if p.next != nil {
		p.next.close()
		p.next = nil
	}
	note(&p.reached, s.born)
	p.backAgain()
	p.capabilities = told.Capabilities
	moved := p.setHomes(told.Homes)
	if s.initiator {
		p.began++
	}
	if s.initiator && p.current.Load() != nil {
		p.next = s
	} else {
		p.succeed(s)
	}
	if up {
		fx.events = append(fx.events, p.event(SessionUp))
	} else if moved {
		fx.events = append(fx.events, p.event(HomesChanged))
	}
}

// succeed makes s the session to send on; the one before it still opens for a
// while.
func (p *peer) succeed(s *session) {
	if old := p.current.Load(); old != nil {
		if p.previous != nil {
			p.previous.close()
		}
		old.third = nil
		old.expires = s.born + limits.PreviousSession
		p.previous = old
		p.arm(old.expires)
	}
	p.current.Store(s)
	p.ours.Store(s.initiator)
	p.renewAt = s.born + s.renewAge()
	p.arm(p.renewAt)
	p.wanted = 0
}

// confirm notes that the peer holds the keys of a session that we began: the
// first frame on it has opened.
func (t *Table) confirm(s *session, at time.Duration) {
	p := s.peer
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.closed.Load() || !s.confirmed.CompareAndSwap(false, true) {
		return
	}
	s.third = nil
	p.in.known = true // message 3 told of it
	if p.next == s {
		p.next = nil
		s.born = at
		p.succeed(s)
	}
	p.flush(at)
}

// dropSessions closes every session of p. fx, if not nil, learns that the peer
// is down. mu is held.
func (p *peer) dropSessions(fx *effects) {
	p.abandonInit()
	down := p.current.Load() != nil
	for _, s := range []*session{p.next, p.current.Load(), p.previous} {
		if s != nil {
			s.close()
		}
	}
	p.next, p.previous, p.renewAt = nil, nil, 0
	p.current.Store(nil)
	p.ours.Store(false)
	if down && fx != nil {
		fx.events = append(fx.events, p.event(SessionDown))
	}
}

// abandonInit ends a handshake of ours that did not come to stand.
func (p *peer) abandonInit() {
	if p.init != nil {
		p.table.index.remove(p.init.local)
		p.init = nil
	}
}

// finishThird takes what came of reading message 2 and sends message 3.
func (t *Table) finishThird(at time.Duration, j *Job, fx *effects) {
	p := j.init.peer
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone || p.init != j.init {
		return
	}
	j.init.busy = false
	if j.why != reason.None {
		p.init.trail.last = t.drop(j.why)
		p.armFirst(at) // the time of the next copy may have come meanwhile
		return
	}
	// What message 3 promises about our window still holds: whatever replaces
	// the window ends this handshake.
	in := j.init
	s := t.newSession(p, j, in.local, in.remote, true, at)
	s.third = &third{
		body:  wire.HandshakeBody{Kind: wire.HandshakeThird, Sender: in.local, Receiver: in.remote, Noise: j.wrote},
		until: at + limits.HandshakeAnswerKept,
	}
	putBE32(s.third.body.Cookie[:], in.second)
	s.third.won = in.concludeFirst(at, fx)
	p.init = nil // its index goes to the session
	t.index.replace(s.local, &slot{session: s})
	p.install(s, &j.got, p.began, fx)
	p.sendThird(s, at)
	p.flush(at)
}

// finishLast takes what came of reading message 3: the session stands.
func (t *Table) finishLast(now time.Time, at time.Duration, j *Job, fx *effects) {
	a := j.answer
	if t.answers.m[a.key] != a || a.done {
		return
	}
	a.busy = false
	if j.why == reason.HandshakeFailed {
		t.drop(j.why) // forged; the genuine one may follow
		return
	}
	why := j.why
	if why == reason.None {
		why = t.stand(at, j, fx)
	}
	if why != reason.None {
		t.drop(why)
		t.endAnswer(a)
		return
	}
	t.settle(a)
	fx.run(t)
	t.replay(now, a.release())
}

// stand installs the session of a finished answer, unless what message 2 said
// is not so any more.
func (t *Table) stand(at time.Duration, j *Job, fx *effects) reason.Reason {
	a := j.answer
	p, why := t.ensure(a.key.src, a.ingress, at, fx)
	if why != reason.None {
		return why
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.gone:
		return reason.SessionLimit
	case p.window() != a.told: // we promised another window than we hold
		return reason.HandshakeFailed
	case p.crossed(a.began):
		return reason.Duplicate
	}
	s := t.newSession(p, j, a.local, a.key.sender, false, at)
	a.conclude(p, at)
	t.index.replace(a.local, &slot{session: s})
	p.install(s, &j.got, a.began, fx)
	p.in.known = true // message 2 told of it, and message 3 that it was read
	p.touch(at)
	p.sendAck(s, nil, 0, at)
	p.flush(at)
	p.arm(at + limits.SessionIdle)
	return reason.None
}

// replay lets the frames that overtook message 3 arrive now.
func (t *Table) replay(now time.Time, held []heldFrame) {
	var b Batch
	for _, h := range held {
		t.Receive(&b, now, h.frame)
	}
	t.EndBatch(&b, now)
}
