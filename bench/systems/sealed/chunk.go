package sealed

import "sync"

const (
	// recordMax is the most bytes of frames in one record: 65,535 less the tag.
	recordMax = 65519
	smallCap  = 4 << 10
	largeCap  = 66 << 10
)

// chunk is one record to be: frames as they go on the wire, with room for the
// tag. It begins small, so that a link with little to say holds little.
type chunk struct {
	buf    []byte
	frames int
}

var (
	smallChunks = sync.Pool{New: func() any { return &chunk{buf: make([]byte, 0, smallCap)} }}
	largeChunks = sync.Pool{New: func() any { return &chunk{buf: make([]byte, 0, largeCap)} }}
)

// newChunk returns a chunk with room for n bytes of frames.
func newChunk(n int) *chunk {
	if n+tagLen > smallCap {
		return largeChunks.Get().(*chunk)
	}
	return smallChunks.Get().(*chunk)
}

func (c *chunk) free() {
	c.buf, c.frames = c.buf[:0], 0
	if cap(c.buf) == smallCap {
		smallChunks.Put(c)
		return
	}
	largeChunks.Put(c)
}

// add appends a run and returns the chunk that holds it: c, or a larger one.
func (c *chunk) add(run []byte, frames int) *chunk {
	if len(c.buf)+len(run)+tagLen > cap(c.buf) {
		larger := largeChunks.Get().(*chunk)
		larger.buf, larger.frames = append(larger.buf, c.buf...), c.frames
		c.free()
		c = larger
	}
	c.buf = append(c.buf, run...)
	c.frames += frames
	return c
}
