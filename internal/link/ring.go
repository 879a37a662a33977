package link

import (
	"encoding/binary"
	"time"
	"unsafe"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// sent is one record's frames of classes 0 to 2, in the order written.
type sent struct {
	last   uint64        // number of its last frame, counted from 1 since the link's start
	at     time.Duration // when the carrier had taken it, see ring.since; 0: not yet
	bytes  uint32
	frames uint32
}

// ring keeps copies of what the neighbour has not yet said it took, behind each
// other in one memory, at most limits.SentRing bytes; what is pushed out by newer
// frames counts as taken. Guarded by Link.mu.
type ring struct {
	memory *ringMemory // nil: nothing is kept
	begin  int         // where the oldest byte lies
	bytes  int

	entries []sent // from first on; those before are gone
	first   int
	start   time.Time // what sent.at counts from, less 1 ns

	frames uint64 // frames ever kept
	told   uint64 // of them, those that the neighbour said it took
	acked  uint64 // frames the neighbour took, or that were pushed out
	moved  uint64 // frames kept when all of them were last given another way
	credit int    // bytes that may go another way on a mere suspicion: see suspected
}

// newRing is the ring of a new link, whose first suspicion is believed in full.
func newRing() ring { return ring{credit: limits.SentRing} }

// suspected empties the ring as take does, if the link's credit is good for its
// bytes, which it uses up; what the neighbour takes brings an eighth of its own
// back. Else the frames stay, until they are acked or the link ends: where it is
// the machines that are slow, every link is suspected again and again, and frames
// that all go twice make the acks of other links late.
func (r *ring) suspected() []byte {
	if r.bytes > r.credit {
		return nil
	}
	r.credit -= r.bytes
	return r.take()
}

// empty says whether nothing is kept.
func (r *ring) empty() bool { return r.first == len(r.entries) }

// held is the memory that the ring retains.
func (r *ring) held() int {
	n := cap(r.entries) * int(unsafe.Sizeof(sent{}))
	if r.memory != nil {
		n += len(r.memory.b)
	}
	return n
}

// keep copies a record's frames, which are about to go out. The ring then keeps at
// most so many bytes, but this record in any case.
func (r *ring) keep(c *chunk, most int) {
	n := len(c.buf)
	for r.bytes+n > min(most, limits.SentRing) && !r.empty() {
		r.shift()
	}
	r.room(r.bytes+n, most)
	r.write(c.buf)
	r.frames += uint64(c.frames)
	r.enter(sent{last: r.frames, bytes: uint32(n), frames: uint32(c.frames)})
}

// enter appends an entry, in the place of one that is gone rather than in more
// memory.
func (r *ring) enter(e sent) {
	if len(r.entries) == cap(r.entries) && r.first > len(r.entries)/4 {
		r.entries = r.entries[:copy(r.entries, r.entries[r.first:])]
		r.first = 0
	}
	r.entries = append(r.entries, e)
}

// left notes that the carrier has taken all that was kept: from then on a round
// trip is measured. The clock is read only if there is something.
func (r *ring) left(clock func() time.Time) {
	last := len(r.entries) - 1
	if r.empty() || r.entries[last].at != 0 {
		return
	}
	now := clock()
	if r.start.IsZero() {
		r.start = now.Add(-1)
	}
	for i := last; i >= r.first && r.entries[i].at == 0; i-- {
		r.entries[i].at = now.Sub(r.start)
	}
}

// shift drops the oldest record. What an idle link needs no more is given back.
func (r *ring) shift() {
	e := r.entries[r.first]
	r.first++
	r.acked = max(r.acked, e.last)
	r.bytes -= int(e.bytes)
	r.begin += int(e.bytes)
	if r.empty() {
		r.entries, r.first, r.begin = r.entries[:0], 0, 0
		if cap(r.entries) > keptEntries {
			r.entries = nil
		}
		r.memory.free()
		r.memory = nil
	}
}

// keptEntries is how many entries an empty ring has room for.
const keptEntries = 8

// ack drops what the neighbour took: the first count kept frames of the link's
// life, and says when the newest record among them left; zero: none did. A count
// that was never sent is refused.
func (r *ring) ack(count uint64) (newest time.Time, ok bool) {
	if count > r.frames {
		return newest, false
	}
	r.told = max(r.told, count)
	r.acked = max(r.acked, count)
	for !r.empty() && r.entries[r.first].last <= r.acked {
		e := r.entries[r.first]
		newest = r.when(e)
		r.credit = min(r.credit+int(e.bytes)/limits.ReforwardShare, limits.SentRing)
		r.shift()
	}
	return newest, true
}

func (r *ring) when(e sent) time.Time {
	if e.at == 0 {
		return time.Time{}
	}
	return r.start.Add(e.at)
}

// take empties the ring into one batch of the frames not yet acked.
func (r *ring) take() (batch []byte) {
	if !r.empty() {
		e := r.entries[r.first]
		taken := r.acked - min(r.acked, e.last-uint64(e.frames)) // of the oldest record; it has frames beyond
		batch = r.read(make([]byte, 0, r.bytes))
		for ; taken > 0; taken-- {
			batch = batch[wire.BatchHeader+int(binary.BigEndian.Uint16(batch)):]
		}
	}
	for !r.empty() {
		r.shift()
	}
	r.acked, r.moved = r.frames, r.frames
	return batch
}
