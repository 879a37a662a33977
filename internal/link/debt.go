package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// debt is what a neighbour has not acked, be it still in the ring, pushed out of it
// or on another way meanwhile: the age of the oldest record that is kept says
// nothing of a neighbour that never acks while newer ones push it out.
type debt struct {
	told  uint64    // the neighbour's count when last looked at
	since time.Time // when it grew last, or frames began to be owed; zero: none are
	grew  time.Time // when it grew last, whatever is owed
}

// look is to be called with each tick.
func (d *debt) look(now time.Time, r *ring) {
	if r.told != d.told {
		d.grew = now
	}
	switch {
	case r.told >= r.out:
		d.since = time.Time{}
	case d.since.IsZero() || r.told != d.told:
		d.since = now
	}
	d.told = r.told
}

// owed is for how long the neighbour has acked nothing although frames wait for it.
func (l *Link) owed(now time.Time) time.Duration {
	if l.live.debt.since.IsZero() || l.ring.empty() {
		return 0
	}
	return now.Sub(l.live.debt.since)
}

// proved says that the neighbour answered a ping of late and acks nothing all the
// same: another one soon would tell nothing new.
func (l *Link) proved(now time.Time) bool {
	return l.owed(now) > l.live.rto() && now.Sub(l.live.pinged) < limits.IdleTick
}

// unacked says that the neighbour acks nothing and has no excuse: it has answered a
// ping that left of late, so it has read what left before; or it talks and answers no
// ping either, so it reads nothing.
func (l *Link) unacked(now time.Time) bool {
	return l.owed(now) >= limits.AckPatience &&
		(now.Sub(l.live.pinged) < limits.AckPatience/2 || now.Sub(l.live.heardAt) < limits.AckPatience/2 && l.unread(now, limits.AckPatience/2))
}

// unread says that the neighbour has taken nothing for so long: neither answered the
// ping that is out nor acked a frame.
func (l *Link) unread(now time.Time, long time.Duration) bool {
	v := &l.live
	return !v.pingAt.IsZero() && now.Sub(v.pingAt) >= long && now.Sub(v.debt.grew) >= long
}
