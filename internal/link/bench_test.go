package link

import (
	"fmt"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// discard is a carrier that is done at once.
type discard struct{ Carrier }

func (discard) Max() int                { return limits.MaxRecord }
func (discard) Send([]byte) error       { return nil }
func (discard) Flush() error            { return nil }
func (discard) TryFlush() (bool, error) { return true, nil }
func (discard) Close() error            { return nil }

// BenchmarkForward is what a relay's link costs per frame on the fast path: runs
// of frames are appended and taken as records.
func BenchmarkForward(b *testing.B) {
	for _, c := range []struct {
		size, run int
		class     wire.Class
	}{{142, 32, wire.ClassBulk}, {1_200, 16, wire.ClassBulk}, {1_200, 16, wire.ClassInteractive}, {1_200, 1, wire.ClassBulk}} {
		b.Run(fmt.Sprintf("%s/%d x %d B", c.class, c.run, c.size), func(b *testing.B) {
			l := New(Config{Number: 1, Carrier: discard{}, Wake: func() {}}, time.Now())
			var run []byte
			for range c.run {
				run = append(run, testFrame(c.class, c.size, 1)...)
			}
			now := time.Now()
			b.ReportAllocs()
			b.SetBytes(int64(c.size))
			for i := 0; b.Loop(); i++ {
				if i%c.run != 0 {
					continue
				}
				l.give(7, c.class, run, c.run)
				if i%64 == 0 {
					l.Pump(now)
					l.OnAck(now, l.allTaken())
				}
			}
		})
	}
}

// BenchmarkOwn is what an own frame costs on a quiet link.
func BenchmarkOwn(b *testing.B) {
	l := New(Config{Number: 1, Carrier: discard{}}, time.Now())
	frame := testFrame(wire.ClassBulk, 142, 1)[wire.BatchHeader:]
	b.ReportAllocs()
	for b.Loop() {
		l.inlineAt = time.Time{}
		l.AppendOwn(wire.ClassBulk, frame)
	}
}

// BenchmarkSlow is what a frame costs on a slow link, of so many senders.
func BenchmarkSlow(b *testing.B) {
	for _, senders := range []int{1, 100, 2_000} {
		b.Run(fmt.Sprint(senders), func(b *testing.B) {
			l := newSlow(b, 8*mbit)
			frames := make([][]byte, senders)
			for i := range frames {
				frames[i] = dataFrame(wire.ClassInteractive, i, 1, 1_000)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				for l.AppendFrame(uint64(1+i%50), wire.ClassInteractive, frames[i%senders]) != Queued {
					l.flush()
				}
			}
		})
	}
}
