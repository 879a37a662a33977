package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// foreteller is a carrier that can tell when its reader is about to wait: it
// calls f then, once, on the goroutine that receives. f must neither block nor
// use the carrier. False: not this one, and f is never called.
type foreteller interface{ BeforeWait(f func()) bool }

// throttler is a carrier that can keep less of what was flushed waiting below
// itself.
type throttler interface{ Slow(slow bool) }

// Defer has f called on the reader goroutine once no more has arrived, before it
// waits for the peer. f is called at most once, and not if the link ends first;
// all it may do to links is [Link.Rouse]. False: the carrier cannot tell, and f is
// never called. From HandleBatch only.
func (l *Link) Defer(f func()) bool {
	c, ok := l.Carrier.(foreteller)
	return ok && c.BeforeWait(f)
}

// slow says whether the link is, by what the last flush took. The carrier is told
// of a change. Only the writer, which alone changes queue.slow, calls it.
func (l *Link) slow(took time.Duration, bytes uint64) bool {
	was := l.queue.slow
	if bytes < limits.SlowBatch/2 { // less says nothing of the rate
		return was
	}
	now := took.Seconds()*limits.SlowRate > float64(bytes)
	if c, ok := l.Carrier.(throttler); ok && now != was {
		c.Slow(now)
	}
	return now
}
