package engine

import (
	"bytes"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// arrived is the neighbour at the other end of a link that came up; the dial that
// led to it is over.
func (e *Engine) arrived(now time.Time, ev *LinkUp) *neighbour {
	n := &neighbour{
		Peer: ev.Peer, link: ev.Peer.Link, target: ev.Target, from: ev.From, up: e.clock(now), rtt: ev.From.RTT,
		webRTC: ev.Peer.Link.Carrier.Kind() == kindWebRTC, direct: ev.From.Direct, wanted: ev.From.Wanted, talked: e.clock(now),
	}
	e.owes(n)
	w := e.reach[n.ID]
	n.chosen = e.chose(n)
	if n.target != nil {
		n.url = dialled(n.target.URL)
		k := n.target.known
		if k != nil {
			n.trial, n.direct = k.trial, k.direct
			if n.webRTC {
				e.pace.answered()
			}
		}
		e.landed(n.target)
		if k != nil {
			n.target = nil
			n.wanted = w != nil
		}
	}
	n.kept = n.direct && (ev.From.Wanted || w != nil && w.byUser)
	e.carried.came(n)
	return n
}

func (ev LinkUp) step(e *Engine, now time.Time) {
	l, n := ev.Peer.Link, e.arrived(now, &ev)
	e.measured(n)
	if why := e.admit(n, now); why != reason.None {
		e.refuse(n, why, now)
		return
	}
	e.sit(n)
	others := slices.Clone(e.links.byID[n.ID])
	if err := e.links.add(n); err != nil {
		e.refuse(n, reason.LinkLimit, now)
		return
	}
	if n.target != nil {
		n.target.peer = n.ID
		n.target.linked++
	}
	e.cfg.Sessions.Linked(now, wire.ID(n.ID))
	e.meet(now, n)
	for _, old := range others {
		e.duplicate(now, old, n)
	}
	if !n.closing {
		e.do(PingLink{l})
		if !n.Leaf && !e.joined && l.Outbound {
			// Whom else it knows is asked before it has answered: it may be gone soon.
			e.findNode(n, e.filler.Self, limits.NodesEntries)
		}
		if n.untold = e.wasBrief(n); !n.untold {
			e.do(Tell{Notice{Kind: NoticePeerUp, Link: l, Peer: n.ID, URL: n.url}})
		}
	}
	e.redraw = true
}

// wasBrief says that the last link that this node had dialled to there ended before
// the peer had taken it: so may this one, and who hears of each hears of little else.
func (e *Engine) wasBrief(n *neighbour) bool {
	k := e.book.byID[n.ID]
	return n.link.Outbound && (n.target != nil && n.target.brief || n.target == nil && k != nil && k.brief)
}

// tookOrNot notes whether the peer has taken the link among its own.
func (e *Engine) tookOrNot(n *neighbour) {
	if !n.link.Outbound {
		return
	}
	if n.target != nil {
		n.target.brief = !n.answered
	}
	if k := e.book.byID[n.ID]; k != nil {
		k.brief = !n.answered
	}
}

// meet notes what a new peer said of itself.
func (e *Engine) meet(now time.Time, n *neighbour) {
	e.contactOf(now, n, n.link.Contact)
	if k := e.book.byID[n.ID]; k != nil {
		k.linked, k.failures, k.next = e.clock(now), 0, 0
	}
}

// contactOf takes the contact record of a linked peer.
func (e *Engine) contactOf(now time.Time, n *neighbour, raw []byte) {
	rec, err := wire.ParseRecord(raw)
	if err != nil {
		return // a link is not made without one
	}
	n.contact, n.contactUntil = raw, e.clock(identity.HeldUntil(&rec, now, rec.TTL))
	if n.Leaf {
		return
	}
	k := e.learn(now, raw, n.from.Scope.Told())
	if k == nil && !speaksWebRTC(&rec) {
		n.contactUntil = 0 // nobody can dial it: nothing to tell of
	} else if k == nil {
		return // others can
	} else if bytes.Equal(k.Record, raw) {
		k.Record = raw // one copy does for both
	}
}

// contactCopy takes a contact record that came in a Record frame: a peer's own,
// newer than the one it came with.
func (e *Engine) contactCopy(now time.Time, n *neighbour, raw []byte) error {
	_, signer, err := e.cfg.Verify(raw, now)
	switch {
	case err != nil:
		return err
	case wire.ID(n.ID) != signer:
		return identity.ErrWrongID
	}
	e.contactOf(now, n, bytes.Clone(raw))
	return nil
}

// duplicate applies the rule for two links to one peer.
func (e *Engine) duplicate(now time.Time, old, fresh *neighbour) {
	if old.closing {
		return
	}
	choice := link.Duplicate(e.cfg.Self, old.ID, old.link.Origin(), fresh.link.Origin())
	switch choice {
	case link.CloseOld:
		if old.link.Instance == fresh.link.Instance {
			e.displace(now, old)
			return
		}
		var proof [][]byte
		if fresh.contact != nil {
			proof = [][]byte{fresh.contact}
		}
		e.endTelling(old, reason.Replaced, proof, now)
	case link.CloseNew:
		e.end(fresh, reason.Replaced, now)
	case link.CloseOldOK:
		fresh.replaces = append(fresh.replaces, old)
	case link.CloseNewOK:
		old.replaces = append(old.replaces, fresh)
		e.prefer(old)
		e.do(PingLink{old.link})
	}
}

// prefer makes n the link in use to its peer.
func (e *Engine) prefer(n *neighbour) {
	list := e.links.byID[n.ID]
	i := slices.Index(list, n)
	copy(list[1:i+1], list[:i])
	list[0] = n
}
