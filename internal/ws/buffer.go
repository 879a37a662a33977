package ws

import "sync"

// The sizes of pooled buffers in bytes: a few small messages, half a batch, a
// whole batch (limits.LinkBatch and the headers around its records). A buffer
// that outgrew the last one is left to the garbage collector.
var bufferSizes = [...]int{4 << 10, 32 << 10, 144 << 10}

var bufferPools [len(bufferSizes)]sync.Pool

// buffer is bytes waiting to be written; those before off have been.
type buffer struct {
	b   []byte
	off int
}

// newBuffer returns an empty buffer with room for n bytes.
func newBuffer(n int) *buffer {
	for i, size := range bufferSizes {
		if n > size {
			continue
		}
		if b, ok := bufferPools[i].Get().(*buffer); ok {
			return b
		}
		return &buffer{b: make([]byte, 0, size)}
	}
	return &buffer{b: make([]byte, 0, n)}
}

// free gives the buffer back. The caller keeps no reference.
func (b *buffer) free() {
	for i, size := range bufferSizes {
		if cap(b.b) == size {
			b.b, b.off = b.b[:0], 0
			bufferPools[i].Put(b)
			return
		}
	}
}

// add returns a buffer that holds what b holds (nil: nothing) and p after it:
// b itself while p fits.
func (b *buffer) add(p []byte) *buffer {
	b = b.room(len(p))
	b.b = append(b.b, p...)
	return b
}

// room returns a buffer that holds what b holds (nil: nothing) and has room for
// n bytes after it: b itself if it can be.
func (b *buffer) room(n int) *buffer {
	switch {
	case b == nil:
		return newBuffer(n)
	case len(b.b)+n > cap(b.b):
		return b.grown(n)
	}
	return b
}

// grown moves what is left of b to a buffer with room for n more bytes.
func (b *buffer) grown(n int) *buffer {
	need := len(b.rest()) + n
	if need > bufferSizes[len(bufferSizes)-1] {
		need *= 2
	}
	next := newBuffer(need)
	next.b = append(next.b, b.rest()...)
	b.free()
	return next
}

// rest is what has not been written.
func (b *buffer) rest() []byte { return b.b[b.off:] }
