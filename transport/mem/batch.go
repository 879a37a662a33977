package mem

import (
	"encoding/binary"
	"sync"
	"time"
)

// batch is messages on their way, in one piece of memory: each is its length
// (4 bytes) and its bytes.
type batch struct {
	b   []byte
	off int       // of the next message
	due time.Time // when it arrives; zero: at once

	following *batch // in its queue
}

const lengthBytes = 4

// pooledBytes is the largest memory that is kept for the next batch.
const pooledBytes = 144 << 10

var batches = sync.Pool{New: func() any { return new(batch) }}

func newBatch() *batch { return batches.Get().(*batch) }

// free gives the batch back. The caller keeps no reference.
func (b *batch) free() {
	if cap(b.b) > pooledBytes {
		return
	}
	*b = batch{b: b.b[:0]}
	batches.Put(b)
}

func (b *batch) add(msg []byte) {
	b.b = binary.BigEndian.AppendUint32(b.b, uint32(len(msg)))
	b.b = append(b.b, msg...)
}

// next returns the next message, which stays in the batch.
func (b *batch) next() []byte {
	rest := b.b[b.off:]
	n := int(binary.BigEndian.Uint32(rest))
	return rest[lengthBytes:][:n]
}

// skip moves behind the next message and tells whether others follow.
func (b *batch) skip() (more bool) {
	b.off += lengthBytes + len(b.next())
	return b.off < len(b.b)
}

// here tells whether it has arrived.
func (b *batch) here() bool { return b.due.IsZero() || !time.Now().Before(b.due) }

// queue is batches in order. The zero value is empty.
type queue struct{ first, last *batch }

func (q *queue) push(b *batch) {
	if q.first == nil {
		q.first, q.last = b, b
		return
	}
	q.last.following, q.last = b, b
}

// pop removes the first batch and frees it.
func (q *queue) pop() {
	b := q.first
	q.first = b.following
	b.free()
}
