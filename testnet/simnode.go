package testnet

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// simNode is a simulated node: an engine and a session table, and what package
// node does around them.
type simNode struct {
	sim      *Simulation
	index    int32
	side     uint8 // of a partition
	leaf     bool
	noURL    bool // it can be dialled only over WebRTC
	sybil    bool
	drops    bool // acks what it is to forward, and drops it
	lies     bool // says that it is linked with every relay
	mum      bool // sends nothing of its own: its links stand, and nothing comes of them
	needy    bool // says that it needs every link that it asks for
	cap      int  // links with relays; 0: as the others
	dead     bool
	silent   bool             // dead, and its carriers stay open
	kept     []engine.Contact // what a dead one's disk holds
	leaving  bool
	frozen   *frozen // stopped as a process is; nil: it runs
	ticking  bool    // a tick of the busy links is planned
	overlong bool    // had too many links for too long: told already

	id       routing.ID
	keys     *identity.Identity
	instance wire.Instance
	random   simRandom
	started  time.Duration
	engine   *engine.Engine
	sessions *session.Table
	batch    session.Batch
	must     func(engine.Event) // post, for TakeLinkFrame
	may      func(engine.Event) bool

	links  []*simLink // that are not closed, in the order of their numbers
	busy   []*simLink // that owe or await an ack
	number uint64     // of the last link
	relays int        // links of the table with relays, closing ones aside
	over   time.Duration

	carried int // looks in a row that found more links over WebRTC than the cap
	traffic []session.PeerTraffic

	contact  []byte // contact record
	renew    time.Duration
	sequence uint64 // of the last record signed

	planned time.Duration // when the next wake is planned; 0: none is
	wanted  time.Duration // when one is wanted
}

const (
	nodeWake simKind = iota
	nodeTick
	nodeTickBusy
	nodeGone
	nodeExpire
)

// simRandom is a small source of randomness that is an io.Reader too.
type simRandom struct{ *rand.Rand }

func newSimRandom(a, b uint64) simRandom { return simRandom{rand.New(rand.NewPCG(a, b))} }

// Read fills p.
func (r simRandom) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += 8 {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], r.Uint64())
		copy(p[i:], b[:])
	}
	return len(p), nil
}

func (n *simNode) nonce() (b [8]byte) {
	binary.BigEndian.PutUint64(b[:], n.random.Uint64())
	return b
}

func (n *simNode) url() string { return fmt.Sprintf("%s%d", simScheme, n.index) }

// start makes the parts and plans the first tick.
func (n *simNode) start() (err error) {
	s := n.sim
	n.id = routing.ID(n.keys.ID())
	copy(n.instance[:], binary.BigEndian.AppendUint64(nil, n.random.Uint64()|1))
	n.must = func(ev engine.Event) { s.post(n, ev) }
	n.may = func(ev engine.Event) bool { s.post(n, ev); return true }
	cfg := session.Config{
		Self: wire.ID(n.id), Instance: n.instance, Rand: n.random, Null: true,
		Emit: n.emit, Holds: n.holds, Deliver: s.load.delivered, Arm: n.arm, Drops: &s.drops,
		Doubt:        func(hop wire.ID) { s.post(n, engine.Doubted{Peer: routing.ID(hop)}) },
		Lost:         func(hop wire.ID) { s.post(n, engine.Lost{Peer: routing.ID(hop)}) },
		Aim:          func(to wire.ID) [8]byte { return n.engine.Aim(to) },
		Capabilities: wire.CapDatagram,
		Rank:         func(homes []wire.ID) { n.engine.Snapshot().RankHomes(homes) },
		Behind:       func(link uint64) wire.ID { return wire.ID(n.engine.Behind(link)) },
	}
	if n.leaf {
		cfg.Homes = func() []wire.ID { return n.engine.Homes() }
	}
	if n.sessions, err = session.New(cfg); err != nil {
		return err
	}
	n.engine, err = engine.New(engine.Config{
		Self: n.id, Leaf: n.leaf, MaxRelays: n.maxRelays(), MaxLeaves: s.opts.MaxLeaves, Homes: s.opts.Homes,
		Rand: n.random.Rand, Sessions: n.sessions, Drops: &s.drops,
		WebRTC: s.webRTC(), MaxWebRTC: s.opts.MaxWebRTC,
		Sign: n.sign, Verify: s.records.verify, Contact: n.contactRecord, PlainGreedy: s.opts.PlainGreedy || n.sybil, AllCarry: s.allCarry,
	})
	if err != nil {
		return err
	}
	if s.webRTC() != engine.WebRTCOff {
		s.byID[n.id] = n
	}
	n.started = s.now
	s.trace.begin(s.now, n.index, traceStart)
	s.trace.bytes(n.id[:])
	s.heap.push(s.now+time.Duration(n.random.Int64N(int64(limits.IdleTick))), n, nodeTick)
	return nil
}

// sign signs a record of this node.
func (n *simNode) sign(kind wire.RecordKind, now time.Time, ttl uint16, body []byte) []byte {
	n.sequence = identity.NextSequence(n.sequence, now)
	return n.keys.Sign(kind, n.sequence, ttl, body)
}

// contactRecord is what others may know of this node, signed again at half of
// its life.
func (n *simNode) contactRecord(now time.Time) []byte {
	if n.contact == nil || n.sim.now >= n.renew {
		body := wire.Contact{Role: wire.RoleLeaf}
		if !n.leaf {
			body.Role = wire.RoleRelay
		}
		if body.WebRTC = n.sim.webRTC() != engine.WebRTCOff; !n.leaf && !n.noURL {
			body.URLs = []string{n.url()}
		}
		n.contact = n.sim.records.intern(n.sign(wire.RecordContact, now, limits.ContactTTL, wire.AppendContact(nil, &body)), now)
		n.renew = n.sim.now + limits.ContactTTL*time.Second/2
	}
	return n.contact
}

// happen does what time has made due.
func (n *simNode) happen(s *Simulation, kind simKind) {
	if n.dead || n.putOff(n, kind) {
		return
	}
	switch kind {
	case nodeWake:
		n.woken()
	case nodeTick:
		n.busy = n.busy[:0]
		for _, l := range n.links {
			l.busy = false
			n.tick(l)
		}
		n.checkCap()
		n.tellTraffic()
		s.heap.push(s.now+limits.IdleTick, n, nodeTick)
	case nodeTickBusy:
		n.ticking = false
		due := n.busy
		n.busy = nil
		for _, l := range due {
			if l.busy {
				l.busy = false
				n.tick(l)
			}
		}
	case nodeGone:
		s.end(n, false)
	case nodeExpire:
		s.expired(n)
	}
}

// tick looks at the clocks of one link.
func (n *simNode) tick(l *simLink) {
	h := l.link.Tick(n.sim.time(), n.nonce())
	if h.Busy {
		l.onBusy()
	}
	if h.Dead != reason.None {
		l.link.Close(h.Dead)
	}
	if h.Changed {
		n.sim.post(n, engine.LinkHealth{Link: l.link})
	}
}

// tickSoon plans a look at the links that owe or await an ack.
func (n *simNode) tickSoon(l *simLink) {
	n.busy = append(n.busy, l)
	if !n.ticking {
		n.ticking = true
		n.sim.heap.push(n.sim.now+limits.LinkTick, n, nodeTickBusy)
	}
}

// wakeDelay is the least time to a wake: a timer that is late already goes off
// no sooner, so that virtual time goes on.
const wakeDelay = 50 * time.Microsecond

// arm makes sure that the engine is woken by the given time.
func (n *simNode) arm(at time.Time) {
	due := max(at.Sub(simEpoch), n.sim.now+wakeDelay)
	if n.wanted == 0 || due < n.wanted {
		n.plan(due)
	}
}

// plan wants a wake at the given time and not before. One that is planned for
// an earlier time stays and looks again then.
func (n *simNode) plan(due time.Duration) {
	n.wanted = due
	if n.planned == 0 || due < n.planned {
		n.planned = due
		n.sim.heap.push(due, n, nodeWake)
	}
}

func (n *simNode) woken() {
	now := n.sim.now
	if n.planned != now {
		return // another one was planned since
	}
	n.planned = 0
	switch {
	case n.wanted == 0:
	case n.wanted > now:
		n.plan(n.wanted)
	default:
		n.wanted = 0
		n.sim.post(n, engine.Wake{})
	}
}

// step tells the engine of an event and does what it decides.
func (n *simNode) step(ev engine.Event) {
	if n.dead {
		return
	}
	switch ev := ev.(type) {
	case engine.LinkHealth:
		n.apply(engine.LinkHealth{Link: ev.Link, Suspect: ev.Link.Suspect()})
	case engine.LinkUp:
		n.apply(ev)
		l := simLinkOf(ev.Peer.Link)
		if l.admitted = n.engine.Linked(l.link); l.admitted {
			n.count(l, true)
		}
	case engine.LinkDown:
		n.forget(simLinkOf(ev.Link))
		n.apply(ev)
	default:
		n.apply(ev)
	}
}

func (n *simNode) apply(ev engine.Event) {
	for _, a := range n.engine.Step(n.sim.time(), ev) {
		n.sim.trace.action(n.sim.now, n.index, a)
		n.perform(a)
	}
	n.wanted = 0
	if at, ok := n.engine.Next(); ok {
		n.arm(at)
	}
}

// perform does what the engine decided.
func (n *simNode) perform(a engine.Action) {
	switch a := a.(type) {
	case engine.Dial:
		n.sim.dial(n, a)
	case engine.CloseLink:
		n.closeLink(a)
	case engine.SendLink:
		if !n.hidesLink(a.Frame) {
			n.sim.laid.given(a.Frame)
			a.Link.AppendControl(n.lied(a.Frame))
		}
	case engine.SendFrame:
		if !n.hides(a.Frame) {
			n.emit(a.Frame, session.Choice{K: a.K})
		}
	case engine.PingLink:
		a.Link.Ping(n.sim.time(), n.nonce())
	case engine.Reforward:
		n.reforward(a.Link)
	case engine.Compute:
		a.Job.Run()
		n.sim.post(n, engine.Finished(a))
	}
}

// closeLink ends a link after a bye. A simulated carrier without a line takes all at
// once, so there is nothing to wait for; with one it has limits.ByeFlush.
func (n *simNode) closeLink(a engine.CloseLink) {
	l := simLinkOf(a.Link)
	n.sim.displaced(l, a.Reason)
	n.count(l, false)
	if e := l.link.Carrier.(*simEnd); e.tcp != nil {
		e.because = a.Reason
		n.sim.heap.push(n.sim.now+limits.ByeFlush, e, endPatience)
	}
	a.Link.Finish(wire.AppendBye(nil, &wire.Bye{Reason: uint8(a.Reason), Contacts: a.Contacts}), a.Reason)
}

// lied is a link frame of this node, a list of relays that names them all in
// the place of an honest one if it lies.
func (n *simNode) lied(frame []byte) []byte {
	if !n.lies || wire.LinkType(frame[0]) != wire.LinkPeers {
		return frame
	}
	var list wire.Peers
	for _, o := range n.sim.alive {
		if o != n && !o.leaf && len(list.Entries) < limits.PeerListEntries {
			list.Entries = append(list.Entries, wire.PeerEntry{ID: wire.ID(o.id), Role: wire.RoleRelay})
		}
	}
	return wire.AppendPeers(nil, &list)
}

// forget drops a link, also as a source on the others.
func (n *simNode) forget(l *simLink) {
	if i := slices.Index(n.links, l); i >= 0 {
		n.links = slices.Delete(n.links, i, i+1)
	}
	l.busy = false
	for _, o := range n.links {
		o.link.Forget(l.link.Number)
	}
	if n.leaving && len(n.links) == 0 {
		n.sim.heap.push(n.sim.now, n, nodeGone)
	}
}

// queue appends a frame to a link. Without a line nothing has to wait in a
// simulation: what would, is written first.
func (n *simNode) queue(to *link.Link, src uint64, class wire.Class, frame []byte) link.Admission {
	n.sim.laid.passed(frame)
	a := to.AppendFrame(src, class, frame)
	if (a == link.Full || a == link.Stalled) && !slow(to) {
		to.Pump(n.sim.time())
		a = to.AppendFrame(src, class, frame)
	}
	if a == link.Queued {
		simLinkOf(to).wake()
	}
	return a
}

// emit is how sessions and the engine send.
func (n *simNode) emit(frame []byte, c session.Choice) (wire.ID, bool) {
	v := n.engine.Snapshot().ForwardBy(n.sim.own, frame, c, n.sim.time())
	if v.Action != engine.ActionSend {
		return wire.ID{}, false
	}
	a := n.queue(v.Peer.Link, link.Self, wire.FrameFlags(v.Frame).Class(), v.Frame)
	if a == link.Queued {
		n.sim.load.emitted(n, frame)
	}
	if a != link.Queued && a != link.Full && a != link.Stalled {
		return wire.ID{}, false
	}
	return wire.ID(v.Peer.ID), a == link.Queued
}

// holds says what the node's own links have done with a frame of its sessions.
func (n *simNode) holds(hop *wire.ID, copy uint64, mark *uint64) session.Holding {
	return n.engine.Snapshot().Holds(n.sim.time(), hop, copy, mark)
}

// hint tells the source of a frame why it got no further.
func (n *simNode) hint(frame []byte, why reason.Reason) {
	h := engine.AppendHint(nil, wire.ID(n.id), frame, why)
	switch {
	case h == nil:
	case *wire.FrameDst(h) == wire.ID(n.id):
		n.sim.post(n, engine.Control{Frame: h})
	default:
		n.emit(h, session.Choice{})
	}
}

// count notes that a link does, or does not any more, fill a place of the
// node's links with relays.
func (n *simNode) count(l *simLink, up bool) {
	if up == l.relay || up && (l.link.Leaf || n.leaf || l.direct) {
		return
	}
	l.relay = up
	if !up {
		n.relays--
		if n.relays <= n.sim.opts.MaxPeers {
			n.over = 0
		}
		return
	}
	n.relays++
	if n.sybil {
		return
	}
	if n.relays > n.sim.opts.MaxPeers && n.over == 0 {
		n.over = n.sim.now
	} else if n.over == 0 {
		n.sim.mostRelays = max(n.sim.mostRelays, n.relays)
	}
}

// maxRelays is how many links with relays the node may have.
func (n *simNode) maxRelays() int {
	if n.cap > 0 {
		return n.cap
	}
	return n.sim.opts.MaxPeers
}

// checkCap looks whether the node has had too many links for longer than two
// ends need to agree which of two links goes.
func (n *simNode) checkCap() {
	if n.over == 0 || n.overlong || n.sim.now-n.over <= n.sim.grace() {
		return
	}
	peers := n.relayPeers()
	if peers <= n.sim.opts.MaxPeers {
		return
	}
	n.overlong = true
	n.sim.mostRelays = max(n.sim.mostRelays, peers)
	n.sim.fail("node %d: got links with %d relays, want at most %d", n.index, peers, n.sim.opts.MaxPeers)
}

// relayPeers is how many relays the node is linked with: two links with one of
// them stand until the end that has to close one is heard of, which a cut may
// delay.
func (n *simNode) relayPeers() int {
	peers := make(map[wire.ID]struct{}, n.relays)
	for _, l := range n.links {
		if l.relay {
			peers[l.link.Peer] = struct{}{}
		}
	}
	return len(peers)
}
