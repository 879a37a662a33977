package engine

import (
	"bytes"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// heldRecord is the live attachment record of one leaf. Readers see homes alone,
// which never change; the rest is the control loop's.
type heldRecord struct {
	homes []wire.ID

	leaf     wire.ID
	key      routing.Key // of leaf
	distance routing.Key // from key to the Key of this node
	sequence uint64
	end      time.Time
	raw      []byte
	by       routing.ID // the peer it came from
	near     bool       // in the half that is kept for the nearest
	place    [2]int     // in the heap of its half by end, and in that of the near ones by distance
}

type recordHeap = placedHeap[*heldRecord]

// recordStore holds at most one attachment record for each leaf, and remembers
// the sequences of those it holds no more. Attachment and Version may be called
// from any goroutine; all else by the control loop.
type recordStore struct {
	self    routing.Key
	most    int
	version atomic.Uint64

	mu     sync.RWMutex
	byLeaf map[wire.ID]*heldRecord // written with mu held, by the loop alone, which reads it without

	// Owned by the loop.
	near     recordHeap         // the half for the nearest: the one that ends first is first
	far      recordHeap         // the others, the same
	farthest recordHeap         // of the near ones: the farthest is first
	brought  map[routing.ID]int // how many are held of each peer
	memory   recordMemory
}

func (s *recordStore) init(self routing.ID, most, remembered int) {
	s.self, s.most = self.Key(), most
	s.byLeaf, s.brought = make(map[wire.ID]*heldRecord), make(map[routing.ID]int)
	byEnd := recordHeap{
		before: func(a, b *heldRecord) bool { return a.end.Before(b.end) },
		place:  func(r *heldRecord) *int { return &r.place[0] },
	}
	s.near, s.far = byEnd, byEnd
	s.farthest = recordHeap{
		before: func(a, b *heldRecord) bool { return bytes.Compare(a.distance[:], b.distance[:]) > 0 },
		place:  func(r *heldRecord) *int { return &r.place[1] },
	}
	s.memory.init(remembered)
}

// Attachment implements Records. A record whose life ended within the last
// limits.RecordsSweep may still be found.
func (s *recordStore) Attachment(id wire.ID) (homes []wire.ID, ok bool) {
	s.mu.RLock()
	r := s.byLeaf[id]
	s.mu.RUnlock()
	if r == nil {
		return nil, false
	}
	return r.homes, true
}

// Version implements Records.
func (s *recordStore) Version() uint64 { return s.version.Load() }

// len returns how many records are held.
func (s *recordStore) len() int { return len(s.byLeaf) }

// offered is a record that has been verified, on its way into the store.
type offered struct {
	wire.Record
	signer wire.ID
	raw    []byte     // copied if it is held
	by     routing.ID // the peer it came from
	held   time.Time  // until when
}

// put takes a record. None says that the store holds it now, or knows of the
// withdrawal that it is; Duplicate, that a newer one is known; Expired, that it
// is too old for a leaf that nothing is known of; StoreFull, that the peer it
// came from fills its share.
func (s *recordStore) put(o *offered, now time.Time) reason.Reason {
	a, why := o.attachment()
	if why != reason.None {
		return why
	}
	old := s.byLeaf[a.Leaf]
	if old != nil && old.sequence == o.Sequence {
		return reason.None // the same one, sent again
	}
	if known, _ := s.memory.of(a.Leaf); known == o.Sequence && len(a.Homes) == 0 {
		return reason.None // the same
	}
	if why := s.outdated(a.Leaf, o.Sequence, now); why != reason.None {
		return why
	}
	if len(a.Homes) == 0 {
		s.withdraw(a.Leaf, old, o.Sequence, now)
		return reason.None
	}
	if !now.Before(o.held) {
		return reason.Expired
	}
	if (old == nil || old.by != o.by) && s.brought[o.by] >= max(1, s.most/limits.RecordsShare) {
		return reason.StoreFull
	}
	key := routing.ID(a.Leaf).Key()
	s.enter(now, old, &heldRecord{
		homes: a.Homes, leaf: a.Leaf, key: key, distance: key.Xor(s.self),
		sequence: o.Sequence, raw: bytes.Clone(o.raw), by: o.by,
		end: now.Add(o.held.Sub(now)), // by the clock that nobody sets
	})
	return reason.None
}

// attachment checks what verifying a record does not: a leaf speaks for itself
// alone. A withdrawal has no homes, whatever it names.
func (o *offered) attachment() (a wire.Attachment, why reason.Reason) {
	if o.Kind != wire.RecordAttachment {
		return a, reason.Unsupported
	}
	a, err := wire.ParseAttachment(o.Body)
	if err != nil || a.Leaf != o.signer || slices.Contains(a.Homes, a.Leaf) || slices.Contains(a.Homes, wire.ID{}) {
		return a, reason.BadRecord
	}
	if o.TTL == 0 {
		a.Homes = nil
	} else if len(a.Homes) == 0 {
		return a, reason.BadRecord
	}
	return a, reason.None
}

// outdated says why a record does not count: its leaf said something newer. What
// is known of a time so far ahead that it would be refused now does not count:
// this node's clock was set back since.
func (s *recordStore) outdated(leaf wire.ID, sequence uint64, now time.Time) reason.Reason {
	known, ok := s.memory.of(leaf)
	if old := s.byLeaf[leaf]; old != nil {
		known, ok = old.sequence, true
	}
	switch {
	case !ok && s.memory.belowFloor(sequence, now):
		return reason.Expired
	case ok && sequence <= known && !signedAt(known).After(now.Add(recordReach)):
		return reason.Duplicate
	}
	return reason.None
}

// recordReach is how far from now the sequence of an attachment record may be.
const recordReach = limits.ClockTolerance + limits.AttachmentTTL*time.Second

// signedAt is the time that a sequence tells.
func signedAt(sequence uint64) time.Time {
	return time.UnixMilli(int64(min(sequence, math.MaxInt64)))
}

// withdraw lets the record of a leaf go because the leaf said so.
func (s *recordStore) withdraw(leaf wire.ID, old *heldRecord, sequence uint64, now time.Time) {
	if old != nil {
		s.take(old)
	}
	s.memory.note(leaf, sequence, now)
}

// enter puts fresh in the place of old, which may be nil, and lets others go for it.
func (s *recordStore) enter(now time.Time, old, fresh *heldRecord) {
	if old != nil {
		s.unlist(old)
	} else if s.len() >= s.most {
		s.makeRoom(now)
	}
	s.list(fresh)
	s.brought[fresh.by]++
	s.memory.forget(fresh.leaf)
	s.mu.Lock()
	s.byLeaf[fresh.leaf] = fresh
	s.mu.Unlock()
	if old == nil {
		s.version.Add(1) // now that readers find it
	}
}

// makeRoom lets the record go that ends first, of those that are not among the
// nearest.
func (s *recordStore) makeRoom(now time.Time) {
	from := &s.far
	if len(from.list) == 0 {
		from = &s.near
	}
	out := from.list[0]
	s.take(out)
	s.memory.note(out.leaf, out.sequence, now)
}

// list enters a record into the orders. Half of the room is for the nearest: whom
// a nearer one drives out of there is one of the others.
func (s *recordStore) list(r *heldRecord) {
	half := (s.most + 1) / 2
	switch {
	case len(s.farthest.list) < half:
		r.near = true
	case s.farthest.before(s.farthest.list[0], r):
		out := s.farthest.list[0]
		s.near.remove(out)
		s.farthest.remove(out)
		out.near = false
		s.far.add(out)
		r.near = true
	}
	if !r.near {
		s.far.add(r)
		return
	}
	s.near.add(r)
	s.farthest.add(r)
}

// take removes a record that nothing replaces.
func (s *recordStore) take(r *heldRecord) {
	s.unlist(r)
	s.mu.Lock()
	delete(s.byLeaf, r.leaf)
	s.mu.Unlock()
}

// unlist takes r out of all but byLeaf.
func (s *recordStore) unlist(r *heldRecord) {
	if r.near {
		s.near.remove(r)
		s.farthest.remove(r)
	} else {
		s.far.remove(r)
	}
	if s.brought[r.by]--; s.brought[r.by] == 0 {
		delete(s.brought, r.by)
	}
}

// each calls visit for every record until that says no, in an order that does not
// hang on a map.
func (s *recordStore) each(visit func(*heldRecord) bool) {
	for _, h := range []*recordHeap{&s.near, &s.far} {
		for _, r := range h.list {
			if !visit(r) {
				return
			}
		}
	}
}

// expire forgets the records whose life has ended, and the sequences that no
// older record could pass for any more. Its cost is that of those, not of those
// that stay.
func (s *recordStore) expire(now time.Time) {
	for _, h := range []*recordHeap{&s.near, &s.far} {
		for len(h.list) > 0 && !now.Before(h.list[0].end) {
			r := h.list[0]
			s.take(r)
			s.memory.note(r.leaf, r.sequence, now)
		}
	}
	s.memory.expire(now)
}

// firstEnd is when the first record's life, or memory of one, ends; false: there is none.
func (s *recordStore) firstEnd() (at time.Time, ok bool) {
	for _, h := range []*recordHeap{&s.near, &s.far} {
		if len(h.list) > 0 && (!ok || h.list[0].end.Before(at)) {
			at, ok = h.list[0].end, true
		}
	}
	if end, some := s.memory.firstEnd(); some && (!ok || end.Before(at)) {
		return end, true
	}
	return at, ok
}
