package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// meter measures what a carrier takes while something waits all the time. What it
// takes after a pause says less: a buffer takes it, if it is not too much for one.
type meter struct {
	bytes uint64        // flushed since the last pause or measurement
	busy  time.Duration // that it took
	rate  int           // bytes/s, measured last; 0: not yet

	since time.Time // of all, pauses included, since then
	all   uint64
}

// flushed is what a flush has shown.
type flushed struct {
	at    time.Time // when it ended
	took  time.Duration
	bytes uint64
}

// flushed notes a flush. more: something waits already.
func (m *meter) flushed(f flushed, more bool) {
	m.bytes += f.bytes
	m.busy += f.took
	if m.busy >= limits.RateTime || m.bytes >= limits.RateBytes && m.busy > 0 {
		m.rate = perSecond(m.bytes, m.busy)
		m.bytes, m.busy = 0, 0
	}
	if !more {
		m.bytes, m.busy = 0, 0
	}
	if m.rate > 0 {
		m.moved(f.at, f.bytes)
	}
}

// moved raises the rate to what has left in all, however it came to be flushed: where
// little waits there are pauses, and the rate may be why little waits.
func (m *meter) moved(now time.Time, bytes uint64) {
	if m.since.IsZero() {
		m.since = now
		return
	}
	if m.all += bytes; m.all < limits.RateBytes {
		return
	}
	m.rate = max(m.rate, perSecond(m.all-limits.RateBuffer, now.Sub(m.since)))
	m.since, m.all = now, 0
}

func perSecond(bytes uint64, d time.Duration) int {
	return max(1, int(float64(bytes)/max(d.Seconds(), 1e-6)))
}

// rate is how many bytes a second the carrier moves; 0: nothing is known. It needs mu.
func (l *Link) rate() int {
	switch {
	case l.line.ask == nil:
		return l.meter.rate
	case l.line.slow:
		return l.line.rate()
	}
	return limits.SlowRate
}

// pace has the queue fit the rate, and fill what a flush takes. It needs mu.
func (l *Link) pace() {
	l.queue.flush = 0
	if l.line.slow {
		l.queue.flush = l.line.flush(l.untaken())
	}
	l.queue.pace(l.rate(), l.since)
}

// pace changes the layout of the queue when the link turns slow, or fast again. The
// clock is read only then.
func (q *queue) pace(rate int, now func() time.Duration) {
	if rate == 0 {
		return
	}
	q.rate = rate
	switch {
	case q.flows == nil && rate < limits.FlowRate:
		q.apart(now())
	case q.flows != nil && rate > limits.FlowRate+limits.FlowRate/4 && q.flows.slots.used == 0: // what is in pieces ends so
		q.pour()
	}
}

// since is the time since the link began. It needs mu.
func (l *Link) since() time.Duration { return l.Clock().Sub(l.began) }
