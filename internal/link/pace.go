package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// throttler is a carrier that can keep less of what was flushed waiting below
// itself.
type throttler interface{ Slow(slow bool) }

// open says whether what waits may go to the carrier now. It needs mu, and the
// carrier's sending side.
func (l *Link) open() bool {
	switch {
	case l.queue.bytes == 0:
		return false
	case !l.line.slow:
		return true
	case l.line.asleep:
		return false
	}
	open := l.line.room(l.Clock(), l.handed.bytes, l.handed.read())
	if !open {
		l.throttle(true)
		l.busy()
	}
	l.pace()
	return open
}

// throttle tells the carrier whether the link is slow, if that is news.
func (l *Link) throttle(slow bool) {
	if slow == l.throttled {
		return
	}
	l.throttled = slow
	if c, ok := l.Carrier.(throttler); ok {
		c.Slow(slow)
	}
}

// judge looks at what a flush took. A link over a carrier that cannot tell of its
// line is slow by that alone; over another one it begins to be, and the neighbour's
// acks tell when it no longer is. It needs mu.
func (l *Link) judge(f flushed) {
	enough := f.bytes >= limits.SlowBatch/2 // less says nothing of the rate
	slow := f.took.Seconds()*limits.SlowRate > float64(f.bytes)
	switch {
	case l.line.ask != nil:
		if enough {
			l.line.flushed(f, slow, l.handed.read())
		}
	default:
		if enough {
			l.throttle(slow)
			l.queue.slow = slow
		}
		l.meter.flushed(f, l.pending())
	}
	l.pace()
}

// wasRead notes what the neighbour says it has read, and has the writer look whether
// there is room now. It needs mu.
func (l *Link) wasRead(now time.Time, taken uint64) {
	if taken <= l.handed.taken {
		return
	}
	l.handed.taken = taken
	if !l.line.slow {
		return
	}
	slept := l.line.asleep
	if l.line.took(now, taken) {
		l.throttle(false)
		l.pace()
	}
	if slept {
		l.awake()
	}
}

// awake has what waits looked at again. It needs mu.
func (l *Link) awake() {
	l.line.asleep = false
	switch {
	case l.ended:
	case l.Wake != nil:
		l.Wake()
	case !l.writing && l.pending():
		l.writer.Signal()
	}
}

// tickLine looks at the rates, both ways. It needs mu.
func (l *Link) tickLine(now time.Time) {
	l.owing.look(now, l.rx.bytes.Load())
	if l.line.ask != nil && !l.line.slow {
		l.line.tick(now, l.handed.bytes, l.handed.read())
		l.pace()
	}
}
