package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// What a link retains for its neighbour is charged to the budget of the node: the
// chunks that wait, those whose bytes the carrier has and has not written, the ring,
// the link frames, and frames that have come in part. All of it is capacity, not length.

// charge brings the account up to date. It needs mu.
func (l *Link) charge() {
	l.account.Set(l.queue.held + l.flight + l.ring.held() + l.parts + cap(l.control.buf))
}

// affords says whether the node's budget lets n more bytes wait here: the link that
// holds most is the first to be refused. One on which nothing waits may take what
// is left. It needs mu.
func (l *Link) affords(n int) bool {
	return l.account.Fits(n, l.queue.bytes+l.flight == 0)
}

// settle closes the account of a link that has ended, once nothing waits or is kept
// any more: what does goes another way first, see Leftover. It needs mu.
func (l *Link) settle() {
	if l.charge(); l.ended && l.queue.bytes == 0 && l.ring.empty() {
		l.account.Close()
	}
}

// ringMost is how many bytes the ring may keep: half of what the link may hold, so
// that there is room for what waits. It needs mu.
func (l *Link) ringMost() int { return min(l.account.Share()/2, limits.SentRing) }

// left notes that the carrier has written what it was given. It needs mu.
func (l *Link) left(clock func() time.Time) {
	l.ring.left(clock)
	l.handed.left()
	l.flight = 0
	l.charge()
	l.tellRoom()
}
