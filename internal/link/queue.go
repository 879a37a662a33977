package link

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// Self is the source number of the node's own frames. Links have numbers from 1.
const Self uint64 = 0

// classes is how many mesh classes there are.
const classes = 4

// inlet is what waits for this link from one source.
type inlet struct {
	src     uint64
	byClass [classes]chunks
	bytes   int
	active  bool          // in queue.turn
	stalled bool          // refused until half of the share is free
	gone    bool          // its link has ended: forgotten once it is empty
	flows   int           // of the source, while the link is slow
	sources int           // IDs that it brings
	light   int           // bytes beyond its share, see queue.admits
	waiters int           // how many wait on space
	space   chan struct{} // capacity 1: "there may be room"
}

// queue is what waits to be written. Guarded by Link.mu.
type queue struct {
	recordMax int               // bytes of frames in one record; a longer frame has one of its own
	inlets    map[uint64]*inlet // nil: none yet
	last      *inlet            // the inlet looked up last
	turn      []*inlet          // sources that have something waiting, in the order they are served
	bytes     int
	held      int  // memory of what waits, and of flows
	slow      bool // the writer's last flush was slower than limits.SlowRate

	flows  *flows // in which all waits, in place of chunks; nil: the link is not as slow as that
	flush  int    // bytes that a flush takes, by what is known of the line; 0: nothing is
	rate   int    // bytes/s, see Link.rate
	urgent int    // bytes of this node's own of classes 0 and 1, in flows
	late   int    // frames that CoDel has dropped, not counted yet
	whole  chunks // kept frames whose last piece is in the flush under way
	ready  bool   // a flow that refused an own frame has room

	unswept bool // there are inlets that are gone
}

// batcher is a Carrier that is better given shorter messages than it could take:
// what waits for it gathers in messages of at most Batch bytes, and a frame that
// is longer goes alone. Batch does not change.
type batcher interface{ Batch() int }

// recordMax is how many bytes of frames gather in one message of a carrier.
func recordMax(c Carrier, overhead int) int {
	most := min(limits.MaxRecord, c.Max())
	if b, ok := c.(batcher); ok {
		most = min(most, b.Batch())
	}
	return most - overhead
}

func newQueue(recordMax int) queue {
	return queue{recordMax: recordMax}
}

func (q *queue) inlet(src uint64) *inlet {
	if in := q.last; in != nil && in.src == src {
		return in
	}
	in := q.inlets[src]
	if in == nil {
		in = &inlet{src: src, space: make(chan struct{}, 1)}
		if q.inlets == nil {
			q.inlets = make(map[uint64]*inlet)
		}
		q.inlets[src] = in
	}
	q.last = in
	return in
}

// forget drops the inlet of a source whose link has ended, once it is empty.
func (q *queue) forget(src uint64) {
	in := q.inlets[src]
	if in == nil {
		return
	}
	if in.gone = true; in.bytes > 0 || in.sources > 0 {
		q.unswept = true
		return
	}
	delete(q.inlets, src)
	if q.last == in {
		q.last = nil
	}
}

func (q *queue) push(in *inlet, class wire.Class, run []byte, frames int) {
	for len(run) > q.recordMax {
		part, n := cut(run, q.recordMax)
		q.append(in, class, part, n)
		run, frames = run[len(part):], frames-n
	}
	if len(run) > 0 {
		q.append(in, class, run, frames)
	}
}

// append copies a run of frames behind what waits.
func (q *queue) append(in *inlet, class wire.Class, run []byte, frames int) {
	c := q.room(in, class, len(run))
	c.buf = append(c.buf, run...)
	c.frames += frames
	q.pushed(in, len(run))
}

// room returns the last chunk of a source and class, one with room for n more bytes.
func (q *queue) room(in *inlet, class wire.Class, n int) *chunk {
	list, max := &in.byClass[class], q.chunkMax()
	if t := list.tail; t != nil && t.room(max) >= n {
		return t
	}
	c, was := list.grow(n, max)
	q.held += cap(c.buf) - was
	return c
}

// cut returns the first frames of a run, how many: as many as fit in max bytes,
// one in any case.
func cut(run []byte, max int) (part []byte, frames int) {
	at := 0
	for at < len(run) {
		next := at + wire.BatchHeader + int(binary.BigEndian.Uint16(run[at:]))
		if frames > 0 && next > max {
			break
		}
		at, frames = next, frames+1
	}
	return run[:at], frames
}

// pushFrame is push for one frame without its length.
func (q *queue) pushFrame(in *inlet, class wire.Class, frame []byte) {
	c := q.room(in, class, wire.BatchHeader+len(frame))
	c.buf = wire.AppendToBatch(c.buf, frame)
	c.frames++
	q.pushed(in, wire.BatchHeader+len(frame))
}

// chunkMax is how far chunks are filled, a longer run apart: of a slow link the
// next source's turn comes sooner.
func (q *queue) chunkMax() int {
	switch {
	case q.flush > 0:
		return min(q.recordMax, q.flush)
	case q.slow:
		return min(q.recordMax, limits.SlowBatch)
	}
	return q.recordMax
}

// batch is how many bytes a flush takes.
func (q *queue) batch() int {
	switch {
	case q.flush > 0:
		return q.flush
	case q.flows != nil:
		return min(max(q.within(limits.SlowBatchTime), limits.SlowBatchMin), limits.SlowBatch)
	case q.slow:
		return limits.SlowBatch
	}
	return limits.LinkBatch
}

func (q *queue) pushed(in *inlet, n int) {
	in.bytes += n
	q.bytes += n
	if !in.active {
		in.active = true
		q.turn = append(q.turn, in)
	}
}

// take moves at most a batch, but one chunk in any case, chunk by chunk and
// source by source, to out, and joins small chunks that fit one record. single
// is frames with the datagrams that share one counted singly.
func (q *queue) take(out *chunks) (frames, single int) {
	max := q.batch()
	for taken := 0; len(q.turn) > 0; {
		in := q.turn[0]
		if next := in.peek(); taken > 0 && taken+len(next.buf) > max {
			return frames, single
		}
		class, c := in.pop()
		taken += len(c.buf)
		frames += c.frames
		single += c.datagrams()
		in.bytes -= len(c.buf)
		q.bytes -= len(c.buf)
		q.held -= cap(c.buf)
		q.rotate(in)
		q.wake(in)
		if in.gone {
			q.forget(in.src)
		}
		c.kept = class < wire.ClassBulk
		q.join(out, c)
	}
	return frames, single
}

// urgent is the most urgent class that has a chunk; an active inlet has one.
func (in *inlet) urgent() wire.Class {
	for class := range in.byClass {
		if in.byClass[class].head != nil {
			return wire.Class(class)
		}
	}
	return wire.ClassBulk
}

func (in *inlet) peek() *chunk { return in.byClass[in.urgent()].head }

// pop takes the first chunk of the most urgent class that has one.
func (in *inlet) pop() (wire.Class, *chunk) {
	class := in.urgent()
	return class, in.byClass[class].pop()
}

// rotate moves in to the end of the turn, or out of it when it is empty.
func (q *queue) rotate(in *inlet) {
	if len(q.turn) == 1 {
		if in.bytes == 0 {
			q.turn, in.active = q.turn[:0], false
		}
		return
	}
	copy(q.turn, q.turn[1:])
	if in.bytes > 0 {
		q.turn[len(q.turn)-1] = in
		return
	}
	q.turn[len(q.turn)-1] = nil
	q.turn, in.active = q.turn[:len(q.turn)-1], false
}

// wake tells one of those who wait for room in the share of in. That one's
// Append wakes the next.
func (q *queue) wake(in *inlet) {
	if in.waiters > 0 && q.roomy(in) {
		signal(in.space)
	}
}

// join appends c to the record under way in out, or begins the next one. A
// record has one fate for all of its frames, so kept and other frames may share
// it only once the ring has its copy; see Link.prepare.
func (q *queue) join(out *chunks, c *chunk) {
	t := out.tail
	if t == nil || t.kept != c.kept || t.room(q.recordMax) < len(c.buf) {
		out.push(c)
		return
	}
	t.adopt(c)
}

// drain empties the queue: the frames of classes 0 to 2 as one batch, and how
// many bulk frames, and datagrams that shared one, there were.
func (q *queue) drain() (batch []byte, bulk int) {
	if q.flows != nil {
		q.pour()
	}
	for _, src := range slices.Sorted(maps.Keys(q.inlets)) { // the same frames go first in every run of a simulation
		in := q.inlets[src]
		for class := range in.byClass {
			for list := &in.byClass[class]; list.head != nil; {
				c := list.pop()
				if wire.Class(class) < wire.ClassBulk {
					batch = append(batch, c.buf...)
				} else {
					bulk += c.datagrams()
				}
				c.free()
			}
		}
		in.bytes, in.active = 0, false
	}
	q.turn, q.bytes, q.held = nil, 0, 0
	return batch, bulk
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
