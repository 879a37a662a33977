package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// recordMemory is what a store knows of records that it holds no more: the
// highest sequence of each leaf, for as long as an older record could still be
// accepted. So no old record comes back after a newer one ended, was withdrawn,
// or made room for others.
//
// Below its floor it may have forgotten: there was too much to remember, or the
// node began later. Of a leaf that it knows nothing of, a record from below the
// floor is refused. The floor is never less than the life of a record ago, so
// that it stops no record that its leaf has just signed, whatever others send.
type recordMemory struct {
	most   int
	floor  uint64
	byLeaf map[wire.ID]*remembered
	byEnd  placedHeap[*remembered] // the one that ends first is first
}

// remembered is the highest sequence of a leaf.
type remembered struct {
	leaf     wire.ID
	sequence uint64
	end      time.Time
	place    int
}

func (m *recordMemory) init(most int) {
	m.most, m.byLeaf = most, make(map[wire.ID]*remembered)
	m.byEnd.before = func(a, b *remembered) bool { return a.end.Before(b.end) }
	m.byEnd.place = func(r *remembered) *int { return &r.place }
}

// begin notes that nothing is known of what was signed before now.
func (m *recordMemory) begin(now time.Time) { m.floor = sequenceAt(now) }

// of is the highest sequence known of a leaf; false: none is.
func (m *recordMemory) of(leaf wire.ID) (uint64, bool) {
	if r := m.byLeaf[leaf]; r != nil {
		return r.sequence, true
	}
	return 0, false
}

// belowFloor says that a newer record of the same leaf may have been forgotten.
func (m *recordMemory) belowFloor(sequence uint64, now time.Time) bool {
	return sequence <= min(m.floor, sequenceAt(now.Add(-limits.AttachmentTTL*time.Second)))
}

// note remembers that a leaf has signed a record with that sequence.
func (m *recordMemory) note(leaf wire.ID, sequence uint64, now time.Time) {
	m.forget(leaf)
	// An older record is accepted until its own sequence and recordReach, or not at all.
	end := now.Add(signedAt(sequence).Add(recordReach).Sub(now)) // by the clock that nobody sets
	if !now.Before(end) {
		return
	}
	if len(m.byLeaf) >= m.most {
		first := m.byEnd.list[0]
		m.floor = max(m.floor, first.sequence)
		m.forget(first.leaf)
	}
	r := &remembered{leaf: leaf, sequence: sequence, end: end}
	m.byLeaf[leaf] = r
	m.byEnd.add(r)
}

func (m *recordMemory) forget(leaf wire.ID) {
	if r := m.byLeaf[leaf]; r != nil {
		m.byEnd.remove(r)
		delete(m.byLeaf, leaf)
	}
}

func (m *recordMemory) expire(now time.Time) {
	for len(m.byEnd.list) > 0 && !now.Before(m.byEnd.list[0].end) {
		m.forget(m.byEnd.list[0].leaf)
	}
}

func (m *recordMemory) firstEnd() (at time.Time, ok bool) {
	if len(m.byEnd.list) == 0 {
		return at, false
	}
	return m.byEnd.list[0].end, true
}

// sequenceAt is the sequence of a record signed at a time.
func sequenceAt(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 0)) }
