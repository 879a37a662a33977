package session

import (
	"bytes"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// Both ends may begin at the same time. Then the handshake begun by the lower
// ID is the one that counts:
//
//   - While a handshake of ours is under way, message 1 from a higher ID is not
//     answered. From a lower ID it is, and ours waits.
//   - Who has answered the peer's lets it come to an end before beginning one.
//   - Should both have got as far as message 3, the lower ID refuses the other's.
//
// Nothing is given up for a message that anybody could have written: ours ends
// when the other one has come to stand. And a handshake of ours that gets no
// answer for limits.HandshakeGlare does not keep the peer's out any longer.

// glare reports whether message 1 of the peer is not to be answered.
func (p *peer) glare(at time.Duration, from, self wire.ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.underWay(at) {
		return false
	}
	if bytes.Compare(from[:], self[:]) > 0 {
		return true
	}
	if in := p.init; in != nil && !in.yielded {
		in.yielded = true
		in.next = max(in.next, at+limits.HandshakeRetryMax/4)
	}
	return false
}

// peerBegins returns until when a handshake of ours waits, because one of the
// peer's has been answered and its last message may be about to come: a second
// session that crosses the first can end what was sent on it. Anybody could have
// written the peer's message 1, so ours waits once, and not for long. mu is held;
// a control call.
func (p *peer) peerBegins(at time.Duration) time.Duration {
	for _, a := range p.table.answers.order {
		if a.key.src != p.id || a.done || at-a.born >= limits.HandshakeCourtesy {
			continue
		}
		if p.waited == 0 || at-p.waited >= limits.HandshakeGlare {
			p.waited = at
		}
		return min(a.born, p.waited) + limits.HandshakeCourtesy
	}
	return 0
}

// underWay reports whether a handshake of ours is young and unanswered.
func (p *peer) underWay(at time.Duration) bool {
	if p.init != nil {
		return at-p.init.started < limits.HandshakeGlare
	}
	s := p.unconfirmed()
	return s != nil && at-s.born < limits.HandshakeGlare
}

// unconfirmed returns the session that we began and the peer has not used yet.
func (p *peer) unconfirmed() *session {
	if p.next != nil {
		return p.next
	}
	if s := p.current.Load(); s != nil && s.third != nil {
		return s
	}
	return nil
}

// crossed reports whether message 3 of the peer is to be refused, because a
// session that we began has come to stand since we answered its message 1, and
// ours counts.
func (p *peer) crossed(began uint64) bool {
	return p.began != began && bytes.Compare(p.table.cfg.Self[:], p.id[:]) < 0
}
