package session

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// secondCopy is a copy of message 2 that left. Its tag stands behind that of the copy
// of message 1 which it answers, and message 3 echoes it: so the responder, too, knows
// which way led to the other end.
type secondCopy struct {
	tag uint32
	hop wire.ID
	at  time.Duration
	by  way

	back bool // by the link that message 1 came in by
}

// sendSecond sends a copy of message 2, by another way each time. A leaf sends it by
// the link that message 1 came in by: who brought that passes frames on.
func (t *Table) sendSecond(a *answer, at time.Duration) {
	c := secondCopy{tag: t.draw(), at: at}
	body := wire.HandshakeBody{Kind: wire.HandshakeSecond, Sender: a.local, Receiver: a.key.sender, Noise: a.second}
	putBE32(body.Cookie[:], a.tag)
	putBE32(body.Cookie[4:], c.tag)
	var homes []wire.ID
	if p := t.find(&a.key.src); a.home != nil {
		homes = []wire.ID{wire.ID(a.home)}
	} else if p != nil {
		homes = p.route.Load().ranked
	}
	c.by = t.wayOf(a.key.src, homes, a.copies)
	choice := Choice{K: a.copies}
	if a.copies >= scattered {
		choice = Choice{Past: a.hops()}
	}
	if t.cfg.Behind != nil && len(t.homes()) > 0 && !c.by.scatter {
		choice.Via = t.cfg.Behind(a.came)
	}
	hop, _, ok := t.emit(t.handshakeFrame(c.by.frame(a.key.src), &body), choice)
	c.back = hop == choice.Via
	if c.hop = hop; ok && len(a.sent) < limits.SecondCopies {
		a.sent = append(a.sent, c)
	}
	a.copies++
}

// hops returns the first hops that copies left by.
func (a *answer) hops() []wire.ID {
	all := make([]wire.ID, len(a.sent))
	for i := range a.sent {
		all[i] = a.sent[i].hop
	}
	return all
}

// conclude takes what the verified message 3 tells of the way to its sender: if not
// the first copy of message 2 got there, and that one has had time for twice what
// the other took, acks and messages take the other's way; so they do the way back. The tag is anybody's
// word: enough for a lead, not to blame others. mu of the peer is held.
func (a *answer) conclude(p *peer, at time.Duration) {
	for i := range a.sent {
		c := &a.sent[i]
		if c.tag != a.heard {
			continue
		}
		p.measure(at - c.at)
		if c.back || i > 0 && overdue(at-a.sent[0].at, at-c.at) {
			p.lead.set(c.hop, c.by, at)
		}
		return
	}
	if len(a.sent) == 1 && a.copies == 1 {
		p.measure(at - a.sent[0].at)
	}
}
