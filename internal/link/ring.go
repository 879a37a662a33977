package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// sent is a copy of the class 0-2 frames of one record, in the order written.
type sent struct {
	*chunk
	last uint64    // number of its last frame, counted from 1 since the link's start
	at   time.Time // when the carrier had taken it; zero: not yet
}

// ring keeps what the neighbour has not yet said it took, at most
// limits.SentRing bytes; what is pushed out by newer frames counts as taken.
// Guarded by Link.mu.
type ring struct {
	entries []sent
	bytes   int
	frames  uint64 // frames ever kept
	acked   uint64 // frames the neighbour took, or that were pushed out
	credit  int    // bytes that may go another way on a mere suspicion: see suspected
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

// keep copies a record's frames, which are about to go out.
func (r *ring) keep(c *chunk) {
	cp := newChunk(len(c.buf))
	cp.buf = append(cp.buf, c.buf...)
	cp.frames = c.frames
	r.frames += uint64(c.frames)
	r.entries = append(r.entries, sent{chunk: cp, last: r.frames})
	r.bytes += len(cp.buf)
	for r.bytes > limits.SentRing && len(r.entries) > 1 {
		r.shift()
	}
}

// left notes that the carrier has taken all that was kept: only from then on
// can the neighbour be late. The clock is read only if there is something.
func (r *ring) left(clock func() time.Time) {
	for i := len(r.entries) - 1; i >= 0 && r.entries[i].at.IsZero(); i-- {
		r.entries[i].at = clock()
	}
}

func (r *ring) shift() {
	e := r.entries[0]
	r.acked = max(r.acked, e.last)
	r.bytes -= len(e.buf)
	e.free()
	n := copy(r.entries, r.entries[1:])
	r.entries[n] = sent{}
	r.entries = r.entries[:n]
}

// ack drops what the neighbour took: the first count kept frames of the link's
// life, and says when the newest record among them left; zero: none did. A count
// that was never sent is refused.
func (r *ring) ack(count uint64) (newest time.Time, ok bool) {
	if count > r.frames {
		return newest, false
	}
	r.acked = max(r.acked, count)
	for len(r.entries) > 0 && r.entries[0].last <= r.acked {
		newest = r.entries[0].at
		r.credit = min(r.credit+len(r.entries[0].buf)/limits.ReforwardShare, limits.SentRing)
		r.shift()
	}
	return newest, true
}

// oldest is when the longest unacked record left; false: none is on its way.
func (r *ring) oldest() (time.Time, bool) {
	if len(r.entries) == 0 || r.entries[0].at.IsZero() {
		return time.Time{}, false
	}
	return r.entries[0].at, true
}

// take empties the ring into one batch of the frames not yet acked.
func (r *ring) take() (batch []byte) {
	for len(r.entries) > 0 {
		e := r.entries[0]
		batch = append(batch, unackedPart(e, r.acked)...)
		r.shift()
	}
	r.acked = r.frames
	return batch
}

// unackedPart cuts off the frames of e that are known to be taken.
func unackedPart(e sent, acked uint64) []byte {
	first := e.last - uint64(e.frames) // frames before this record
	b := e.buf
	for n := acked; n > first; n-- {
		b = b[2+(int(b[0])<<8|int(b[1])):]
	}
	return b
}
