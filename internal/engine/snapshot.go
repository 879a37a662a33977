package engine

import (
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// Peer is one live link as the data plane sees it. Its fields are set when the
// link is admitted and never change; the pointer is the identity of the link.
type Peer struct {
	ID   routing.ID
	Key  routing.Key // ID.Key()
	Leaf bool        // does not forward for others
	Link *link.Link  // where its frames are queued; Forward never looks at it
}

// NewPeer returns the peer at the other end of l.
func NewPeer(l *link.Link) *Peer {
	id := routing.ID(l.Peer)
	return &Peer{ID: id, Key: id.Key(), Leaf: l.Leaf, Link: l}
}

// PeerState is what a snapshot is told about one peer.
type PeerState struct {
	*Peer
	// Suspect: an ack is overdue. Nothing is sent to the peer but what is for it
	// and has no other way; what it sends is taken as before.
	Suspect bool
	// Doubted: what it is given for others gets lost. Only what is for the peer
	// itself is sent to it.
	Doubted bool
	// Passive: the link does not carry frames of others, see carry.go. Rule 6 sends
	// by it only where no link that carries leads closer.
	Passive bool
	// Chosen: this node asked for the link.
	Chosen bool
	// RTTMicros is the smoothed round trip to the peer in microseconds; 0 means
	// not measured and counts as slower than any other.
	RTTMicros uint32
	// Neighbours are the relays that the peer said it is linked to; nil: unknown, or
	// not to be looked at. Those of a passive link are not.
	Neighbours *Neighbours
}

// Records finds where leaves are attached. Its methods are called from all
// readers at once.
type Records interface {
	// Attachment returns the homes of id if a live attachment record of it is
	// held, at most limits.Homes. The slice stays the store's and must not change
	// any more.
	Attachment(id wire.ID) (homes []wire.ID, ok bool)
	// Version returns a number that changes when a record of an ID that had none
	// has become visible to Attachment, and never takes an earlier value again. A
	// remembered next hop is used only while it stays the same, as a record comes
	// before any next hop by distance. Called for every frame: one atomic load.
	Version() uint64
}

// SnapshotConfig is what NewSnapshot builds from. It is not kept.
type SnapshotConfig struct {
	Self  routing.ID
	Leaf  bool        // this node does not forward for others
	Peers []PeerState // all live links, one for each ID
	// Records; nil: none are held.
	Records Records
	// Secret decides, with a frame's aim, which way a scatter frame goes.
	Secret [SecretLen]byte
	// PlainGreedy makes rule 6 take the relay closest to the target even where
	// neighbour lists are known. It is there to be compared with.
	PlainGreedy bool
}

// Snapshot is an immutable picture of a node's links. Any number of goroutines
// may use it at once.
type Snapshot struct {
	self    routing.ID
	selfKey routing.Key
	leaf    bool
	stamp   *stamp
	relays  *routing.Snapshot[*Peer] // that are neither suspect nor doubted
	calm    *routing.Snapshot[*Peer] // those of relays that carry frames of others; relays itself where all do
	direct  map[wire.ID]*Peer        // relays and leaves, suspect ones aside
	overdue map[wire.ID]*Peer        // the suspect ones; nil: there is none
	exits   []exit                   // calm, for scatter frames
	secret  [SecretLen]byte
	depth   int        // see depth
	ahead   *lookahead // over calm; nil: plain greedy
	records Records    // nil: none
}

// NewSnapshot returns the snapshot of the links in c. Its cost is that of
// sorting all neighbours of all peers.
func NewSnapshot(c SnapshotConfig) *Snapshot {
	s := &Snapshot{
		self: c.Self, selfKey: c.Self.Key(), secret: c.Secret, leaf: c.Leaf, stamp: new(stamp), records: c.Records,
		direct: make(map[wire.ID]*Peer, len(c.Peers)),
	}
	s.addPeers(c.Peers)
	s.depth = depth(&s.selfKey, c.Leaf, s.calm)
	if !c.PlainGreedy && !c.Leaf {
		s.ahead = newLookahead(s.selfKey, c.Peers)
	}
	return s
}

// addPeers enters the peers that frames can be sent to.
func (s *Snapshot) addPeers(peers []PeerState) {
	forwards := func(p *PeerState) bool { return !p.Suspect && !p.Leaf && !p.Doubted }
	count := 0 // most peers of a large relay are leaves
	for i := range peers {
		if forwards(&peers[i]) {
			count++
		}
	}
	relays := make([]routing.Hop[*Peer], 0, count)
	s.exits = make([]exit, 0, count)
	for i := range peers {
		p := &peers[i]
		if p.Suspect {
			s.addOverdue(p.Peer)
		} else {
			s.direct[wire.ID(p.ID)] = p.Peer
		}
		if !forwards(p) {
			continue
		}
		relays = append(relays, routing.Hop[*Peer]{ID: p.ID, Key: p.Key, Value: p.Peer})
		if !p.Passive {
			s.exits = append(s.exits, exit{p.Peer, keyHead(&p.Key), p.Chosen})
		}
	}
	s.relays = routing.NewSnapshot(s.selfKey, relays)
	s.calm = s.relays
	if len(s.exits) == len(relays) {
		return
	}
	relays = relays[:0] // NewSnapshot has copied them
	for i := range s.exits {
		p := s.exits[i].peer
		relays = append(relays, routing.Hop[*Peer]{ID: p.ID, Key: p.Key, Value: p})
	}
	s.calm = routing.NewSnapshot(s.selfKey, relays)
}

func (s *Snapshot) addOverdue(p *Peer) {
	if s.overdue == nil {
		s.overdue = make(map[wire.ID]*Peer)
	}
	s.overdue[wire.ID(p.ID)] = p
}

// FirstHops returns how many links there are to try for a frame of this node to
// that destination: the different choices of k that ForwardOwn knows.
func (s *Snapshot) FirstHops(to wire.ID) int {
	n := s.relays.Len()
	if p := s.direct[to]; p != nil {
		if _, counted := s.relays.Find(p.ID); !counted {
			n++
		}
	}
	return n
}

// findRoute fills r with the way to id by rules 2, 4 and 6.
func (s *Snapshot) findRoute(r *route, id *wire.ID) {
	*r = route{id: *id, peer: s.direct[*id]}
	if r.peer != nil {
		r.key, r.direct = r.peer.Key, true
		return
	}
	r.key = routing.ID(*id).Key()
	if s.leaf {
		r.peer = s.nearest(&r.key)
	} else {
		r.peer = s.best(&r.key)
	}
}

// best returns the relay that rule 6 sends to, or nil if there is none: of those
// that carry and are strictly closer to the target than this node the one that
// leads closest; without one of these the closest of the others.
func (s *Snapshot) best(target *routing.Key) *Peer {
	if s.ahead == nil {
		return s.plainBest(target)
	}
	if peer := s.ahead.best(&s.selfKey, target); peer != nil {
		return peer
	}
	return s.passiveBest(target)
}

// plainBest is best without a look at neighbours' lists.
func (s *Snapshot) plainBest(target *routing.Key) *Peer {
	if i, ok := s.calm.Next(*target); ok {
		return s.calm.At(i).Value
	}
	return s.passiveBest(target)
}

// passiveBest is best where no relay that carries is strictly closer.
func (s *Snapshot) passiveBest(target *routing.Key) *Peer {
	if s.calm == s.relays {
		return nil
	}
	if i, ok := s.relays.Next(*target); ok {
		return s.relays.At(i).Value
	}
	return nil
}

// carries tells whether a relay carries frames of others.
func (s *Snapshot) carries(relay *Peer) bool {
	if s.calm == s.relays {
		return true
	}
	_, ok := s.calm.Find(relay.ID)
	return ok
}

// nearest returns the relay closest to the target whatever the distance, one
// that carries if there is any, or nil if there is none.
func (s *Snapshot) nearest(target *routing.Key) *Peer {
	for _, from := range [...]*routing.Snapshot[*Peer]{s.calm, s.relays} {
		if i, ok := from.Closest(*target); ok {
			return from.At(i).Value
		}
	}
	return nil
}

// recordsVersion returns the version of the records, 0 if there are none.
func (s *Snapshot) recordsVersion() uint64 {
	if s.records == nil {
		return 0
	}
	return s.records.Version()
}

// hasRecord tells whether an attachment record of id is held.
func (s *Snapshot) hasRecord(id *wire.ID) bool {
	_, ok := s.records.Attachment(*id)
	return ok
}
