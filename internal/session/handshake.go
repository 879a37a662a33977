package session

import (
	"bytes"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// initiation is a handshake that we began, until message 2 has been read.
// Guarded by the lock of its peer.
type initiation struct {
	peer    *peer
	local   uint32
	remote  uint32 // index in the message 2 that is being read
	hs      handshaker
	cert    []byte
	first   []byte // Noise message 1; nil while it is being computed
	cookie  cookie
	cookied time.Duration // when the cookie came
	started time.Duration
	next    time.Duration // when message 1 is sent again
	sentAt  time.Duration
	busy    bool   // a Job is out
	yielded bool   // waited once for the handshake of a lower ID
	answers uint32 // tag of the copy that the message 2 is about that is being read
	second  uint32 // its own tag
	trail   trail
	search  search
	changed int // copies that had left when links changed last: the pauses grow anew; 0: they have not
}

// HandleHandshake takes a Handshake frame for this node that came in by the
// way of ingress. A Job, if not nil, is to be run and given to Finish.
// The reason tells why nothing came of the frame. A control call.
func (t *Table) HandleHandshake(now time.Time, frame []byte, ingress Ingress) (*Job, reason.Reason) {
	f, err := wire.ParseFrame(frame)
	if err != nil || f.Type != wire.TypeHandshake {
		return nil, t.drop(reason.Malformed)
	}
	b, err := wire.ParseHandshakeBody(f.Body)
	if err != nil {
		return nil, t.drop(reason.Malformed)
	}
	if why := t.addressed(&f); why != reason.None {
		return nil, t.drop(why)
	}
	j, why := t.onHandshake(now, &f, &b, ingress)
	return j, t.drop(why)
}

// addressed checks that a frame is for us and not from us.
func (t *Table) addressed(f *wire.Frame) reason.Reason {
	switch {
	case f.Dst != t.cfg.Self:
		return reason.NotForUs
	case f.Src == t.cfg.Self:
		return reason.OwnID
	}
	return reason.None
}

func (t *Table) onHandshake(now time.Time, f *wire.Frame, b *wire.HandshakeBody, ingress Ingress) (*Job, reason.Reason) {
	switch b.Kind {
	case wire.HandshakeFirst:
		if t.isClosed() {
			return nil, reason.Closed
		}
		return t.onFirst(now, t.at(now), f, b, ingress)
	case wire.HandshakeSecond:
		return t.onSecond(now, f, b)
	case wire.HandshakeThird:
		return t.onThird(now, f, b)
	}
	return nil, t.onCookie(t.at(now), f, b)
}

func (t *Table) isClosed() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.closed
}

// begin starts a handshake and returns the Job that makes message 1. mu of the
// peer is held.
func (p *peer) begin(now time.Time, at time.Duration) *Job {
	t := p.table
	hs, cert, err := t.handshake(p.id, true, now)
	if err != nil {
		t.drop(reason.HandshakeFailed)
		p.arm(at + limits.HandshakeRetryMax)
		return nil
	}
	in := &initiation{peer: p, hs: hs, cert: cert, started: at, busy: true}
	in.local = t.index.add(t, &slot{init: in})
	p.init = in
	return &Job{kind: jobFirst, init: in, hs: hs, payload: make([]byte, t.firstPayload())}
}

// firstPayload is how many zeros fill message 1 up, so that its frame without
// options has wire.FirstFrameLen bytes: an answer is at most three times as long.
func (t *Table) firstPayload() int {
	n := wire.FirstFrameLen - wire.HeaderLen - wire.HandshakeHeaderLen - 32
	if t.keyOfNetwork() != nil && !t.cfg.Null {
		n -= TagLen
	}
	return n
}

// finishFirst takes the computed message 1 and sends it.
func (t *Table) finishFirst(at time.Duration, j *Job) {
	p := j.init.peer
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone || p.init != j.init {
		return
	}
	j.init.busy = false
	if j.why != reason.None {
		t.drop(j.why)
		p.abandonInit()
		return
	}
	j.init.first = j.wrote
	p.sendFirst(at)
}

// pause returns how long to wait for an answer to copy k of a handshake message.
func (r *trail) pause(k int) time.Duration {
	if r.hasty() {
		return backoff(limits.HandshakeRetry, k, limits.FirstHopsPause)
	}
	return backoff(limits.HandshakeRetry, k, limits.HandshakeRetryMax)
}

// backoff doubles first k times, up to most.
func backoff(first time.Duration, k int, most time.Duration) time.Duration {
	return min(first<<min(k, 20), most)
}

// initiationOf returns the handshake of ours that a body answers, or nil, with
// the lock of its peer held if not nil.
func (t *Table) initiationOf(f *wire.Frame, b *wire.HandshakeBody) *initiation {
	s := t.index.find(b.Receiver)
	if s == nil || s.init == nil || s.init.peer.id != f.Src {
		return nil
	}
	p := s.init.peer
	p.mu.Lock()
	if p.init == s.init && p.init.first != nil {
		return s.init
	}
	p.mu.Unlock()
	return nil
}

// onSecond handles message 2.
func (t *Table) onSecond(now time.Time, f *wire.Frame, b *wire.HandshakeBody) (*Job, reason.Reason) {
	in := t.initiationOf(f, b)
	if in == nil {
		return nil, reason.Unsolicited
	}
	p := in.peer
	defer p.mu.Unlock()
	if in.busy {
		return nil, reason.Duplicate
	}
	in.busy, in.remote, in.answers, in.second = true, b.Sender, be32(b.Cookie[:]), be32(b.Cookie[4:])
	return &Job{
		kind: jobThird, init: in, hs: in.hs,
		message: bytes.Clone(b.Noise), payload: t.payload(in.cert, p.window()),
		judge: judge{peer: p.id, now: now, null: t.cfg.Null},
	}, reason.None
}

// onCookie handles the request to send message 1 once more with a cookie, which is
// shown by the way of the copy that was answered. Anybody on the way can write one,
// so it counts once per pause between copies.
func (t *Table) onCookie(at time.Duration, f *wire.Frame, b *wire.HandshakeBody) reason.Reason {
	in := t.initiationOf(f, b)
	if in == nil {
		return reason.Unsolicited
	}
	p := in.peer
	defer p.mu.Unlock()
	if in.cookied != 0 && at-in.cookied < limits.HandshakeRetry || in.cookie == b.Cookie {
		return reason.Duplicate
	}
	in.cookie, in.cookied = b.Cookie, at
	c := in.search.tagged(b.Sender)
	if c != nil && in.outdid(c, at) { // anybody's word: enough for a lead, not to blame others
		p.lead.set(c.hop, c.by, at)
	}
	if !p.searching() || p.mayGoOn(at) {
		p.sendCopy(at, c)
	}
	return reason.None
}

// sendThird sends message 3: first by the way of the copy of message 1 that was
// answered, then by others. mu of the peer is held.
func (p *peer) sendThird(s *session, at time.Duration) {
	x, t := s.third, p.table
	k := x.trail.sent
	by, c := p.wayAt(k, at), p.choiceAt(&x.trail, at)
	if k == 0 && x.won != nil && c.Via == (wire.ID{}) {
		if c.Via = x.won.hop; x.won.by != (way{}) {
			by = x.won.by
		}
	}
	if hop, c, ok := t.emit(t.handshakeFrame(by.frame(p.id), &x.body), c); ok {
		x.trail.leave(hop, c)
	}
	x.sentAt = at
	x.next = at + x.trail.pause(k)
	p.arm(min(x.next, x.until))
}

// Finish takes back a Job that has run. A control call.
func (t *Table) Finish(now time.Time, j *Job) {
	at := t.at(now)
	var fx effects
	switch j.kind {
	case jobFirst:
		t.finishFirst(at, j)
	case jobSecond:
		t.finishSecond(at, j)
	case jobThird:
		t.finishThird(at, j, &fx)
	case jobLast:
		t.finishLast(now, at, j, &fx)
	}
	fx.run(t)
}
