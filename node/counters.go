package node

import (
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/wire"
)

// forwardSample is of how many batches one is timed: two readings of the clock
// then cost a message nothing that can be measured.
const forwardSample = 64

// forwardBounds are the longest times that each bucket counts, a factor of 4
// apart: from a few frames to more than limits.TransitWait.
var forwardBounds = [...]time.Duration{
	time.Microsecond, 4 * time.Microsecond, 16 * time.Microsecond, 64 * time.Microsecond, 256 * time.Microsecond,
	time.Millisecond, 4 * time.Millisecond, 16 * time.Millisecond, 64 * time.Millisecond,
}

// counters count frames, and dials. Any goroutine.
type counters struct {
	forwarded                atomic.Uint64
	delivered                [wire.MaxHopLimit + 2]atomic.Uint64 // by links crossed
	forwardTimes             forwardTimes
	upkeep, links, pings     atomic.Uint64
	dialsLinked, dialsFailed atomic.Uint64
}

// forwardTimes count batches by how long it took to queue their frames onward.
type forwardTimes struct {
	buckets [len(forwardBounds) + 1]atomic.Uint64 // the last: longer
	total   atomic.Int64                          // ns
}

func (f *forwardTimes) add(took time.Duration) {
	i := 0
	for i < len(forwardBounds) && took > forwardBounds[i] {
		i++
	}
	f.buckets[i].Add(1)
	f.total.Add(int64(took))
}

func (f *forwardTimes) soFar() ForwardTimes {
	t := ForwardTimes{Total: time.Duration(f.total.Load()), Buckets: make([]TimeBucket, len(f.buckets))}
	for i := range f.buckets {
		if i < len(forwardBounds) {
			t.Buckets[i].AtMost = forwardBounds[i]
		}
		t.Buckets[i].Batches = f.buckets[i].Load()
		t.Batches += t.Buckets[i].Batches
	}
	return t
}

// deliveredSoFar tells how many frames came for this node, in all and by the
// links that they crossed.
func (c *counters) deliveredSoFar() (all uint64, by []HopsInfo) {
	by = []HopsInfo{}
	for hops := range c.delivered {
		if frames := c.delivered[hops].Load(); frames > 0 {
			all += frames
			by = append(by, HopsInfo{hops, frames})
		}
	}
	return all, by
}

// crossed adds what a batch brought.
func (c *counters) crossed(by *engine.Crossings) {
	c.upkeep.Add(by.Upkeep)
	c.links.Add(by.Links)
	c.pings.Add(by.Pings)
}

func (c *counters) upkeepSoFar() Upkeep {
	return Upkeep{MeshFrames: c.upkeep.Load(), LinkFrames: c.links.Load(), Pings: c.pings.Load()}
}
