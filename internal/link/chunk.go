package link

import (
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// A chunk holds length-prefixed frames of one class exactly as they go into a
// record. There are a few sizes, so that few frames retain little; all leave room
// for a record's tag so that sealing in place never reallocates.
type chunk struct {
	buf    []byte
	next   *chunk
	frames int
	kept   bool // its frames go into the sent ring
	light  bool // of one frame that waits by itself: beyond its ingress's share
	class  wire.Class
	at     time.Duration // when it began to wait, since the link's start
	drafts []draft       // of its frames, those that are not sealed yet, in their order
}

const (
	sealRoom    = 16
	smallChunk  = 4 << 10
	middleChunk = 16<<10 + sealRoom
	slowChunk   = limits.SlowBatch + sealRoom // all that a chunk for a slow link takes
	largeChunk  = limits.RecordPayload + sealRoom
)

var chunkSizes = [...]int{smallChunk, middleChunk, slowChunk, largeChunk}

var chunkPools [len(chunkSizes)]sync.Pool

// newChunk returns an empty chunk with room for n bytes of frames.
func newChunk(n int) *chunk {
	i := 0
	for i < len(chunkSizes)-1 && n > chunkSizes[i]-sealRoom {
		i++
	}
	if c, ok := chunkPools[i].Get().(*chunk); ok {
		return c
	}
	return &chunk{buf: make([]byte, 0, chunkSizes[i])}
}

func (c *chunk) free() {
	c.forgetDrafts()
	c.buf, c.next, c.frames, c.kept = c.buf[:0], nil, 0, false
	c.light, c.class, c.at = false, 0, 0
	for i, size := range chunkSizes {
		if cap(c.buf) == size {
			chunkPools[i].Put(c) // and from here on it is somebody else's
			return
		}
	}
}

// room is how many bytes of frames still fit under the record limit max.
func (c *chunk) room(max int) int { return min(cap(c.buf)-sealRoom, max) - len(c.buf) }

// chunks is a list of chunks in order.
type chunks struct{ head, tail *chunk }

func (l *chunks) push(c *chunk) {
	if l.tail == nil {
		l.head = c
	} else {
		l.tail.next = c
	}
	l.tail = c
}

func (l *chunks) pop() *chunk {
	c := l.head
	l.head = c.next
	if l.head == nil {
		l.tail = nil
	}
	c.next = nil
	return c
}

// room returns the last chunk, one with room for n more bytes. max is the record
// limit.
func (l *chunks) room(n, max int) *chunk {
	if t := l.tail; t != nil && t.room(max) >= n {
		return t
	}
	c, _ := l.grow(n, max)
	return c
}

// grow opens or enlarges the last chunk and returns it, and the memory of the
// smaller one whose place it took. One that stands behind others is large at once:
// there is load.
func (l *chunks) grow(n, most int) (c *chunk, was int) {
	t := l.tail
	if t != nil && len(t.buf)+n <= most && cap(t.buf)-sealRoom < min(most, largeChunk-sealRoom) {
		c, was = newChunk(ample(len(t.buf)+n, most)), cap(t.buf)
		l.replaceTail(c)
		c.adopt(t)
		return c, was
	}
	if t != nil {
		n = largest(n, most)
	}
	c = newChunk(ample(n, most))
	l.push(c)
	return c, 0
}

// ample is the room that a chunk for n bytes is given: between a few frames and as
// much as a chunk is filled with there is one size.
func ample(n, most int) int {
	if n > middleChunk-sealRoom {
		return largest(n, most)
	}
	return n
}

// largest is the room of a chunk that is filled as far as max allows.
func largest(n, most int) int { return max(n, min(most, largeChunk-sealRoom)) }

func (l *chunks) replaceTail(c *chunk) {
	if l.head == l.tail {
		l.head, l.tail = c, c
		return
	}
	p := l.head
	for p.next != l.tail {
		p = p.next
	}
	p.next, l.tail = c, c
}
