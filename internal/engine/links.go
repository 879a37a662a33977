package engine

import (
	"math"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// neighbour is one live link as the control plane sees it.
type neighbour struct {
	*Peer
	link     *link.Link
	target   *Target    // nil: accepted, or dialled because of a contact
	url      secret.URL // that was dialled; empty: accepted
	from     Origin
	up       time.Duration // since when, by Engine.clock
	rtt      time.Duration // smoothed, as of the last pong or bucket check, at first that of the handshake; 0: not measured
	suspect  bool
	closing  bool
	answered bool          // a ping: it holds this node among its own links
	wanted   bool          // by the user: it stays
	webRTC   bool          // it is carried so
	chosen   bool          // this node asked for it: see carry.go
	seat     seat          // of the table, how it got its place
	since    time.Duration // when it got that, by Engine.clock
	needed   bool          // of the table, forwarding here needs it: see weigh
	direct   bool          // it is no link of the table: see direct.go
	kept     bool          // of those: the user asked for it
	talked   time.Duration // of those: when its ends last had much to say to each other
	said     reason.Reason // why the peer ends the link, from its bye
	forgiven time.Time     // when all is that it said and that did not verify: see faults.go
	replaces []*neighbour  // closed once this one answers a ping
	instead  *neighbour    // a slower one of the same bucket, the same
	trial    bool          // dialled to see whether it is faster than another
	untold   bool          // the user does not know of it: see wasBrief

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

// end begins to close a link: it carries nothing new from now on.
func (e *Engine) end(n *neighbour, why reason.Reason, now time.Time) {
	e.endTelling(n, why, nil, now)
}

// endTelling is end with contact records for the Bye.
func (e *Engine) endTelling(n *neighbour, why reason.Reason, contacts [][]byte, now time.Time) {
	if n.closing {
		return
	}
	n.closing = true
	e.links.count(n, -1)
	e.do(CloseLink{Link: n.link, Reason: why, Contacts: contacts})
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
	e.tookOrNot(n)
	if n.untold && n.usable() {
		n.untold = false
		e.do(Tell{Notice{Kind: NoticePeerUp, Link: n.link, Peer: n.ID, URL: n.url}})
	}
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
		e.reconnected(now)
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
		switch {
		case !n.suspect:
			e.cfg.Sessions.Trust(wire.ID(n.ID))
			e.cfg.Sessions.Changed(now)
		case e.links.elsewhere():
			e.cfg.Sessions.Shun(wire.ID(n.ID))
			e.do(Reforward{n.link})
		}
	}
}

// publish builds the picture that Forward works on.
func (e *Engine) publish(now time.Time) {
	e.publishAt, e.ripeAt, e.redraw = time.Time{}, time.Time{}, false
	cfg := SnapshotConfig{Self: e.cfg.Self, Leaf: e.cfg.Leaf, PlainGreedy: e.cfg.PlainGreedy, Records: &e.holder.store, Secret: e.aims.secret}
	cfg.Peers = e.picture[:0]
	if e.weigh(); e.young(now) {
		e.promote(now)
		e.redraw = false
	}
	elsewhere, trusted := e.links.elsewhere(), e.trusted()
	for _, n := range e.links.list {
		if inUse(e.links.byID[n.ID]) == n {
			// A suspect or doubted relay is better than none.
			lists := n.neighbours
			if !e.misled.lists(n.ID) {
				lists = nil
			}
			cfg.Peers = append(cfg.Peers, PeerState{
				Peer: n.Peer, Suspect: n.suspect && (n.Leaf || elsewhere), Doubted: trusted && e.isDoubted(n),
				Passive: !n.Leaf && !e.peerPasses(n.ID, now), Chosen: e.chosen(n.ID),
				RTTMicros: uint32(n.rtt.Microseconds()), Neighbours: lists,
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
