package engine

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// holder is what a relay does for leaves: it keeps records of where they are,
// and hands them on to relays that are nearer to them.
type holder struct {
	store   recordStore
	handing []handing
	handAt  time.Time // when the next copies are due
	sweepAt time.Time // when ended records may be looked for again
}

func (h *holder) init(self routing.ID) { h.store.init(self, limits.Records) }

// heldRecord is the attachment record of one leaf. Readers see homes alone,
// which never change; the rest is the control loop's.
type heldRecord struct {
	homes []wire.ID // empty: withdrawn

	leaf     wire.ID
	key      routing.Key // of leaf
	distance routing.Key // from key to the Key of this node
	signer   wire.ID
	sequence uint64
	end      time.Time
	raw      []byte
	nearer   []routing.ID // relays nearer to key that have it, at most wire.MaxHolders
	place    [2]int       // in the two heaps
}

func (r *heldRecord) withdrawn() bool { return len(r.homes) == 0 }

// owned says that the leaf itself signed, not a gateway.
func (r *heldRecord) owned() bool { return r.signer == r.leaf }

// recordStore holds at most one attachment record for each ID. Attachment and
// Version may be called from any goroutine; all else by the control loop.
type recordStore struct {
	self    routing.Key
	most    int
	version atomic.Uint64

	mu     sync.RWMutex
	byLeaf map[wire.ID]*heldRecord // written with mu held, by the loop alone, which reads it without

	// Owned by the loop.
	byEnd      recordHeap      // the one that ends first is first
	byDistance recordHeap      // the one farthest from this node is first
	guests     map[wire.ID]int // records by the gateway that signed them; of leaves themselves none
}

func (s *recordStore) init(self routing.ID, most int) {
	s.self, s.most = self.Key(), most
	s.byLeaf, s.guests = make(map[wire.ID]*heldRecord), make(map[wire.ID]int)
	s.byEnd = recordHeap{place: 0, before: func(a, b *heldRecord) bool { return a.end.Before(b.end) }}
	s.byDistance = recordHeap{place: 1, before: func(a, b *heldRecord) bool {
		return bytes.Compare(a.distance[:], b.distance[:]) > 0
	}}
}

// Attachment implements Records. A record whose life ended within the last
// limits.RecordsSweep may still be found.
func (s *recordStore) Attachment(id wire.ID) (homes []wire.ID, ok bool) {
	s.mu.RLock()
	r := s.byLeaf[id]
	s.mu.RUnlock()
	if r == nil || r.withdrawn() {
		return nil, false
	}
	return r.homes, true
}

// Version implements Records.
func (s *recordStore) Version() uint64 { return s.version.Load() }

// len returns how many records are held, withdrawn ones included.
func (s *recordStore) len() int { return len(s.byLeaf) }

// put takes a record that has been verified, to be held until then; raw is
// copied. None says that the store has it now, be it that it was there before;
// Duplicate, that what the store has counts for more; StoreFull, that it is full
// of records nearer to its Key, or of as many of that gateway's as one may have.
//
// Of two records of one signer the higher sequence counts. The leaf's own
// counts for more than a gateway's, whatever the sequences, also once it is
// withdrawn. Of two gateways the one that signed last speaks for a guest, and
// neither can withdraw what the other said.
func (s *recordStore) put(rec wire.Record, signer wire.ID, raw []byte, held, now time.Time) reason.Reason {
	fresh, why := s.read(rec, signer, held, now)
	if why != reason.None {
		return why
	}
	old := s.byLeaf[fresh.leaf]
	if old != nil {
		if keep, why := old.outweighs(fresh); keep {
			return why
		}
	}
	if !s.roomForGuest(fresh, old) {
		return reason.StoreFull
	}
	if old == nil && s.len() >= s.most && !s.makeRoom(fresh) {
		return reason.StoreFull
	}
	fresh.raw = bytes.Clone(raw)
	s.enter(fresh, old)
	return reason.None
}

// read checks what verifying a record does not.
func (s *recordStore) read(rec wire.Record, signer wire.ID, held, now time.Time) (*heldRecord, reason.Reason) {
	if rec.Kind != wire.RecordAttachment {
		return nil, reason.Unsupported
	}
	a, err := wire.ParseAttachment(rec.Body)
	if err != nil || a.Leaf == (wire.ID{}) || slices.Contains(a.Homes, a.Leaf) || slices.Contains(a.Homes, wire.ID{}) {
		return nil, reason.BadRecord
	}
	if rec.TTL == 0 {
		a.Homes = nil
	} else if len(a.Homes) == 0 {
		return nil, reason.BadRecord
	}
	if !now.Before(held) {
		return nil, reason.Expired
	}
	key := routing.ID(a.Leaf).Key()
	return &heldRecord{
		homes: a.Homes, leaf: a.Leaf, key: key, distance: key.Xor(s.self),
		signer: signer, sequence: rec.Sequence, end: held,
	}, reason.None
}

// outweighs says whether r stays when fresh comes, and what that is called.
func (r *heldRecord) outweighs(fresh *heldRecord) (bool, reason.Reason) {
	switch {
	case r.signer == fresh.signer && r.sequence == fresh.sequence:
		return true, reason.None // the same one, sent again
	case r.signer == fresh.signer:
		return r.sequence > fresh.sequence, reason.Duplicate
	case fresh.owned():
		return false, reason.None
	case r.owned():
		return true, reason.Duplicate
	case fresh.withdrawn():
		return true, reason.None // nothing of that gateway's is held
	case r.withdrawn():
		return false, reason.None
	}
	return r.sequence >= fresh.sequence, reason.Duplicate
}

// roomForGuest says whether the gateway that signed fresh may have one record
// more here, withdrawn ones included. One that it renews is none more.
func (s *recordStore) roomForGuest(fresh, old *heldRecord) bool {
	return fresh.owned() || old != nil && old.signer == fresh.signer || s.guests[fresh.signer] < limits.GuestsPerGateway
}

// makeRoom lets the farthest record go, if fresh is nearer.
func (s *recordStore) makeRoom(fresh *heldRecord) bool {
	if len(s.byDistance.list) == 0 || !s.byDistance.before(s.byDistance.list[0], fresh) {
		return false
	}
	s.remove(s.byDistance.list[0])
	return true
}

// enter puts fresh in the place of old, which may be nil.
func (s *recordStore) enter(fresh, old *heldRecord) {
	if old != nil {
		s.unlist(old)
	}
	if !fresh.owned() {
		s.guests[fresh.signer]++
	}
	s.byEnd.add(fresh)
	s.byDistance.add(fresh)
	s.mu.Lock()
	s.byLeaf[fresh.leaf] = fresh
	s.mu.Unlock()
	if !fresh.withdrawn() && (old == nil || old.withdrawn()) {
		s.version.Add(1) // now that readers find it
	}
}

func (s *recordStore) remove(r *heldRecord) {
	s.unlist(r)
	s.mu.Lock()
	delete(s.byLeaf, r.leaf)
	s.mu.Unlock()
}

// unlist takes r out of all but byLeaf.
func (s *recordStore) unlist(r *heldRecord) {
	s.byEnd.remove(r)
	s.byDistance.remove(r)
	if r.owned() {
		return
	}
	if s.guests[r.signer]--; s.guests[r.signer] == 0 {
		delete(s.guests, r.signer)
	}
}

// expire forgets the records whose life has ended. Its cost is that of those,
// not of those that stay.
func (s *recordStore) expire(now time.Time) {
	for len(s.byEnd.list) > 0 && !now.Before(s.byEnd.list[0].end) {
		s.remove(s.byEnd.list[0])
	}
}

// firstEnd is when the first record's life ends; false: there is none.
func (s *recordStore) firstEnd() (at time.Time, ok bool) {
	if len(s.byEnd.list) == 0 {
		return at, false
	}
	return s.byEnd.list[0].end, true
}
