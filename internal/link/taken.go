package link

import (
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// handed counts the bytes of carrier messages, whatever is in them: those given to
// the carrier, and those that the neighbour said it has dealt with. Guarded by
// Link.mu.
type handed struct {
	bytes uint64
	mesh  uint64 // of them, those up to the last mesh frame: an ack of so many has to come
	due   uint64 // mesh, of what the carrier has taken: only from then on the neighbour can be late
	bare  uint64 // bytes before the first mesh frame of those that an ack has to come of
	taken uint64
}

// read is how many bytes the neighbour has read, as far as it would have said so: of
// link frames that no mesh frame follows it owes no ack.
func (h *handed) read() uint64 {
	if !h.awaited() {
		return h.bytes
	}
	return max(h.taken, h.bare)
}

// awaited says whether an ack has to come.
func (h *handed) awaited() bool { return h.taken < h.mesh }

// overdue says whether an ack has to come of what the carrier has taken.
func (h *handed) overdue() bool { return h.taken < h.due }

// left notes that the carrier has taken all that it was given.
func (h *handed) left() { h.due = h.mesh }

// handOver counts what is about to go to the carrier, before any ack of it can come.
// mesh: there are mesh frames in it. It needs mu.
func (l *Link) handOver(out *chunks, mesh bool) {
	tag, before := 0, l.handed.bytes
	if l.Send != nil {
		tag = sealRoom
	}
	for c := out.head; c != nil; c = c.next {
		l.handed.bytes += uint64(len(c.buf) + tag)
	}
	if !mesh {
		return
	}
	if !l.handed.awaited() {
		l.handed.bare = before
		l.busy()
	}
	l.handed.mesh = l.handed.bytes
}

// untaken is how many bytes were given to the carrier of which the neighbour has yet
// to say that it has dealt with them. It needs mu.
func (l *Link) untaken() int { return int(l.handed.bytes - l.handed.read()) }

// owing is what is owed to the neighbour: an ack of what was taken from it.
type owing struct {
	ack     atomic.Bool
	due     atomic.Uint64 // bytes read, those of messages without an acked class in part
	covered atomic.Uint64 // of them, those before the last ack
	told    atomic.Uint64 // bytes read in all, by the last ack
	span    atomic.Uint64 // of them, so many more make an ack due; 0: not known

	seen   uint64 // bytes that had come at the last tick; guarded by Link.mu
	seenAt time.Time
}

// look measures how fast bytes come. A neighbour whose line is slow has to learn in
// time what was read; of a fast one the acks are not worth their cost. It needs
// Link.mu.
func (o *owing) look(now time.Time, bytes uint64) {
	gone := now.Sub(o.seenAt)
	if gone < limits.LinkTick/2 && gone >= 0 {
		return
	}
	span := float64(bytes-o.seen) * limits.AckSpan.Seconds() / max(gone, limits.LinkTick).Seconds()
	o.span.Store(uint64(min(max(span, limits.AckBytesMin), limits.AckBytes*limits.AckBulkShare)))
	o.seen, o.seenAt = bytes, now
}

// enough says whether what was read is worth an ack at once.
func (o *owing) enough(due, read uint64) bool {
	return due-o.covered.Load() >= limits.AckBytes || read-o.told.Load() >= max(o.span.Load(), limits.AckBytesMin)
}

// Took tells the link that the reader has dealt with a carrier message: how many
// mesh frames it held, and how many of those are of the acked classes. From the
// reader goroutine only. While an ack is owed and not due, it takes no lock.
func (l *Link) Took(frames, kept int) {
	l.rx.frames.Add(uint64(frames))
	l.rx.kept.Add(uint64(kept))
	l.dealt(frames > 0, kept > 0)
}

// dealt is Took without its counts of frames: mesh says whether there were some, or
// pieces, and kept whether some are of the acked classes.
func (l *Link) dealt(mesh, kept bool) {
	read := l.rx.bytes.Load()
	fresh := read - l.rx.taken.Swap(read)
	if !kept {
		fresh /= limits.AckBulkShare
	}
	due := l.owing.enough(l.owing.due.Add(fresh), read)
	if !mesh || l.owing.ack.Load() && !due {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.owing.ack.Swap(true) {
		l.busy()
	}
	if due {
		l.wakeAck()
	}
}

// wakeAck has the writer send the owed ack even if no data goes its way; it needs mu.
func (l *Link) wakeAck() {
	if l.ended || l.closing || l.control.frames > 0 {
		return
	}
	l.control.buf = l.appendAck(l.control.buf)
	l.control.frames++
	l.wakeWriter()
}

// appendAck appends the owed ack to a batch. It is not owed any more before the
// counts are read: what is taken meanwhile owes the next one. It needs mu.
func (l *Link) appendAck(batch []byte) []byte {
	l.owing.ack.Store(false)
	l.live.owedAt = time.Time{}
	taken := wire.Taken{Count: l.rx.kept.Load(), Bytes: l.rx.taken.Load()}
	l.owing.covered.Store(l.owing.due.Load())
	l.owing.told.Store(taken.Bytes)
	var frame [ackLen]byte
	return wire.AppendToBatch(batch, wire.AppendLinkAck(frame[:0], taken))
}
