package engine

import (
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

// neighbour is one live link as the control plane sees it.
type neighbour struct {
	*Peer
	link     *link.Link
	target   *Target // nil: accepted
	suspect  bool
	closing  bool
	answered bool          // a ping: it holds this node among its own links
	said     reason.Reason // why the peer ends the link, from its bye
	replaces *neighbour    // closed once this one answers a ping
}

// links are the live ones. More than one per ID stand only until the duplicate
// rule has ended all but one.
type links struct {
	table    routing.Table
	byID     map[routing.ID][]*neighbour // the one in use first
	byNumber map[uint64]*neighbour
	relays   int
	leaves   int
}

// reached says whether a link to a peer, or with a zero ID to any, has answered
// a ping: from then on that peer forwards to this node.
func (l *links) reached(id routing.ID) bool {
	for _, n := range l.byNumber {
		if n.answered && !n.closing && (id.IsZero() || n.ID == id) {
			return true
		}
	}
	return false
}

// live says how many links are up and not about to be closed.
func (l *links) live() int { return l.relays + l.leaves }

// holds says whether there is a link in the same role to a peer.
func (l *links) holds(id routing.ID, leaf bool) bool {
	return slices.ContainsFunc(l.byID[id], func(n *neighbour) bool { return !n.closing && n.Leaf == leaf })
}

func (l *links) linked(id routing.ID) bool {
	return slices.ContainsFunc(l.byID[id], func(n *neighbour) bool { return !n.closing })
}

func (l *links) add(n *neighbour) error {
	if len(l.byID[n.ID]) == 0 {
		if err := l.table.Add(n.ID); err != nil {
			return err
		}
	}
	l.byID[n.ID] = append([]*neighbour{n}, l.byID[n.ID]...)
	l.byNumber[n.link.Number] = n
	l.count(n, 1)
	return nil
}

func (l *links) remove(n *neighbour) {
	l.byID[n.ID] = slices.DeleteFunc(l.byID[n.ID], func(o *neighbour) bool { return o == n })
	if len(l.byID[n.ID]) == 0 {
		delete(l.byID, n.ID)
		l.table.Remove(n.ID)
	}
	delete(l.byNumber, n.link.Number)
	if !n.closing {
		n.closing = true
		l.count(n, -1)
	}
}

func (l *links) count(n *neighbour, by int) {
	if n.Leaf {
		l.leaves += by
	} else {
		l.relays += by
	}
}

func (ev LinkUp) step(e *Engine, now time.Time) {
	l := ev.Peer.Link
	n := &neighbour{Peer: ev.Peer, link: l, target: ev.Target}
	if n.target != nil {
		e.landed(n.target)
	}
	if why := e.admit(n, now); why != reason.None {
		e.refuse(n, why, now)
		return
	}
	others := slices.Clone(e.links.byID[n.ID])
	if err := e.links.add(n); err != nil {
		e.refuse(n, reason.LinkLimit, now)
		return
	}
	if n.target != nil {
		n.target.peer = n.ID
		n.target.linked++
	}
	for _, old := range others {
		e.duplicate(old, n)
	}
	if !n.closing {
		e.do(PingLink{l})
		e.do(Tell{Notice{Kind: NoticePeerUp, Link: l, Peer: n.ID, URL: n.url()}})
	}
	e.publish()
}

func (n *neighbour) url() string {
	if n.target == nil {
		return ""
	}
	return n.target.URL
}

// admit says whether there is a place for n.
func (e *Engine) admit(n *neighbour, now time.Time) reason.Reason {
	if e.targets.stopped {
		return reason.Leaving
	}
	if until, ok := e.banned[n.ID]; ok {
		if now.Before(until) {
			return reason.Banned
		}
		delete(e.banned, n.ID)
	}
	if n.link.Outbound || e.links.holds(n.ID, n.Leaf) {
		return reason.None // asked for by us, or about to take the place of another
	}
	if n.Leaf && e.links.leaves >= e.cfg.MaxLeaves || !n.Leaf && e.links.relays >= e.cfg.MaxRelays {
		return reason.LinkLimit
	}
	return reason.None
}

func (e *Engine) refuse(n *neighbour, why reason.Reason, now time.Time) {
	e.cfg.Drops.Add(why, 1)
	if n.target != nil {
		e.retry(n.target, now, "admission", why)
		if why == reason.Banned {
			n.target.hold(e.banned[n.ID])
		}
	}
	e.do(CloseLink{n.link, why})
	e.do(Tell{Notice{Kind: NoticeRefused, Link: n.link, Peer: n.ID, Reason: why, URL: n.url()}})
}

// duplicate applies the rule for two links to one peer.
func (e *Engine) duplicate(old, fresh *neighbour) {
	if old.closing {
		return
	}
	choice := link.Duplicate(e.cfg.Self, old.ID, old.link.Origin(), fresh.link.Origin())
	switch choice {
	case link.CloseOld:
		e.end(old, reason.Replaced)
	case link.CloseNew:
		e.end(fresh, reason.Replaced)
	case link.CloseOldOK:
		fresh.replaces = old
	case link.CloseNewOK:
		old.replaces = fresh
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

// end begins to close a link: it carries nothing new from now on.
func (e *Engine) end(n *neighbour, why reason.Reason) {
	if n.closing {
		return
	}
	n.closing = true
	e.links.count(n, -1)
	e.do(CloseLink{n.link, why})
	e.publish()
}

func (ev Pong) step(e *Engine, _ time.Time) {
	n := e.links.byNumber[ev.Link.Number]
	if n == nil {
		return
	}
	if e.cfg.Leaf && !e.links.reached(routing.ID{}) && !n.closing {
		e.do(Tell{Notice{Kind: NoticeAttached, Link: n.link, Peer: n.ID, URL: n.url()}})
	}
	n.answered = true
	if n.target != nil {
		n.target.proved()
	}
	if n.replaces == nil {
		return
	}
	e.end(n.replaces, reason.Replaced)
	n.replaces = nil
}

func (ev LinkHealth) step(e *Engine, _ time.Time) {
	if n := e.links.byNumber[ev.Link.Number]; n != nil && n.suspect != ev.Suspect {
		n.suspect = ev.Suspect
		e.publish()
		if n.suspect && e.links.elsewhere() {
			e.do(Reforward{n.link})
		}
	}
}

func (ev LinkDown) step(e *Engine, now time.Time) {
	n := e.links.byNumber[ev.Link.Number]
	if n == nil {
		return // never admitted
	}
	e.links.remove(n)
	e.publish()
	e.do(Reforward{n.link})
	cause := ev.Cause
	if n.said != reason.None {
		cause = n.said
	}
	if n.target != nil {
		e.lost(n, now, cause)
	}
	e.do(Tell{Notice{Kind: NoticePeerDown, Link: n.link, Peer: n.ID, Reason: cause, URL: n.url()}})
	if e.links.live() == 0 {
		e.hurry(now, n)
	}
}

func (ev Goodbye) step(e *Engine, now time.Time) {
	n := e.links.byNumber[ev.Link.Number]
	if n == nil {
		return
	}
	n.said = ev.Reason
	others := 0
	for _, o := range e.links.byID[n.ID] {
		if o != n && !o.closing {
			others++
		}
	}
	t := n.target
	switch {
	case ev.Reason == reason.Replaced && others == 0:
		e.do(Tell{Notice{Kind: NoticeIdentityInUse, Link: n.link, Peer: n.ID, Reason: ev.Reason, URL: n.url()}})
		if t != nil {
			t.replaced(now)
		}
	case ev.Reason == reason.Disconnected || ev.Reason == reason.Banned:
		if t != nil {
			t.hold(now.Add(limits.DisconnectHold))
		}
		fallthrough
	case ev.Reason == reason.LinkLimit:
		e.do(Tell{Notice{Kind: NoticeRefused, Link: n.link, Peer: n.ID, Reason: ev.Reason, URL: n.url()}})
	}
}

func (ev Disconnect) step(e *Engine, now time.Time) {
	e.ban(ev.ID, now)
	for _, t := range e.targets.list {
		if t.peer == ev.ID || t.Pin == ev.ID {
			t.hold(now.Add(limits.DisconnectHold))
		}
	}
	for _, n := range slices.Clone(e.links.byID[ev.ID]) {
		e.end(n, reason.Disconnected)
	}
}

// ban keeps a peer away; expired bans are swept, and the number is bounded by
// dropping the one that ends first.
func (e *Engine) ban(id routing.ID, now time.Time) {
	var first routing.ID
	for b, until := range e.banned {
		if !now.Before(until) {
			delete(e.banned, b)
		} else if first.IsZero() || until.Before(e.banned[first]) {
			first = b
		}
	}
	if len(e.banned) >= limits.Bans {
		delete(e.banned, first)
	}
	e.banned[id] = now.Add(limits.DisconnectHold)
}

// publish builds the picture that Forward works on.
func (e *Engine) publish() {
	cfg := SnapshotConfig{Self: e.cfg.Self, Leaf: e.cfg.Leaf}
	elsewhere := e.links.elsewhere()
	for _, list := range e.links.byID {
		if n := inUse(list); n != nil {
			// A suspect relay is better than none.
			cfg.Peers = append(cfg.Peers, PeerState{Peer: n.Peer, Suspect: n.suspect && (n.Leaf || elsewhere)})
		}
	}
	e.snapshot.Store(NewSnapshot(cfg))
}

// elsewhere says whether there is a relay in good standing to send by.
func (l *links) elsewhere() bool {
	for _, n := range l.byNumber {
		if !n.Leaf && !n.closing && !n.suspect {
			return true
		}
	}
	return false
}

// inUse is the first link of a peer that is not closing, a healthy one if there is one.
func inUse(list []*neighbour) (best *neighbour) {
	for _, n := range list {
		if !n.closing && (best == nil || best.suspect && !n.suspect) {
			best = n
		}
	}
	return best
}
