package session

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// scores tell how far first hops are to be trusted, over all peers: 0 is well,
// 1 is loses everything. Only hops that were blamed have one.
type scores struct {
	blamed atomic.Int32 // how many hops have a score, so that a healthy node takes no lock

	mu    sync.Mutex // guards what follows; taken after the lock of a peer
	byHop map[wire.ID]*score
}

// score is that of one hop.
type score struct {
	value   float64
	by      wire.ID // the first destination that made it blamed
	several bool    // another one did, too
	since   time.Duration
}

// The numbers of a score.
const (
	scoreWeight  = 1. / 4  // of one loss or success, as a moving average counts it
	scoreDoubted = 1. / 2  // from here on a hop is doubted
	scoreTried   = 3. / 8  // of a doubted hop that is tried again: one more loss and it is doubted again
	scoreClean   = 1. / 16 // below it a hop has proved itself and is forgotten
)

// blame notes that a copy to a destination was lost by way of hop. true: the
// hop is doubted now. One destination alone never makes a hop doubted: it could
// ack only what comes by its friends. Losses within limits.BlameGap count once,
// so that what one short outage took does not weigh more than it is.
func (s *scores) blame(hop, to wire.ID, at time.Duration) (doubted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byHop[hop]
	if x == nil {
		x = s.enter(hop, to, at)
	}
	x.several = x.several || x.by != to
	if x.value > 0 && at-x.since < limits.BlameGap {
		return false
	}
	x.since = at
	x.value += (1 - x.value) * scoreWeight
	if x.value < scoreDoubted || !x.several {
		return false
	}
	x.value = scoreTried
	return true
}

// enter makes a score for hop. Of too many the lowest goes.
func (s *scores) enter(hop, by wire.ID, at time.Duration) *score {
	if s.byHop == nil {
		s.byHop = make(map[wire.ID]*score)
	}
	if len(s.byHop) >= limits.ScoredHops {
		delete(s.byHop, s.lowest())
	}
	x := &score{by: by, since: at}
	s.byHop[hop] = x
	s.blamed.Store(int32(len(s.byHop)))
	return x
}

// lowest returns the hop that would be missed least: the lowest score, of equal
// ones the oldest, of those the lowest ID.
func (s *scores) lowest() (least wire.ID) {
	var low *score
	for hop, x := range s.byHop {
		if low == nil || x.value < low.value || x.value == low.value &&
			(x.since < low.since || x.since == low.since && string(hop[:]) < string(least[:])) {
			least, low = hop, x
		}
	}
	return least
}

// credit notes that a copy to a destination arrived by way of hop, which does
// not count for what was for hop itself.
func (s *scores) credit(hop, to wire.ID) {
	if s.blamed.Load() == 0 || hop == to {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byHop[hop]
	if x == nil {
		return
	}
	x.value -= x.value * scoreWeight
	if x.value < scoreClean {
		delete(s.byHop, hop)
		s.blamed.Store(int32(len(s.byHop)))
	}
}
