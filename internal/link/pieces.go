package link

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// On a link that moves less than limits.PieceRate a long frame leaves in pieces, and
// those of others leave between them. The frame stays the first of its flow until its
// last piece has left: if the link ends before, it goes another way whole. What the
// neighbour has of frames in pieces is bounded, so their number and bytes are: who
// finds no slot stands apart until one is free, in order, and keeps nobody from
// sending short frames.

// slots are the frames that leave in pieces, one of a flow at most.
type slots struct {
	used   uint64 // a bit for each
	bytes  int    // of these frames
	left   int    // bytes of them that have not left, their lengths included
	apart  places // flows that wait for a slot
	ended  uint64 // of used, those whose frames have their last piece in the flush under way
	closed int    // bytes of these
}

// inPieces is how the first frame of a flow leaves in pieces.
type inPieces struct {
	slot uint8 // counted from 1; 0: it does not
	sent int32 // bytes that have left
}

// takes says whether a frame of n bytes finds a slot.
func (s *slots) takes(n int) bool {
	return s.used != ^uint64(0)>>(64-limits.PieceSlots) && s.bytes+n <= limits.PieceBytes
}

// pieceLen is how many bytes of a frame leave at once.
func (q *queue) pieceLen() int { return max(q.within(limits.PieceTime), wire.MinPiece) }

// long says whether a frame is to leave in pieces. c is a chunk of it alone.
func (q *queue) long(c *chunk) bool {
	return q.rate < limits.PieceRate && 2*frameLen(c) > 3*q.pieceLen()
}

func frameLen(c *chunk) int { return len(c.buf) - wire.BatchHeader }

// quantum is what one turn is worth.
func (q *queue) quantum() int {
	if q.rate < limits.PieceRate {
		return limits.PieceQuantum
	}
	return limits.FlowQuantum
}

// next is the flow that sends next, if only a piece; nil: what waits needs slots that
// are not free before this flush has left.
func (q *queue) next(now time.Duration) *flow {
	for {
		f := q.flows.turn(q.quantum())
		if f == nil || f.cut.slot > 0 {
			return f
		}
		q.watch(f, now)
		switch s := &q.flows.slots; {
		case !q.long(f.frames.head):
			return f
		case s.apart.head == nil && s.takes(frameLen(f.frames.head)):
			q.cut(f)
			return f
		default:
			s.apart.push(f.from.flows.park())
			f.from.apart++
		}
	}
}

// cut gives the first frame of a flow a slot. It takes no more room of those who wait.
func (q *queue) cut(f *flow) {
	s, c := &q.flows.slots, f.frames.head
	slot := bits.TrailingZeros64(^s.used)
	s.used |= 1 << slot
	s.bytes += frameLen(c)
	s.left += len(c.buf)
	f.cut = inPieces{slot: uint8(slot + 1)}
	q.wait(f, c, -len(c.buf))
}

// size is how many bytes leave in the turn of a flow.
func (q *queue) size(f *flow) int {
	c := f.frames.head
	if f.cut.slot == 0 {
		return len(c.buf)
	}
	return min(q.pieceLen(), frameLen(c)-int(f.cut.sent), wire.MaxFrame-wire.PieceHeaderLen)
}

// piece puts the next n bytes of the first frame of a flow into a record of their own
// behind out. With the last ones the frame itself leaves its flow; nil: they are not.
func (q *queue) piece(out *chunks, f *flow, n int, now time.Duration) (whole *chunk) {
	c, s := f.frames.head, &q.flows.slots
	if f.cut.sent == 0 {
		f.mark(c, now)
		c.frames = c.datagrams() // which it cannot tell once it is sealed
		c.sealDrafts()
	}
	frame := c.buf[wire.BatchHeader:]
	end := int(f.cut.sent) + n
	p := wire.Piece{Slot: f.cut.slot - 1, Last: end == len(frame), Bytes: frame[f.cut.sent:end]}
	r := &chunk{buf: make([]byte, 0, wire.BatchHeader+wire.PieceHeaderLen+n+sealRoom)}
	r.buf = binary.BigEndian.AppendUint16(r.buf, uint16(wire.PieceHeaderLen+n))
	r.buf = wire.AppendPiece(r.buf, &p)
	out.push(r)
	f.cut.sent = int32(end)
	s.left -= n
	q.bytes -= n
	if !p.Last {
		return nil
	}
	if c = q.pop(f); c.kept {
		r.kept = true
		q.whole.push(c)
	}
	return c
}

// keeps is what the ring keeps of a record: its frames, or the one whose last piece it
// is.
func (q *queue) keeps(c *chunk) *chunk {
	if q.whole.head == nil || !wire.IsPiece(c.buf) {
		return c
	}
	return q.whole.pop()
}

// uncut notes that the first frame of a flow, which was in pieces, has left it.
func (q *queue) uncut(f *flow, c *chunk) {
	s, left := &q.flows.slots, len(c.buf)-int(f.cut.sent)
	s.ended |= 1 << (f.cut.slot - 1)
	s.closed += frameLen(c)
	s.left -= left
	q.bytes -= left
	q.held -= c.memory()
	f.cut = inPieces{}
}

// free gives slots back: what has ended will be on the line before what comes next.
// Who stood apart for one has it now, or needs none any more.
func (q *queue) free() {
	s := &q.flows.slots
	s.used &^= s.ended
	s.bytes -= s.closed
	s.ended, s.closed = 0, 0
	for s.apart.head != nil {
		f := s.apart.head.flow
		c := f.frames.head
		long := q.long(c)
		if long && !s.takes(frameLen(c)) {
			return
		}
		q.rejoin()
		if long {
			q.cut(f)
		}
	}
}

// rejoin gives the first flow that stands apart its place back.
func (q *queue) rejoin() {
	f := q.flows.slots.apart.pop().flow
	f.from.apart--
	f.place.taken = false
	q.flows.enter(f, len(f.frames.head.buf), q.quantum())
}

// waits is how many bytes wait for room on the line: without those that leave in pieces.
func (q *queue) waits() int {
	if q.flows == nil {
		return q.bytes
	}
	return q.bytes - q.flows.slots.left
}
