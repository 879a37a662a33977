package engine

import (
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

func (ev LinkDown) step(e *Engine, now time.Time) {
	n := e.links.byNumber[ev.Link.Number]
	if n == nil {
		return // never admitted
	}
	told := n.closing || n.said != reason.None // this node ended it, or the peer said why
	e.links.remove(n)
	e.remember(now, n)
	e.redraw = true
	e.do(Reforward{n.link})
	cause := ev.Cause
	if n.said != reason.None {
		cause = n.said
	}
	if t := n.target; t != nil {
		err := error(cause)
		if n.said == reason.None && ev.Err != nil {
			err = ev.Err
		}
		e.lost(n, now, cause, err)
		if !n.answered && !told {
			e.do(Tell{Notice{Kind: NoticeRetry, Link: n.link, Peer: n.ID, Reason: cause, URL: n.url, Err: err, After: t.next.Sub(now)}})
		}
	}
	e.parted(now, n, cause)
	e.tookOrNot(n)
	if !n.untold {
		e.do(Tell{Notice{Kind: NoticePeerDown, Link: n.link, Peer: n.ID, Reason: cause, URL: n.url}})
	}
	if e.links.live() == 0 {
		e.network.cut = true
		e.hurry(now, n)
	}
}

// parted notes that a peer is gone, and looks for another soon.
func (e *Engine) parted(now time.Time, n *neighbour, cause reason.Reason) {
	if !e.links.linked(n.ID) {
		e.answerReach(n.ID, cause)
		e.cfg.Sessions.Parted(now, wire.ID(n.ID))
	}
	e.homesMoved(now)
	if n.direct {
		e.hot.parted(e.clock(now), n)
	}
	if n.Leaf {
		if !e.links.linked(n.ID) {
			e.holder.layings.forget(wire.ID(n.ID))
		}
		return
	}
	e.relaysChanged(now)
	if k := e.book.byID[n.ID]; k != nil && !e.links.linked(n.ID) {
		if n.answered {
			k.linked = e.clock(now)
		}
		if !n.direct || cause != reason.LinkLimit { // else it went for another pair's sake: the table need not wait
			e.failed(now, k, noPlace(cause) || cause == reason.Leaving || cause == reason.Disconnected)
		}
	}
	if e.links.relays == 0 {
		e.joined = false
	}
	e.fillSoon(now, e.jitter(limits.RepairJitter))
}

func (ev Goodbye) step(e *Engine, now time.Time) {
	n := e.links.byNumber[ev.Link.Number]
	if n == nil {
		return
	}
	n.said = ev.Reason
	for _, raw := range ev.Contacts {
		e.learnFrom(now, n, raw)
		e.fillSoon(now, 0)
	}
	others := 0
	for _, o := range e.links.byID[n.ID] {
		if o != n && !o.closing {
			others++
		}
	}
	t := n.target
	switch {
	case ev.Reason == reason.Replaced && others == 0:
		if slices.ContainsFunc(ev.Contacts, func(raw []byte) bool { return e.signedElsewhere(now, raw) }) {
			e.do(Tell{Notice{Kind: NoticeIdentityInUse, Link: n.link, Peer: n.ID, Reason: ev.Reason, URL: n.url}})
		}
		if t != nil {
			t.replaced(now)
		}
	case ev.Reason == reason.Disconnected || ev.Reason == reason.Banned:
		if t != nil {
			t.hold(now.Add(limits.DisconnectHold))
		}
		fallthrough
	case noPlace(ev.Reason) && (!n.direct || n.kept) && !n.tried(ev.Reason):
		e.do(Tell{Notice{Kind: NoticeRefused, Link: n.link, Peer: n.ID, Reason: ev.Reason, URL: n.url}})
	}
}

// signedElsewhere says whether a record is a contact of this node that another
// process with its key signed. It proves what a peer alone cannot claim (ADR 032).
func (e *Engine) signedElsewhere(now time.Time, raw []byte) bool {
	rec, err := wire.ParseRecord(raw)
	if err != nil || rec.Kind != wire.RecordContact || e.cfg.Signed == nil || routing.ID(identity.IDOf(rec.Public)) != e.cfg.Self {
		return false
	}
	_, _, err = e.cfg.Verify(raw, now)
	return err == nil && !e.cfg.Signed(rec.Sequence)
}

func (ev Disconnect) step(e *Engine, now time.Time) {
	until := now.Add(limits.DisconnectHold)
	e.banned.set(ev.ID, now, until, limits.Bans)
	e.holdTargets(ev.ID, until)
	for _, n := range slices.Clone(e.links.byID[ev.ID]) {
		e.end(n, reason.Disconnected, now)
	}
}
