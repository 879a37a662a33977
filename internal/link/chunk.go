package link

import (
	"sync"

	"github.com/peermesh/peermesh/internal/limits"
)

// A chunk holds length-prefixed frames of one class exactly as they go into a
// record. There are two sizes; both leave room for a record's tag so that
// sealing in place never reallocates.
type chunk struct {
	buf    []byte
	next   *chunk
	frames int
	kept   bool    // its frames go into the sent ring
	drafts []draft // of its frames, those that are not sealed yet, in their order
}

const (
	sealRoom   = 16
	smallChunk = 4 << 10
	largeChunk = limits.RecordPayload + sealRoom
)

var (
	smallChunks = sync.Pool{New: func() any { return &chunk{buf: make([]byte, 0, smallChunk)} }}
	largeChunks = sync.Pool{New: func() any { return &chunk{buf: make([]byte, 0, largeChunk)} }}
)

// newChunk returns an empty chunk with room for n bytes of frames.
func newChunk(n int) *chunk {
	if n <= smallChunk-sealRoom {
		return smallChunks.Get().(*chunk)
	}
	return largeChunks.Get().(*chunk)
}

func (c *chunk) free() {
	c.forgetDrafts()
	c.buf, c.next, c.frames, c.kept = c.buf[:0], nil, 0, false
	if cap(c.buf) < largeChunk {
		smallChunks.Put(c)
	} else {
		largeChunks.Put(c)
	}
}

// room is how many bytes of frames still fit under the record limit max.
func (c *chunk) room(max int) int { return min(cap(c.buf)-sealRoom, max) - len(c.buf) }

func (c *chunk) small() bool { return cap(c.buf) < largeChunk }

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

// append copies a run of n length-prefixed frames behind what is there,
// opening or enlarging the last chunk where needed. max is the record limit.
func (l *chunks) append(run []byte, n, max int) {
	t := l.room(len(run), max)
	t.buf = append(t.buf, run...)
	t.frames += n
}

// room returns the last chunk, one with room for n more bytes.
func (l *chunks) room(n, max int) *chunk {
	if t := l.tail; t != nil && t.room(max) >= n {
		return t
	}
	return l.grow(n, max)
}

func (l *chunks) grow(n, max int) *chunk {
	t := l.tail
	if t != nil && t.small() && len(t.buf)+n <= max {
		big := newChunk(largeChunk)
		l.replaceTail(big)
		big.adopt(t)
		return big
	}
	if t != nil { // under load: no need to begin small
		n = largeChunk
	}
	c := newChunk(n)
	l.push(c)
	return c
}

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
