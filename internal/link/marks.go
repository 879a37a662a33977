package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// standing says whether a flow has a standing queue: all of its frames have waited
// long, for some time. A burst has none, nor has a lone large frame.
type standing struct {
	since time.Duration // when the first of these left
	long  bool          // there was one
}

// left notes that a frame leaves that has waited so long.
func (s *standing) left(now, waited time.Duration) (stands bool) {
	switch {
	case waited <= limits.MarkWait:
		s.long = false
	case !s.long:
		s.long, s.since = true, now
	default:
		return now-s.since >= limits.MarkAfter
	}
	return false
}

// mark marks the frame in c, which leaves a flow, if its queue stands. This node's
// own are held back in place of that: see queue.admits.
func (f *flow) mark(c *chunk, now time.Duration) {
	frame := c.buf[wire.BatchHeader:]
	if f.key.src == Self || f.key.src == Returned || len(frame) < wire.HeaderLen || !wire.Markable(frame) {
		return
	}
	if f.standing.left(now, now-c.at) {
		wire.MarkFrame(frame)
	}
}
