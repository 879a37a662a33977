package session

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// session is one pair of keys with a peer.
type session struct {
	// set when made
	peer          *peer
	local, remote uint32
	initiator     bool // we began it
	send, recv    *Cipher
	sendAD        [4][wire.ADLen]byte // by class
	recvAD        [4][wire.ADLen]byte
	hard          uint64            // counters from here on are not used
	renew         uint64            // from here on a new session is wanted
	born          time.Duration     // when it came to stand
	last          [sha256.Size]byte // hash of message 3, when we answered

	sent      atomic.Uint64 // next counter
	marks     atomic.Uint32 // message frames that came marked
	confirmed atomic.Bool   // the peer has proved to hold the keys
	closed    atomic.Bool   // not to be used any more
	asked     atomic.Bool   // a new session was asked for because of a count

	mu     sync.Mutex // guards window; taken by itself
	window replayWindow

	// guarded by peer.mu
	messages uint32        // copies of messages that were sealed
	marked   uint32        // of them, those that were marked on the way, as the peer told
	got      receipt       // what came
	third    *third        // message 3, until the session is confirmed
	thirds   int           // copies of it that came again, when we answered
	expires  time.Duration // as previous session
}

// third is a message 3 that is resent until the peer shows that it has it.
type third struct {
	body        wire.HandshakeBody
	next, until time.Duration
	sentAt      time.Duration // of the last copy
	trail       trail
	won         *firstCopy // of message 1: the one that was answered, unless that was the first; nil: none, or unknown
}

// newSession makes the session that came of a handshake.
func (t *Table) newSession(p *peer, j *Job, local, remote uint32, initiator bool, at time.Duration) *session {
	s := &session{
		peer: p, local: local, remote: remote, initiator: initiator,
		send: j.send, recv: j.recv, born: at,
		hard: t.counts.hard, renew: t.counts.rekey,
	}
	if !initiator {
		s.renew += s.renew / 4
		s.last = sha256.Sum256(j.message)
		s.confirmed.Store(true)
	}
	for c := range s.sendAD {
		wire.AppendAD(s.sendAD[c][:0], wire.TypeData, wire.Class(c), &p.id, &t.cfg.Self)
		wire.AppendAD(s.recvAD[c][:0], wire.TypeData, wire.Class(c), &t.cfg.Self, &p.id)
	}
	return s
}

// renewAge is the age at which the session is renewed from our side.
func (s *session) renewAge() time.Duration {
	if s.initiator {
		return limits.RekeyAfter
	}
	return limits.RekeyAfter * 5 / 4
}

// count takes the next counter. ok is false when the session has sealed enough.
func (s *session) count() (counter uint64, ok bool) {
	if counter = s.sent.Add(1) - 1; counter >= s.hard {
		s.sent.Add(^uint64(0))
		return 0, false
	}
	return counter, true
}

// seal turns the plaintext that begins at frame[from] into the rest of the
// frame, in place. The wire.DataHeaderLen bytes in front of it are for the data
// header. ok is false when the session has sealed enough.
func (s *session) seal(frame []byte, from int, class wire.Class) (out []byte, counter uint64, ok bool) {
	if counter, ok = s.count(); !ok {
		return frame, 0, false
	}
	end := len(frame)
	frame = appendTagRoom(frame)
	head := (*[NonceLen]byte)(frame[from-wire.DataHeaderLen : from])
	s.sealAt(head, counter, frame[:from], frame[from:end], class)
	return frame, counter, true
}

// sealAt seals plaintext, which lies behind frame in the same memory, and writes
// the data header. Until then the header's bytes serve as nonce, since both are
// as long and hold the counter in the same place.
func (s *session) sealAt(head *[NonceLen]byte, counter uint64, frame, plaintext []byte, class wire.Class) {
	s.peer.moves(len(frame) + len(plaintext))
	s.send.SealAt(head, counter, frame, plaintext, s.sendAD[class][:])
	wire.AppendDataHeader(head[:0], s.remote, counter)
}

// open opens the body of a Data frame in place and returns the plaintext. The
// body is spoilt by the attempt.
func (s *session) open(body []byte, class wire.Class) ([]byte, uint64, reason.Reason) {
	head := (*[NonceLen]byte)(body)
	counter := be64(body[4:])
	sealed := body[wire.DataHeaderLen:]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return nil, 0, reason.UnknownSession
	}
	if counter >= s.hard || !s.window.fresh(counter) {
		return nil, 0, reason.Replayed
	}
	plain, err := s.recv.OpenAt(head, counter, sealed[:0], sealed, s.recvAD[class][:])
	if err != nil {
		return nil, 0, reason.BadSeal
	}
	s.window.mark(counter)
	return plain, counter, reason.None
}

// close takes the session out of use. The lock of its peer is held.
func (s *session) close() {
	s.closed.Store(true)
	s.third = nil
	s.peer.table.index.remove(s.local)
}
