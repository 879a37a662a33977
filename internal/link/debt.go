package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// debt is for how long a neighbour has taken nothing although something waits for
// it, of whatever class. A neighbour that takes a little now and then is slow, not
// gone: how old the oldest frame is says nothing of that.
type debt struct {
	taken  uint64    // bytes, when last looked at
	looked time.Time // when that was
	since  time.Time // when it grew last, or something began to be due; zero: nothing is
	grew   time.Time // when it grew last, whatever is due
}

// look is to be called with each tick. Where that did not happen for a while it was
// this node that stood still, and what came meanwhile is not read yet.
func (d *debt) look(now time.Time, h *handed) {
	if gap := now.Sub(d.looked); gap > limits.LateTick && !d.since.IsZero() {
		d.since = d.since.Add(gap)
	}
	d.looked = now
	grew := h.taken != d.taken
	if d.taken = h.taken; grew {
		d.grew = now
	}
	switch {
	case !h.overdue():
		d.since = time.Time{}
	case grew || d.since.IsZero():
		d.since = now
	}
}

// owed is for how long the neighbour has taken nothing although something waits.
func (l *Link) owed(now time.Time) time.Duration {
	if l.live.debt.since.IsZero() || !l.handed.overdue() {
		return 0
	}
	return now.Sub(l.live.debt.since)
}

// proved says that the neighbour answered a ping of late and takes nothing all the
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
// ping that is out nor acked anything.
func (l *Link) unread(now time.Time, long time.Duration) bool {
	v := &l.live
	return !v.pingAt.IsZero() && now.Sub(v.pingAt) >= long && now.Sub(v.debt.grew) >= long
}
