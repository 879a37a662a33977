package link

import (
	"encoding/binary"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// joiner puts the pieces of frames together that came in pieces. It belongs to the
// reader, and who handles what a link receives sees whole frames only.
type joiner struct {
	slots [limits.PieceSlots]*partial
	bytes int // of their frames, as far as they have come
	held  int // memory of them
}

// partial is a frame that has come in part.
type partial struct {
	parts [][]byte
	bytes int
	kept  bool // it is of the classes 0 to 2
	lost  bool // there was no memory for it: what comes of it is thrown away
}

// partMemory is what a part retains beside its bytes: its place in a list that has
// just grown.
const partMemory = 2 * 24

// add takes a piece, of which room says whether there is memory for so many bytes.
// whole is the frame, with its length, in memory from buf, if that was the last one
// and nothing of it is lost. False: the peer broke the rules.
func (j *joiner) add(p *wire.Piece, room func(n int) bool, buf func() []byte) (whole []byte, done *partial, ok bool) {
	f := j.slots[p.Slot]
	if f == nil {
		if wire.IsLink(p.Bytes) {
			return nil, nil, false
		}
		f = &partial{kept: len(p.Bytes) >= wire.HeaderLen && wire.FrameFlags(p.Bytes).Class() < wire.ClassBulk}
		j.slots[p.Slot] = f
	}
	f.bytes += len(p.Bytes)
	j.bytes += len(p.Bytes)
	if f.bytes > wire.MaxFrame {
		return nil, nil, false
	}
	if p.Last {
		if !f.lost {
			whole = f.join(buf(), p.Bytes)
		}
		j.forget(p.Slot)
		return whole, f, true
	}
	if j.bytes > limits.PieceBytes {
		return nil, nil, false
	}
	if !f.lost && room(len(p.Bytes)+partMemory) {
		part := append([]byte(nil), p.Bytes...)
		f.parts = append(f.parts, part)
		j.held += cap(part) + partMemory
	} else {
		j.drop(f)
		f.lost = true
	}
	return nil, nil, true
}

// join puts a frame together in buf.
func (f *partial) join(buf, last []byte) []byte {
	b := binary.BigEndian.AppendUint16(buf[:0], uint16(f.bytes))
	for _, part := range f.parts {
		b = append(b, part...)
	}
	return append(b, last...)
}

// drop gives up what there is of a frame.
func (j *joiner) drop(f *partial) {
	for _, part := range f.parts {
		j.held -= cap(part) + partMemory
	}
	f.parts = nil
}

// forget frees a slot.
func (j *joiner) forget(slot uint8) {
	f := j.slots[slot]
	j.slots[slot] = nil
	j.bytes -= f.bytes
	j.drop(f)
}

// receivePiece deals with a carrier message that begins with a piece.
func (l *Link) receivePiece(h Handler, msg []byte) reason.Reason {
	frame, rest, err := wire.NextInBatch(msg)
	if err != nil || len(rest) > 0 {
		return reason.ProtocolError
	}
	p, err := wire.ParsePiece(frame)
	if err != nil {
		return reason.ProtocolError
	}
	if l.joiner == nil {
		l.joiner = new(joiner)
	}
	buf := recordBuffers.Get().(*[limits.MaxRecord + 1]byte)
	defer recordBuffers.Put(buf)
	j := l.joiner
	whole, done, ok := j.add(&p, l.affordsPart, func() []byte { return buf[:] })
	if !ok {
		return reason.ProtocolError
	}
	if j.bytes == 0 {
		l.joiner = nil // a link that is fast again keeps nothing
	}
	l.chargeParts(j.held)
	switch {
	case whole != nil:
		return h.HandleBatch(l, whole)
	case done != nil:
		l.lostPieces(done)
	default:
		l.dealt(true, true)
	}
	return reason.None
}

// lostPieces counts a frame that there was no memory for as taken.
func (l *Link) lostPieces(f *partial) {
	if l.Drops != nil {
		l.Drops.Add(reason.MemoryLimit, 1)
	}
	kept := 0
	if f.kept {
		kept = 1
	}
	l.Took(1, kept)
}

// affordsPart says whether the node's budget lets n bytes of a frame in pieces be held.
func (l *Link) affordsPart(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.account.Fits(n, l.parts == 0)
}

// chargeParts charges what is held of frames in pieces. A link that has ended holds
// nothing.
func (l *Link) chargeParts(held int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.parts = held
		l.charge()
	}
}
