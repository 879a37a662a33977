package routing

import (
	"fmt"
	"sync"
	"time"

	kbucket "github.com/libp2p/go-libp2p-kbucket"
	"github.com/libp2p/go-libp2p/core/peer"
)

// kbucketTable is a Table over go-libp2p-kbucket.
//
// The library hashes each peer.ID with SHA-256; given the 20 raw bytes of an ID
// it arrives at ID.Key. Such a peer.ID is never printed, since the library would
// show it in base58.
type kbucketTable struct {
	self     ID  // set at New
	capacity int // set at New

	// mu makes "is there room?" and "add" one step. It is taken before the
	// library's own lock and never inside one of its callbacks.
	mu      sync.RWMutex
	members map[ID]struct{} // guarded by mu; the same peers as buckets

	// buckets has a lock of its own, so reading it needs no mu.
	buckets *kbucket.RoutingTable
}

// NewTable returns an empty table of the node self for at most capacity peers,
// 1 to [MaxTableCapacity]. The errors are [ErrZeroID] and [ErrCapacity].
func NewTable(self ID, capacity int) (Table, error) {
	if self.IsZero() {
		return nil, fmt.Errorf("new table: %w", ErrZeroID)
	}
	if capacity < 1 || capacity > MaxTableCapacity {
		return nil, fmt.Errorf("new table: %w: want 1 to %d, got %d", ErrCapacity, MaxTableCapacity, capacity)
	}
	buckets, err := newBuckets(self.Key(), capacity)
	if err != nil {
		return nil, fmt.Errorf("new table: %w", err)
	}
	return &kbucketTable{self: self, capacity: capacity, members: make(map[ID]struct{}), buckets: buckets}, nil
}

// newBuckets makes the library's table. Half of all IDs fall into bucket 0, and
// chosen ones may all fall into any one bucket: only when a bucket may hold as
// many as the table does every link fit.
func newBuckets(self Key, capacity int) (*kbucket.RoutingTable, error) {
	rt, err := kbucket.NewRoutingTable(capacity, self[:], noLatency, noMetrics{}, 0, nil)
	if err != nil {
		return nil, err
	}
	// The callbacks run under the library's lock, and the ones it comes with
	// print peer IDs.
	rt.PeerAdded = func(peer.ID) {}
	rt.PeerRemoved = func(peer.ID) {}
	return rt, nil
}

func (t *kbucketTable) Add(id ID) error {
	if err := t.admissible(id); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.members[id]; ok {
		return nil
	}
	if len(t.members) >= t.capacity {
		return ErrTableFull
	}
	// Neither flag is wanted: no query statistics, and nobody is replaceable.
	if _, err := t.buckets.TryAddPeer(peerOf(id), false, false); err != nil {
		return fmt.Errorf("add %s: %w", id, err)
	}
	t.members[id] = struct{}{}
	return nil
}

// admissible refuses the two IDs that the library would take without complaint.
func (t *kbucketTable) admissible(id ID) error {
	switch {
	case id.IsZero():
		return ErrZeroID
	case id == t.self:
		return ErrSelf
	}
	return nil
}

func (t *kbucketTable) Remove(id ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.members[id]; !ok {
		return false
	}
	t.buckets.RemovePeer(peerOf(id))
	delete(t.members, id)
	return true
}

func (t *kbucketTable) Contains(id ID) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, ok := t.members[id]
	return ok
}

func (t *kbucketTable) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.members)
}

func (t *kbucketTable) Nearest(target Key, n int) []ID {
	// The library makes room for as many as it is asked for, so ask for no more
	// than there are.
	n = min(n, t.Len())
	if n <= 0 {
		return nil
	}
	peers := t.buckets.NearestPeers(target[:], n)
	ids := make([]ID, len(peers))
	for i, p := range peers {
		copy(ids[i][:], p)
	}
	return ids
}

func (t *kbucketTable) BucketLen(cpl int) int {
	if cpl < 0 || cpl >= KeyBits {
		return 0
	}
	return t.buckets.NPeersForCpl(uint(cpl))
}

// peerOf returns the raw bytes of an ID in the library's type.
func peerOf(id ID) peer.ID { return peer.ID(id[:]) }

// noLatency is the highest latency that the library lets in. noMetrics always
// tells zero, which is not above it.
const noLatency time.Duration = 0

// noMetrics stands in for the library's latency record. Without one its first
// insertion panics; which links are good enough is not decided here.
type noMetrics struct{}

func (noMetrics) RecordLatency(peer.ID, time.Duration) {}
func (noMetrics) LatencyEWMA(peer.ID) time.Duration    { return 0 }
func (noMetrics) RemovePeer(peer.ID)                   {}
