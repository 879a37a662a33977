package session

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/budget"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// peer is everything that this node and one other owe each other.
type peer struct {
	// set when made
	id    wire.ID
	table *Table
	share *share        // of the ingress link by which it began; nil: we did
	since time.Duration // when that was, Table time

	// read without a lock, written with mu held
	current atomic.Pointer[session] // the session to send on; nil: none
	route   atomic.Pointer[route]
	used    atomic.Int64  // when something was sent or arrived, Table time
	heard   atomic.Int64  // when something arrived, Table time
	moved   atomic.Uint64 // see moves
	ours    atomic.Bool   // we began the current session
	awaited atomic.Int32  // messages that wait for an ack or a response
	asked   atomic.Int32  // those of them that this node began: no responses, no homes
	spoken  atomic.Int64  // when such a one or a datagram was sent, Table time; 0: never
	reached atomic.Int64  // when it was last proven to be there, besides heard, Table time; 0: never
	away    away          // its flag; the rest with mu held

	mu   sync.Mutex // guards what follows; taken after the Table's
	gone bool       // dropped from the Table: look it up again

	// the other side, as its last handshake told
	instance     wire.Instance
	capabilities uint32

	// sessions
	next     *session // begun by us, not yet confirmed, while current still serves
	previous *session // only opens, until it expires
	began    uint64   // sessions begun by us that came to stand
	init     *initiation
	renewAt  time.Duration // when the current session is to be renewed; 0: at no time
	wanted   time.Duration // a new session is wanted until then though one stands
	hinted   time.Duration // the last handshake that a hint caused
	waited   time.Duration // when a handshake of ours first gave way to one of the peer's

	// messages
	out       outbox
	told      *Pending      // our homes, as told last
	revived   time.Duration // when word of the peer's homes last had what is late leave again
	in        *inbox        // nil: no session yet
	acks      ackList
	datagrams datagramQueue
	account   budget.Account // of what waits and was copied, and of the window
	windowed  budget.Account // of the window, among those of others
	srtt      time.Duration  // smoothed round trip; 0: not measured
	lead      lead
	stirred   time.Duration // links have changed: when what waits is tried once more; 0: they have not
	astray    astray
	timer     timer
	waits     waiting // guarded by the lock of the Table's waitlist
}

func newPeer(t *Table, id wire.ID, by *share, floor uint64) *peer {
	p := &peer{id: id, table: t, share: by, account: t.cfg.Budget.Open(), windowed: t.windows.Open()}
	p.timer.peer = p
	p.out.next, p.out.lowest = floor, floor
	t.recall(p)
	p.route.Store(newRoute(t.cfg.Self, id, nil))
	return p
}

// touch notes that the peer was used.
func (p *peer) touch(at time.Duration) { note(&p.used, at) }

// speak notes that this node sent something of its own accord. What peers can
// make it send, as acks and responses, does not count.
func (p *peer) speak(at time.Duration) {
	p.touch(at)
	note(&p.spoken, at)
}

// note stores a time that is often the same as the last one: looking first
// spares the cache line that others read.
func note(to *atomic.Int64, at time.Duration) {
	if to.Load() != int64(at) {
		to.Store(int64(at))
	}
}

func (p *peer) usedAt() time.Duration { return time.Duration(p.used.Load()) }

// usable returns the session to send on, or nil when there is none or it has
// sealed as much as one key may.
func (p *peer) usable() *session {
	if s := p.current.Load(); s != nil && s.sent.Load() < s.hard {
		return s
	}
	return nil
}

// standing returns what a message 2 is about to promise: the window that is
// held, and how many sessions we began so far.
func (p *peer) standing() (*inbox, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.window(), p.began
}

// window returns the window that a handshake may promise. One whose beginning
// the peer has not heard of yet does not count: the peer would take it for the
// one that was lost.
func (p *peer) window() *inbox {
	if p.in != nil && p.in.known {
		return p.in
	}
	return nil
}

// setHomes notes where the peer is to be found.
func (p *peer) setHomes(homes []wire.ID) (changed bool) {
	old := p.route.Load().homes
	if len(old) == len(homes) {
		same := true
		for i := range old {
			same = same && old[i] == homes[i]
		}
		if same {
			return false
		}
	}
	homes = homes[:min(len(homes), limits.Homes)]
	ranked := slices.Clone(homes)
	if rank := p.table.cfg.Rank; rank != nil {
		rank(ranked)
	}
	r := newRoute(p.table.cfg.Self, p.id, ranked)
	r.homes = homes
	p.route.Store(r)
	p.lead.moved(homes)
	p.acks.drawn = 0
	return true
}

// measure takes one sample of the round trip (RFC 6298: an eighth counts).
func (p *peer) measure(rtt time.Duration) {
	before := p.srtt
	if before == 0 {
		p.srtt = max(rtt, 1)
	} else {
		p.srtt = max(before+(rtt-before)/8, 1)
	}
	p.table.trips.change(before, p.srtt)
}

// event returns an Event about the peer as it is now.
func (p *peer) event(kind EventKind) Event {
	return Event{
		Kind: kind, Peer: p.id, Instance: p.instance, Capabilities: p.capabilities,
		Homes: p.route.Load().homes,
	}
}

// PeerInfo tells what is known of a peer.
type PeerInfo struct {
	ID           wire.ID
	Instance     wire.Instance // zero before the first session
	Capabilities uint32
	Homes        []wire.ID     // the best first
	Session      bool          // a session stands
	Began        bool          // by us
	RTT          time.Duration // smoothed; 0: not measured
	Waiting      int           // messages that wait for a session, an ack or a response
}

// Peers returns what is known of every peer, in the order of their IDs.
func (t *Table) Peers() []PeerInfo {
	all := t.sorted()
	out := make([]PeerInfo, 0, len(all))
	for _, p := range all {
		out = append(out, p.info())
	}
	return out
}

// Peer returns what is known of one peer.
func (t *Table) Peer(id wire.ID) (PeerInfo, bool) {
	p := t.find(&id)
	if p == nil {
		return PeerInfo{}, false
	}
	return p.info(), true
}

func (p *peer) info() PeerInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	return PeerInfo{
		ID: p.id, Instance: p.instance, Capabilities: p.capabilities, Homes: p.route.Load().homes,
		Session: p.current.Load() != nil, Began: p.ours.Load(), RTT: p.srtt, Waiting: int(p.awaited.Load()),
	}
}
