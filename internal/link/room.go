package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// Room in the queue of a slow link is what its line takes in limits.SlowQueueTime.
// An ingress may fill two thirds of what the others leave (dynamic thresholds,
// Choudhury and Hahne, 1998), so that one flood leaves a third to who comes next;
// one that brings several sources, which may be inventions, no more than half of all.

// Returned is the source number of frames that come back from another link, which is
// suspect or has ended. Links have numbers below.
const Returned = ^uint64(0)

// most is how many bytes may wait.
func (q *queue) most() int {
	if q.flows == nil {
		return limits.LinkQueue
	}
	return min(max(q.within(limits.SlowQueueTime), limits.SlowQueueMin), limits.LinkQueue)
}

// within is how many bytes a slow link takes in so long.
func (q *queue) within(d time.Duration) int { return int(float64(q.rate) * d.Seconds()) }

// share is how many bytes one source may have waiting.
func (q *queue) share(in *inlet) int {
	if q.flows != nil {
		return q.slowShare(in)
	}
	n := len(q.turn)
	if !in.active {
		n++
	}
	return max(limits.LinkQueue/n, limits.LinkQueueShareMin)
}

// slowShare is at least limits.SlowQueueMin, unless much more waits than may: one frame
// may be longer than the room, and while it leaves others have to get in.
func (q *queue) slowShare(in *inlet) int {
	most := q.most()
	share := 2 * (most - (q.waits() - in.bytes)) / 3
	if in.sources > 1 {
		share = min(share, most/2)
	}
	if q.bytes < most+limits.MaxFrame {
		return max(share, limits.SlowQueueMin)
	}
	return max(share, limits.FlowQuantum)
}

// fits says whether n more bytes of in may wait; one run always may, and on a slow
// link one frame while there is room in all.
func (q *queue) fits(in *inlet, n int) bool {
	return q.flows == nil && !in.stalled && in.bytes+n <= limits.LinkQueueShareMin || q.fitsShare(in, n)
}

func (q *queue) fitsShare(in *inlet, n int) bool {
	share := q.share(in)
	if in.stalled {
		if in.bytes > share/2 {
			return false
		}
		in.stalled = false
	}
	return in.bytes+n <= share || in.bytes == 0 && (q.flows == nil || q.waits() < q.most())
}

// admits says whether a frame of n bytes may wait on a slow link. f is its flow; nil:
// a new one. Beyond the share of its ingress there is a little room for frames of
// flows that have little waiting, so that they need not wait for a flood that comes
// by the same link; and for urgent ones of this node.
func (q *queue) admits(in *inlet, f *flow, class wire.Class, n int) (ok, light bool) {
	waiting := 0
	if f != nil {
		waiting = f.bytes
	}
	switch {
	case urgent(in.src, class) && q.urgent+n <= limits.OwnUrgent, q.fits(in, n):
		return true, false
	case waiting+n <= limits.FlowQuantum && in.light+n <= limits.LightFlows:
		return true, true
	}
	return false, false
}

// urgent says that a frame is one of this node's own that keep the mesh together or
// let a sender go on. Nobody holds them back for later.
func urgent(src uint64, class wire.Class) bool {
	return src == Self && class < wire.ClassInteractive
}

// ample says that as much of this node's own acknowledged messages waits in a flow as
// may: a frame, or what leaves soon. The rest is better kept by who sends it, who
// knows until when it is of use.
func (q *queue) ample(f *flow, src uint64, class wire.Class, n int) bool {
	return src == Self && class == wire.ClassInteractive && f != nil && f.frames.head != nil && f.bytes+n > q.within(limits.OwnQueueTime)
}

// roomy says whether there is room worth waking somebody for, who then moves many
// frames each time: half of the share or, on a slow link, one turn.
func (q *queue) roomy(in *inlet) bool {
	share := q.share(in)
	if q.flows != nil {
		return in.bytes+min(share/2, limits.FlowQuantum) <= share
	}
	return in.bytes <= share/2
}

// refused notes that a frame was, and returns why. Who sends acknowledged messages
// keeps the frame and is told of room by [Config.OnRoom]; nobody waits for room for
// it. It needs mu.
func (l *Link) refused(src uint64, class wire.Class, a Admission) Admission {
	if src == Self && class < wire.ClassBulk {
		l.starved = true
	}
	return a
}

// tellRoom calls OnRoom if own frames were refused and there is room for some again:
// in a flow that had none, or for all. When it is other links that hold the node's
// memory, nobody tells. It needs mu.
func (l *Link) tellRoom() {
	q := &l.queue
	if l.starved && l.affords(limits.MaxRun) {
		in := q.inlet(Self)
		q.ready = q.ready || in.bytes <= q.share(in)/2
	}
	if !q.ready {
		return
	}
	q.ready, l.starved = false, false
	if l.OnRoom != nil {
		l.OnRoom()
	}
}
