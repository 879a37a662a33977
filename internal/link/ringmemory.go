package link

import (
	"sync"

	"github.com/peermesh/peermesh/internal/limits"
)

// ringMemory is what a ring writes into, again from its beginning when it has come
// to its end. There are a few sizes, and a ring has the smallest that will do.
type ringMemory struct{ b []byte }

// The last size holds any record, and a full ring.
var ringSizes = [...]int{4 << 10, 16 << 10, limits.SentRing}

var ringPools [len(ringSizes)]sync.Pool

func ringSize(n int) int {
	for i, size := range ringSizes {
		if n <= size {
			return i
		}
	}
	return len(ringSizes) - 1
}

func newRingMemory(i int) *ringMemory {
	if m, ok := ringPools[i].Get().(*ringMemory); ok {
		return m
	}
	return &ringMemory{make([]byte, ringSizes[i])}
}

func (m *ringMemory) free() {
	if m != nil {
		ringPools[ringSize(len(m.b))].Put(m)
	}
}

// room sees to it that n bytes have room, in no more memory than most bytes need.
func (r *ring) room(n, most int) {
	have := -1
	if r.memory != nil {
		have = ringSize(len(r.memory.b))
	}
	need := ringSize(n)
	if have >= need && have <= max(need, ringSize(most)) {
		return
	}
	m := newRingMemory(need)
	if r.memory != nil {
		r.read(m.b[:0])
		r.memory.free()
	}
	r.memory, r.begin = m, 0
}

// write puts b behind what is kept.
func (r *ring) write(b []byte) {
	at := (r.begin + r.bytes) % len(r.memory.b)
	n := copy(r.memory.b[at:], b)
	copy(r.memory.b, b[n:])
	r.bytes += len(b)
}

// read appends what is kept to b.
func (r *ring) read(b []byte) []byte {
	at := r.begin % len(r.memory.b)
	tail := min(len(r.memory.b)-at, r.bytes)
	b = append(b, r.memory.b[at:at+tail]...)
	return append(b, r.memory.b[:r.bytes-tail]...)
}
