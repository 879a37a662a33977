package link

import (
	"math"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// codel says when a flow of datagrams has a standing queue that its sender should
// hear of, by a drop (RFC 8289). The times are those of the link.
type codel struct {
	above    time.Duration // if the head waits too long until then, it is dropped; 0: it does not
	next     time.Duration // when the next one is dropped
	dropping bool
	count    int // dropped since dropping began
	last     int // count when that began
}

// late says whether the head of a flow, which has waited so long, may be dropped.
// only: it is the only frame, or of a class that is not dropped.
func (c *codel) late(now, waited time.Duration, only bool) bool {
	switch {
	case waited < limits.CoDelTarget || only:
		c.above = 0
	case c.above == 0:
		c.above = now + limits.CoDelInterval
	default:
		return now >= c.above
	}
	return false
}

// begin notes the first drop.
func (c *codel) begin(now time.Duration) {
	more := c.count - c.last
	c.count = 1
	if more > 1 && now-c.next < 16*limits.CoDelInterval {
		c.count = more // it has not been long: go on as often as then
	}
	c.dropping, c.last, c.next = true, c.count, c.after(now)
}

// again notes a further drop.
func (c *codel) again() {
	c.count++
	c.next = c.after(c.next)
}

// after is when to drop after a drop: the longer it takes, the sooner.
func (c *codel) after(at time.Duration) time.Duration {
	return at + time.Duration(float64(limits.CoDelInterval)/math.Sqrt(float64(c.count)))
}

// watch drops from the head of a flow, whose turn it is, what CoDel says.
func (q *queue) watch(f *flow, now time.Duration) {
	c := &f.codel
	late := func() bool {
		head := f.frames.head
		return c.late(now, now-head.at, head.kept || head.next == nil)
	}
	switch yes := late(); {
	case c.dropping:
		c.dropping = yes
		for c.dropping && now >= c.next {
			q.drop(f)
			c.again()
			c.dropping = late()
		}
	case yes:
		q.drop(f)
		late()
		c.begin(now)
	}
}
