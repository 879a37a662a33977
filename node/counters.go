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

// counters count frames, and dials. Any goroutine.
type counters struct {
	forwarded                atomic.Uint64
	delivered                [wire.MaxHopLimit + 2]atomic.Uint64 // by links crossed
	forwardTimes             times
	signalTimes              times // of links over WebRTC, from the offer to the proof
	upkeep, links, pings     atomic.Uint64
	dialsLinked, dialsFailed atomic.Uint64
	yields                   atomic.Uint64 // of readers whose links brought more than their budget
}

// times count how long something took, in buckets a factor of 4 apart.
type times struct {
	first   time.Duration     // the longest that the first bucket counts
	buckets [10]atomic.Uint64 // the last: longer than all others
	total   atomic.Int64      // ns
}

// The first buckets: a few frames to more than limits.TransitWait, and a link on
// this machine to more than limits.SignalTimeout.
const (
	forwardFirst = time.Microsecond
	signalFirst  = time.Millisecond
)

// most is the longest time that bucket i counts.
func (t *times) most(i int) time.Duration { return t.first << (2 * i) }

func (t *times) add(took time.Duration) {
	i := 0
	for i < len(t.buckets)-1 && took > t.most(i) {
		i++
	}
	t.buckets[i].Add(1)
	t.total.Add(int64(took))
}

func (t *times) soFar() Times {
	all := Times{Total: time.Duration(t.total.Load()), Buckets: make([]TimeBucket, len(t.buckets))}
	for i := range t.buckets {
		if i < len(t.buckets)-1 {
			all.Buckets[i].AtMost = t.most(i)
		}
		all.Buckets[i].Count = t.buckets[i].Load()
		all.Count += all.Buckets[i].Count
	}
	return all
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
