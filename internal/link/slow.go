package link

import (
	"encoding/binary"
	"time"
	"unsafe"

	"github.com/peermesh/peermesh/internal/wire"
)

// While the link is slow, see queue.pace, its queue is taken apart: each frame waits
// by itself in its flow. When the link is fast again they are poured back into
// chunks. Either way all that waits changes its place at once and in the order of
// the turns, so that nothing overtakes within a flow.

// newFrame is a chunk for one frame of n bytes, its length included.
func newFrame(class wire.Class, n int, now time.Duration) *chunk {
	return &chunk{buf: make([]byte, 0, n+sealRoom), frames: 1, class: class, kept: class < wire.ClassBulk, at: now}
}

// frameMemory is what a frame that waits by itself retains beside its bytes, and
// what the allocator rounds up apart.
const frameMemory = int(unsafe.Sizeof(chunk{}))

// memory is what a chunk of newFrame retains.
func (c *chunk) memory() int {
	return cap(c.buf) + cap(c.buf)/8 + frameMemory + cap(c.drafts)*int(unsafe.Sizeof(draft{}))
}

// put lets a frame wait, the last of its flow.
func (q *queue) put(f *flow, c *chunk) {
	f.frames.push(c)
	q.count(f, c, len(c.buf), c.memory())
	q.flows.enter(f, len(c.buf), q.quantum())
}

// count counts bytes of a frame that waits, and memory.
func (q *queue) count(f *flow, c *chunk, bytes, memory int) {
	q.wait(f, c, bytes)
	q.bytes += bytes
	q.held += memory
}

// wait counts bytes of a frame that waits for room on the line.
func (q *queue) wait(f *flow, c *chunk, bytes int) {
	in := f.from.in
	f.bytes += bytes
	in.bytes += bytes
	if c.light {
		in.light += bytes
	}
	if urgent(in.src, c.class) {
		q.urgent += bytes
	}
}

// pop takes the first frame of a flow.
func (q *queue) pop(f *flow) *chunk {
	c := f.frames.pop()
	if f.cut.slot > 0 {
		q.uncut(f, c)
	} else {
		q.count(f, c, -len(c.buf), -c.memory())
	}
	if f.refused {
		f.refused, q.ready = false, true
	}
	return c
}

// drop drops the first frame of a flow.
func (q *queue) drop(f *flow) {
	c := q.pop(f)
	q.late += c.datagrams()
	c.free()
	q.wake(f.from.in)
}

// takeSlow is take while the link is slow: frame by frame, by turns of sources and
// of their flows. Frames that are kept and others go in records of their own.
func (q *queue) takeSlow(out *chunks, now time.Duration) (frames, single int) {
	var kept, bulk chunks
	for taken, most := 0, q.batch(); q.bytes > 0; {
		f := q.next(now)
		if f == nil {
			break
		}
		n := q.size(f)
		if taken > 0 && taken+n > most {
			break
		}
		taken += n
		q.flows.spent(f, n, q.quantum())
		list := &bulk
		if f.frames.head.kept {
			list = &kept
		}
		if left := q.leave(list, f, n, now); left > 0 {
			frames++
			single += left
		}
		q.wake(f.from.in)
	}
	q.free()
	q.rest()
	out.link(kept)
	out.link(bulk)
	return frames, single
}

// leave puts the first frame of a flow, or the n bytes of it whose turn it is, behind
// list. It returns 0 unless the frame has left with that, else how many datagrams
// share it.
func (q *queue) leave(list *chunks, f *flow, n int, now time.Duration) (single int) {
	if f.cut.slot == 0 {
		c := q.pop(f)
		f.mark(c, now)
		single = c.datagrams()
		q.gather(list, c)
		return single
	}
	c := q.piece(list, f, n, now)
	if c == nil {
		return 0
	}
	if single = c.datagrams(); !c.kept {
		c.free()
	}
	return single
}

// gather puts a frame into the last record of a list, or into a new one.
func (q *queue) gather(list *chunks, c *chunk) {
	if t := list.tail; t != nil && t.room(q.recordMax) >= len(c.buf) {
		t.adopt(c)
		return
	}
	if most := min(q.batch(), q.recordMax); len(c.buf) < most || cap(c.buf)-len(c.buf) < sealRoom {
		r := newChunk(max(most, len(c.buf)))
		r.kept = c.kept
		r.adopt(c)
		c = r
	}
	list.push(c)
}

// link puts more behind l, in records of its own.
func (l *chunks) link(more chunks) {
	switch {
	case more.head == nil:
	case l.tail == nil:
		*l = more
	default:
		l.tail.next, l.tail = more.head, more.tail
	}
}

// rest gives back what a queue needs no more on which nothing waits.
func (q *queue) rest() {
	if q.bytes > 0 {
		return
	}
	q.flows.turn(q.quantum()) // forgets all who have nothing waiting
	if q.flows.most > keptFlows {
		q.held -= q.flows.memory()
		q.flows = &flows{}
	}
	q.sweep()
}

// sweep forgets the ingresses that could not be before, see forget.
func (q *queue) sweep() {
	if !q.unswept {
		return
	}
	q.unswept = false
	for src, in := range q.inlets {
		if in.gone {
			q.forget(src)
		}
	}
}

// keptFlows is how many flows a slow link on which nothing waits has room for.
const keptFlows = 8

// apart takes what waits apart: the link is slow.
func (q *queue) apart(now time.Duration) {
	turn := q.turn
	q.flows, q.turn, q.bytes, q.held = &flows{}, nil, 0, 0
	for _, in := range turn {
		in.active, in.bytes = false, 0
		for class := range in.byClass {
			for list := &in.byClass[class]; list.head != nil; {
				c := list.pop()
				q.split(in, wire.Class(class), c, now)
				c.free()
			}
		}
	}
}

// split lets each frame of a chunk wait by itself.
func (q *queue) split(in *inlet, class wire.Class, c *chunk, now time.Duration) {
	drafts := c.drafts
	for at := 0; at < len(c.buf); {
		next := at + wire.BatchHeader + int(binary.BigEndian.Uint16(c.buf[at:]))
		one := newFrame(class, next-at, now)
		one.buf = append(one.buf, c.buf[at:next]...)
		if len(drafts) > 0 && drafts[0].at == at+wire.BatchHeader {
			one.drafts = []draft{{drafts[0].Draft, wire.BatchHeader}}
			drafts = drafts[1:]
		}
		q.put(q.flow(in, class, one.buf[wire.BatchHeader:]), one)
		at = next
	}
}

// flow returns the flow of a frame, which may be new.
func (q *queue) flow(in *inlet, class wire.Class, frame []byte) *flow {
	k := keyOf(in.src, class, frame)
	if f := q.flows.find(&k); f != nil {
		return f
	}
	return q.open(in, k)
}

// open makes a flow.
func (q *queue) open(in *inlet, k flowKey) *flow {
	before := q.flows.memory()
	f := q.flows.open(in, k)
	q.held += q.flows.memory() - before
	return f
}

// pour puts what waits back into chunks: the link is fast, or at its end.
func (q *queue) pour() {
	fl, quantum := q.flows, q.quantum()
	for fl.slots.apart.head != nil {
		q.rejoin()
	}
	for f := fl.turn(quantum); f != nil; f = fl.turn(quantum) {
		n, in := len(f.frames.head.buf), f.from.in
		fl.spent(f, n, quantum)
		c := q.pop(f)
		q.room(in, c.class, n).adopt(c)
		q.pushed(in, n)
	}
	q.held -= fl.memory()
	q.flows = nil
	q.sweep()
	for _, in := range q.turn {
		q.wake(in)
	}
}
