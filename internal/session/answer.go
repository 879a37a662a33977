package session

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/budget"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// answer is our side of a handshake that somebody else began: kept so that
// copies of message 1 get the same message 2, and so that frames which overtake
// message 3 wait for it.
type answer struct {
	// set when made
	key     answerKey
	local   uint32
	ingress Ingress
	born    time.Duration
	told    *inbox // what message 2 told as window: nil for none
	began   uint64 // peer.began at that time
	cert    []byte

	// owned by the control calls
	hs     handshaker
	second []byte // Noise message 2; nil while it is being computed
	home   []byte // where the peer asked to be answered, last
	tag    uint32 // of the copy of message 1 that came last
	came   uint64 // the link that it came by
	copies int    // of message 2 that were sent
	sent   []secondCopy
	heard  uint32 // tag of the copy that the message 3 is about that is being read
	busy   bool   // message 3 is being read
	done   bool   // a session came of it, or it failed

	mu        sync.Mutex // guards what follows; taken last
	held      []heldFrame
	heldBytes int
	account   budget.Account // of heldBytes
	closed    bool
}

// answerKey names a message 1.
type answerKey struct {
	src    wire.ID
	sender uint32
	hash   [sha256.Size]byte // of the Noise message
}

// heldFrame is a Data frame that overtook message 3.
type heldFrame struct {
	frame []byte
	at    time.Duration
}

// answers holds the answers of the last limits.HandshakeAnswerKept, at most
// limits.HandshakesInFlight unfinished ones and limits.HandshakeAnswers in all.
// Owned by the control calls.
type answers struct {
	m        map[answerKey]*answer
	order    []*answer // by age
	underWay int
}

func (a *answers) init() { a.m = make(map[answerKey]*answer) }

// loaded reports whether every message 1 has to show a cookie.
func (a *answers) loaded() bool { return a.underWay >= limits.HandshakeLoad }

// onFirst handles message 1.
func (t *Table) onFirst(now time.Time, at time.Duration, f *wire.Frame, b *wire.HandshakeBody, ingress Ingress) (*Job, reason.Reason) {
	key := answerKey{f.Src, b.Sender, sha256.Sum256(b.Noise)}
	if a := t.answers.m[key]; a != nil {
		return nil, t.answerAgain(at, a, f, b.Receiver, ingress.Link)
	}
	p := t.find(&f.Src)
	if p != nil && p.glare(at, f.Src, t.cfg.Self) {
		return nil, reason.None
	}
	if why := t.admit(at, f, b, &key.hash, ingress); why != reason.None {
		return nil, why
	}
	a := &answer{key: key, ingress: ingress, born: at, home: bytes.Clone(f.Return), tag: b.Receiver, came: ingress.Link, account: t.cfg.Budget.Open()}
	if p != nil {
		a.told, a.began = p.standing()
	}
	return t.beginAnswer(now, a, b)
}

// beginAnswer makes room for a and returns the Job that computes message 2.
func (t *Table) beginAnswer(now time.Time, a *answer, b *wire.HandshakeBody) (*Job, reason.Reason) {
	hs, cert, err := t.handshake(a.key.src, false, now)
	if err != nil {
		return nil, reason.HandshakeFailed
	}
	a.hs, a.cert = hs, cert
	t.makeRoom(a.ingress)
	a.local = t.index.add(t, &slot{answer: a})
	t.answers.m[a.key] = a
	t.answers.order = append(t.answers.order, a)
	t.answers.underWay++
	t.timers.earlier(&t.sweep, a.born+limits.HandshakeAnswerKept)
	return &Job{
		kind: jobSecond, answer: a, hs: hs,
		message: bytes.Clone(b.Noise), payload: t.payload(cert, a.told),
	}, reason.None
}

// answerAgain repeats message 2 for a copy of message 1.
func (t *Table) answerAgain(at time.Duration, a *answer, f *wire.Frame, tag uint32, ingress uint64) reason.Reason {
	a.home, a.tag, a.came = bytes.Clone(f.Return), tag, ingress
	if a.done || a.second == nil {
		return reason.Duplicate
	}
	t.sendSecond(a, at)
	return reason.None
}

// finishSecond takes the computed message 2 and sends it.
func (t *Table) finishSecond(at time.Duration, j *Job) {
	a := j.answer
	if t.answers.m[a.key] != a || a.done {
		return
	}
	if j.why != reason.None {
		t.drop(j.why)
		t.endAnswer(a)
		return
	}
	a.second = j.wrote
	t.sendSecond(a, at)
}

// onThird handles message 3 and the copies of one that did its work.
func (t *Table) onThird(now time.Time, f *wire.Frame, b *wire.HandshakeBody) (*Job, reason.Reason) {
	s := t.index.find(b.Receiver)
	switch {
	case s == nil || s.init != nil:
		return nil, reason.Unsolicited
	case s.session != nil:
		return nil, t.confirmAgain(t.at(now), s.session, f, b)
	}
	a := s.answer
	switch {
	case a.key.src != f.Src || a.key.sender != b.Sender || a.second == nil:
		return nil, reason.Unsolicited
	case a.busy:
		return nil, reason.Duplicate
	}
	a.busy, a.heard = true, be32(b.Cookie[:])
	return &Job{
		kind: jobLast, answer: a, hs: a.hs, message: bytes.Clone(b.Noise),
		judge: judge{peer: f.Src, now: now, null: t.cfg.Null},
	}, reason.None
}

// confirmAgain answers a copy of message 3: our ack on the new session was lost.
func (t *Table) confirmAgain(at time.Duration, s *session, f *wire.Frame, b *wire.HandshakeBody) reason.Reason {
	if s.initiator || s.peer.id != f.Src || s.remote != b.Sender || s.last != sha256.Sum256(b.Noise) {
		return reason.Unsolicited
	}
	p := s.peer
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current.Load() == s {
		s.thirds++
		p.sendAck(s, nil, s.thirds, at)
	}
	return reason.Duplicate
}

// hold keeps a frame that overtook message 3.
func (a *answer) hold(frame []byte, at time.Duration) reason.Reason {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return reason.UnknownSession
	}
	if len(a.held) >= limits.HeldFrames || a.heldBytes+len(frame) > limits.WaitingBytes {
		return reason.SessionLimit
	}
	if !a.account.Fits(len(frame), a.heldBytes == 0) {
		return reason.MemoryLimit
	}
	a.held = append(a.held, heldFrame{bytes.Clone(frame), at})
	a.heldBytes += len(frame)
	a.account.Set(a.heldBytes)
	return reason.None
}

// release ends the holding and returns what was held.
func (a *answer) release() []heldFrame {
	a.mu.Lock()
	defer a.mu.Unlock()
	held := a.held
	a.held, a.closed = nil, true
	a.account.Close()
	return held
}

// endAnswer finishes a without a session: its index is free again. It stays
// known, so that copies of its message 1 do no work.
func (t *Table) endAnswer(a *answer) {
	t.settle(a)
	t.index.remove(a.local)
	for range a.release() {
		t.drop(reason.UnknownSession)
	}
}

// settle notes that nothing more is to be computed for a.
func (t *Table) settle(a *answer) {
	if !a.done {
		a.done, a.hs, a.second, a.sent = true, nil, nil, nil
		t.answers.underWay--
	}
}

// makeRoom lets the oldest answer go of the ingress link that has most under
// way, when there are limits.HandshakesInFlight: a flood displaces itself.
func (t *Table) makeRoom(ingress Ingress) {
	if t.answers.underWay >= limits.HandshakesInFlight {
		t.endAnswer(t.answers.crowded(ingress))
		t.drop(reason.SessionLimit)
	}
	if len(t.answers.order) >= limits.HandshakeAnswers {
		t.forgetOldest()
	}
}

// crowded returns the oldest unfinished answer of the ingress link that has
// most of them; the newcomer's own link counts one more.
func (a *answers) crowded(newcomer Ingress) *answer {
	many := map[Ingress]int{newcomer: 1}
	for _, v := range a.order {
		if !v.done {
			many[v.ingress]++
		}
	}
	var oldest *answer
	for _, v := range a.order {
		if !v.done && (oldest == nil || many[v.ingress] > many[oldest.ingress]) {
			oldest = v
		}
	}
	return oldest
}

// forgetOldest forgets the oldest finished answer, or else the oldest.
func (t *Table) forgetOldest() {
	for n, a := range t.answers.order {
		if a.done {
			t.forget(n)
			return
		}
	}
	t.forget(0)
}

// forget drops the n-th oldest answer altogether.
func (t *Table) forget(n int) {
	a := t.answers.order[n]
	if !a.done {
		t.endAnswer(a)
	}
	delete(t.answers.m, a.key)
	t.answers.order = slices.Delete(t.answers.order, n, n+1)
}

// sweepAnswers forgets answers older than limits.HandshakeAnswerKept.
func (t *Table) sweepAnswers(at time.Duration) {
	t.timers.remove(&t.sweep)
	n := 0
	for ; n < len(t.answers.order) && at-t.answers.order[n].born >= limits.HandshakeAnswerKept; n++ {
		if a := t.answers.order[n]; !a.done {
			t.drop(reason.Expired)
			t.endAnswer(a)
		}
		delete(t.answers.m, t.answers.order[n].key)
	}
	t.answers.order = slices.Delete(t.answers.order, 0, n)
	if len(t.answers.order) > 0 {
		t.timers.set(&t.sweep, t.answers.order[0].born+limits.HandshakeAnswerKept)
	}
}
