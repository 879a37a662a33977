package session

import (
	"sync"

	"github.com/peermesh/peermesh/internal/limits"
)

// framePool lends memory for frames that are handed to Emit.
type framePool struct{ small, large sync.Pool }

// get lends memory of at least n bytes.
func (f *framePool) get(n int) *[]byte {
	pool, size := &f.small, limits.Scratch
	if n > size {
		pool, size = &f.large, limits.MaxFrame
	}
	if b, ok := pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, max(n, size))
	return &b
}

// put takes back what get lent.
func (f *framePool) put(b *[]byte) {
	if cap(*b) > limits.Scratch {
		f.large.Put(b)
	} else {
		f.small.Put(b)
	}
}
