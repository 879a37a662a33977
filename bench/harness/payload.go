package harness

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"sync/atomic"
)

const (
	// MinSize is the shortest message that can be checked: a sequence number
	// of 8 bytes at each end.
	MinSize = 16
	// probeLen is the length of the probes that [open] sends until a path
	// carries messages. Shorter than any message, so late probes are ignored.
	probeLen = 8
	// sampleEvery: the checksum of each 64th message is verified. CRC-32C of
	// 1 KiB costs ~50 ns, so a message bears under 1 ns of it.
	sampleEvery = 64
	// windowBits is how far behind the newest message a late one can still be
	// told from a duplicate. It exceeds what any system keeps under way.
	windowBits = 1 << 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// source makes the messages of one direction: sequence number, a fixed random
// body, the sequence number again.
type source struct {
	msg  []byte
	next uint64
}

func newSource(size int) *source {
	msg := make([]byte, size)
	random := rand.NewChaCha8([32]byte{'b', 'e', 'n', 'c', 'h'})
	_, _ = random.Read(msg) // never fails
	return &source{msg: msg}
}

// message returns the next message, valid until the next call.
func (s *source) message() []byte {
	binary.BigEndian.PutUint64(s.msg, s.next)
	binary.BigEndian.PutUint64(s.msg[len(s.msg)-8:], s.next)
	s.next++
	return s.msg
}

func (s *source) body() []byte { return s.msg[8 : len(s.msg)-8] }

// Faults counts what must not happen to messages. Late ones are only allowed
// to systems that do not promise order.
type Faults struct {
	Corrupt   uint64 `json:"corrupt"`
	Duplicate uint64 `json:"duplicate"`
	Late      uint64 `json:"late"`
}

// checker verifies the messages of one direction. take is called by one
// goroutine at a time; delivered may be read by any.
type checker struct {
	size      int
	sum       uint32
	next      uint64 // newest sequence number + 1
	seen      [windowBits / 64]uint64
	delivered atomic.Uint64
	corrupt   atomic.Uint64
	duplicate atomic.Uint64
	late      atomic.Uint64
}

// newChecker returns the checker of the messages that s makes.
func newChecker(s *source) *checker {
	return &checker{size: len(s.msg), sum: crc32.Checksum(s.body(), castagnoli)}
}

// take checks one message and reports whether it counts as delivered.
func (c *checker) take(msg []byte) bool {
	seq, ok := c.sequence(msg)
	if !ok {
		c.corrupt.Add(1)
		return false
	}
	if !c.fresh(seq) {
		c.duplicate.Add(1)
		return false
	}
	c.delivered.Add(1)
	return true
}

func (c *checker) sequence(msg []byte) (uint64, bool) {
	if len(msg) != c.size {
		return 0, false
	}
	seq := binary.BigEndian.Uint64(msg)
	if binary.BigEndian.Uint64(msg[len(msg)-8:]) != seq {
		return 0, false
	}
	if seq%sampleEvery == 0 && crc32.Checksum(msg[8:len(msg)-8], castagnoli) != c.sum {
		return 0, false
	}
	return seq, true
}

// fresh marks seq as seen and reports whether it had not been.
func (c *checker) fresh(seq uint64) bool {
	if seq < c.next {
		return c.lateFresh(seq)
	}
	c.forget(seq)
	c.next = seq + 1
	c.seen[seq/64%uint64(len(c.seen))] |= 1 << (seq % 64)
	return true
}

// forget clears the words of the window that seq is the first to reach.
func (c *checker) forget(seq uint64) {
	first := (c.next + 63) / 64
	for w := max(first, seq/64-min(seq/64, uint64(len(c.seen)-1))); w <= seq/64; w++ {
		c.seen[w%uint64(len(c.seen))] = 0
	}
}

func (c *checker) lateFresh(seq uint64) bool {
	if c.next-seq > windowBits-64 {
		return false
	}
	word, bit := &c.seen[seq/64%uint64(len(c.seen))], uint64(1)<<(seq%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	c.late.Add(1)
	return true
}

func (c *checker) faults() Faults {
	return Faults{Corrupt: c.corrupt.Load(), Duplicate: c.duplicate.Load(), Late: c.late.Load()}
}
