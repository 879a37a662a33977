package link

import (
	"bytes"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

func record(frames ...[]byte) *chunk {
	c := newChunk(largeChunk)
	for _, f := range frames {
		c.buf = append(c.buf, f...)
		c.frames++
	}
	return c
}

func small(m byte) []byte { return testFrame(wire.ClassAck, 50, m) }

func TestRingGivesBackWhatWasNotTaken(t *testing.T) {
	for _, c := range []struct {
		name string
		ack  uint64
		ok   bool
		want []byte
	}{
		{"nothing acked", 0, true, []byte{1, 2, 3, 4, 5}},
		{"part of a record", 2, true, []byte{3, 4, 5}},
		{"a whole record", 3, true, []byte{4, 5}},
		{"all", 5, true, nil},
		{"more than was sent", 6, false, []byte{1, 2, 3, 4, 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r ring
			r.keep(record(small(1), small(2), small(3)), limits.SentRing)
			r.keep(record(small(4), small(5)), limits.SentRing)
			if _, ok := r.ack(c.ack); ok != c.ok {
				t.Errorf("ack %d: got %v, want %v", c.ack, ok, c.ok)
			}
			if got := marks(t, r.take()); !bytes.Equal(got, c.want) {
				t.Errorf("given back: got %v, want %v", got, c.want)
			}
			if !r.empty() || r.bytes != 0 {
				t.Errorf("after take: %d bytes are left", r.bytes)
			}
		})
	}
}

func TestRingIsBounded(t *testing.T) {
	var r ring
	big := testFrame(wire.ClassInteractive, 10_000, 1)
	for range 100 {
		r.keep(record(big), limits.SentRing)
	}
	if r.bytes > limits.SentRing {
		t.Errorf("bytes: got %d, want at most %d", r.bytes, limits.SentRing)
	}
	if _, ok := r.ack(100); !ok || !r.empty() {
		t.Error("a count of frames that were pushed out is refused")
	}
}

// An ack tells when the newest record that it is for has left.
func TestRingKnowsWhenRecordsLeft(t *testing.T) {
	var r ring
	first, second := time.Unix(1, 0), time.Unix(2, 0)
	r.keep(record(small(1)), limits.SentRing)
	r.left(func() time.Time { return first })
	r.keep(record(small(2)), limits.SentRing)
	r.left(func() time.Time { return second })
	r.keep(record(small(3)), limits.SentRing)
	for count, want := range []time.Time{{}, first, second, {}} {
		if at, ok := r.ack(uint64(count)); !ok || !at.Equal(want) {
			t.Errorf("ack of %d: got %v, want %v", count, at, want)
		}
	}
}
