package engine

import (
	"bytes"
	"math"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// neighbour is one live link as the control plane sees it.
type neighbour struct {
	*Peer
	link     *link.Link
	target   *Target // nil: accepted, or dialled because of a contact
	url      string  // that was dialled; empty: accepted
	from     Origin
	up       time.Duration // since when, by Engine.clock
	rtt      time.Duration // smoothed, as of the last pong or bucket check, at first that of the handshake; 0: not measured
	suspect  bool
	closing  bool
	answered bool          // a ping: it holds this node among its own links
	wanted   bool          // by the user: it stays
	webRTC   bool          // it is carried so
	direct   bool          // it is no link of the table: see direct.go
	kept     bool          // of those: the user asked for it
	talked   time.Duration // of those: when its ends last had much to say to each other
	said     reason.Reason // why the peer ends the link, from its bye
	replaces []*neighbour  // closed once this one answers a ping
	instead  *neighbour    // a slower one of the same bucket, the same
	trial    bool          // dialled to see whether it is faster than another

	contact      []byte        // its contact record
	contactUntil time.Duration // by Engine.clock
	asked        int           // requests for contacts that it has not answered
	neighbours   *Neighbours   // relays that it is linked to; nil: unknown
}

// usable says that the link is not about to be closed.
func (n *neighbour) usable() bool { return !n.closing }

// ofTable says that the link is one with a relay that the fill policy decides on.
func (n *neighbour) ofTable() bool { return !n.closing && !n.Leaf && !n.direct }

// links are the live ones. More than one per ID stand only until the duplicate
// rule has ended all but one.
type links struct {
	table    routing.Table
	list     []*neighbour                // in the order they came up
	byID     map[routing.ID][]*neighbour // the one in use first
	byNumber map[uint64]*neighbour
	relays   int // of the table
	leaves   int // the same
	webRTC   int // of them, carried so
	direct   int // carried so, and none of the table
}

// reached says whether a link to a peer, or with a zero ID to any, has answered
// a ping: from then on that peer forwards to this node.
func (l *links) reached(id routing.ID) bool {
	for _, n := range l.list {
		if n.answered && n.usable() && (id.IsZero() || n.ID == id) {
			return true
		}
	}
	return false
}

// live says how many links of the table are up and not about to be closed.
func (l *links) live() int { return l.relays + l.leaves }

// holds says whether there is a link to the same peer that fills the same place
// as n.
func (l *links) holds(n *neighbour) bool {
	return slices.ContainsFunc(l.byID[n.ID], func(o *neighbour) bool {
		return o.usable() && o.Leaf == n.Leaf && o.direct == n.direct && (o.webRTC || !n.webRTC)
	})
}

func (l *links) linked(id routing.ID) bool {
	return slices.ContainsFunc(l.byID[id], (*neighbour).usable)
}

// random is any of the links that fit, or nil.
func (l *links) random(e *Engine, fits func(*neighbour) bool) *neighbour {
	var fit []*neighbour
	for _, n := range l.list {
		if fits(n) {
			fit = append(fit, n)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return fit[e.cfg.Rand.IntN(len(fit))]
}

// nearest are the relays nearest a Key, of those in good standing.
func (l *links) nearest(to routing.Key, count int) []*neighbour {
	var near []*neighbour
	for _, n := range l.list {
		if n.usable() && n.answered && !n.Leaf && !n.suspect {
			near = append(near, n)
		}
	}
	slices.SortFunc(near, func(a, b *neighbour) int {
		if routing.Closer(a.Key, b.Key, to) {
			return -1
		}
		return 1
	})
	return near[:min(count, len(near))]
}

func (l *links) add(n *neighbour) error {
	if len(l.byID[n.ID]) == 0 {
		if err := l.table.Add(n.ID); err != nil {
			return err
		}
	}
	l.byID[n.ID] = append([]*neighbour{n}, l.byID[n.ID]...)
	l.byNumber[n.link.Number] = n
	l.list = append(l.list, n)
	l.count(n, 1)
	return nil
}

func (l *links) remove(n *neighbour) {
	is := func(o *neighbour) bool { return o == n }
	l.byID[n.ID] = slices.DeleteFunc(l.byID[n.ID], is)
	if len(l.byID[n.ID]) == 0 {
		delete(l.byID, n.ID)
		l.table.Remove(n.ID)
	}
	delete(l.byNumber, n.link.Number)
	l.list = slices.DeleteFunc(l.list, is)
	if !n.closing {
		n.closing = true
		l.count(n, -1)
	}
}

func (l *links) count(n *neighbour, by int) {
	carried := 0
	if n.webRTC {
		carried = by
	}
	switch {
	case n.direct:
		l.direct += carried
		return
	case n.Leaf:
		l.leaves += by
	default:
		l.relays += by
	}
	l.webRTC += carried
}

// arrived is the neighbour at the other end of a link that came up; the dial that
// led to it is over.
func (e *Engine) arrived(now time.Time, ev *LinkUp) *neighbour {
	n := &neighbour{
		Peer: ev.Peer, link: ev.Peer.Link, target: ev.Target, from: ev.From, up: e.clock(now), rtt: ev.From.RTT,
		webRTC: ev.Peer.Link.Carrier.Kind() == kindWebRTC, direct: ev.From.Direct, wanted: ev.From.Wanted, talked: e.clock(now),
	}
	w := e.reach[n.ID]
	if n.target != nil {
		n.url = dialled(n.target.URL)
		k := n.target.known
		if k != nil {
			n.trial, n.direct = k.trial, k.direct
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
	others := slices.Clone(e.links.byID[n.ID])
	if err := e.links.add(n); err != nil {
		e.refuse(n, reason.LinkLimit, now)
		return
	}
	if n.target != nil {
		n.target.peer = n.ID
		n.target.linked++
	}
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
		e.do(Tell{Notice{Kind: NoticePeerUp, Link: l, Peer: n.ID, URL: n.url}})
	}
	e.redraw = true
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
func (e *Engine) contactCopy(now time.Time, l *link.Link, signer wire.ID, raw []byte) {
	if n := e.links.byNumber[l.Number]; n != nil && n.usable() && wire.ID(n.ID) == signer {
		e.contactOf(now, n, bytes.Clone(raw))
	}
}

// duplicate applies the rule for two links to one peer.
func (e *Engine) duplicate(now time.Time, old, fresh *neighbour) {
	if old.closing {
		return
	}
	choice := link.Duplicate(e.cfg.Self, old.ID, old.link.Origin(), fresh.link.Origin())
	switch choice {
	case link.CloseOld:
		e.end(old, reason.Replaced, now)
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

// end begins to close a link: it carries nothing new from now on.
func (e *Engine) end(n *neighbour, why reason.Reason, now time.Time) {
	if n.closing {
		return
	}
	n.closing = true
	e.links.count(n, -1)
	e.do(CloseLink{Link: n.link, Reason: why})
	e.relaysChanged(now)
	e.homesMoved(now)
	e.redraw = true
}

// look takes the round trip that the link has measured, if it has.
func (n *neighbour) look() {
	if rtt := n.link.Stats().RTT; rtt > 0 {
		n.rtt = rtt
	}
}

// measured notes the round trip to a peer for later dials.
func (e *Engine) measured(n *neighbour) {
	if k := e.book.byID[n.ID]; k != nil {
		k.micros = uint32(min(n.rtt.Microseconds(), math.MaxUint32))
	}
}

func (ev Pong) step(e *Engine, now time.Time) {
	n := e.links.byNumber[ev.Link.Number]
	if n == nil {
		return
	}
	first := !n.answered
	n.answered = true
	n.look()
	e.measured(n)
	if n.target != nil {
		n.target.proved()
	}
	for _, old := range n.replaces {
		e.end(old, reason.Replaced, now)
	}
	n.replaces = nil
	e.swapped(n, now)
	if first && n.usable() {
		e.answerReach(n.ID, nil)
		if n.direct && !n.kept {
			e.do(Tell{Notice{Kind: NoticeUpgraded, Link: n.link, Peer: n.ID, URL: n.url}})
		}
		e.firstAnswer(now, n)
		e.homesMoved(now)
		if !n.Leaf {
			e.handOver(now, n)
		}
	}
}

func (ev LinkHealth) step(e *Engine, now time.Time) {
	if n := e.links.byNumber[ev.Link.Number]; n != nil && n.suspect != ev.Suspect {
		n.suspect = ev.Suspect
		e.redraw = true
		e.homesMoved(now)
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
	e.redraw = true
	e.do(Reforward{n.link})
	cause := ev.Cause
	if n.said != reason.None {
		cause = n.said
	}
	if n.target != nil {
		e.lost(n, now, cause)
	}
	e.parted(now, n, cause)
	e.do(Tell{Notice{Kind: NoticePeerDown, Link: n.link, Peer: n.ID, Reason: cause, URL: n.url}})
	if e.links.live() == 0 {
		e.hurry(now, n)
	}
}

// parted notes that a peer is gone, and looks for another soon.
func (e *Engine) parted(now time.Time, n *neighbour, cause reason.Reason) {
	if !e.links.linked(n.ID) {
		e.answerReach(n.ID, cause)
	}
	e.homesMoved(now)
	if n.direct {
		e.hot.parted(e.clock(now), n)
	}
	if n.Leaf {
		return
	}
	e.relaysChanged(now)
	if k := e.book.byID[n.ID]; k != nil && !e.links.linked(n.ID) {
		if n.answered {
			k.linked = e.clock(now)
		}
		if !n.direct || cause != reason.LinkLimit { // else it went for another pair's sake: the table need not wait
			e.failed(now, k, cause == reason.LinkLimit || cause == reason.Leaving || cause == reason.Disconnected)
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
		e.learn(now, raw, n.from.Scope.Told())
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
		e.do(Tell{Notice{Kind: NoticeIdentityInUse, Link: n.link, Peer: n.ID, Reason: ev.Reason, URL: n.url}})
		if t != nil {
			t.replaced(now)
		}
	case ev.Reason == reason.Disconnected || ev.Reason == reason.Banned:
		if t != nil {
			t.hold(now.Add(limits.DisconnectHold))
		}
		fallthrough
	case ev.Reason == reason.LinkLimit && (!n.direct || n.kept):
		e.do(Tell{Notice{Kind: NoticeRefused, Link: n.link, Peer: n.ID, Reason: ev.Reason, URL: n.url}})
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
		e.end(n, reason.Disconnected, now)
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
	e.publishAt, e.redraw = time.Time{}, false
	cfg := SnapshotConfig{Self: e.cfg.Self, Leaf: e.cfg.Leaf, PlainGreedy: e.cfg.PlainGreedy, Records: &e.holder.store}
	cfg.Peers = e.picture[:0]
	elsewhere, trusted := e.links.elsewhere(), e.trusted()
	for _, n := range e.links.list {
		if inUse(e.links.byID[n.ID]) == n {
			// A suspect or doubted relay is better than none.
			cfg.Peers = append(cfg.Peers, PeerState{
				Peer: n.Peer, Suspect: n.suspect && (n.Leaf || elsewhere), Doubted: trusted && e.isDoubted(n),
				RTTMicros: uint32(n.rtt.Microseconds()), Neighbours: n.neighbours,
			})
		}
	}
	e.snapshot.Store(NewSnapshot(cfg))
	clear(cfg.Peers) // keep the memory, not the peers
	e.picture = cfg.Peers
}

// elsewhere says whether there is a relay in good standing to send by.
func (l *links) elsewhere() bool {
	for _, n := range l.list {
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
