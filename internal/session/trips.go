package session

import (
	"sync/atomic"
	"time"
)

// roundTrips is the mean of what the sessions of a node measured. Any goroutine.
type roundTrips struct{ sum, sessions atomic.Int64 }

// change notes that a session measured another round trip than before; 0: none.
func (r *roundTrips) change(before, after time.Duration) {
	r.sum.Add(int64(after - before))
	switch {
	case before == 0 && after != 0:
		r.sessions.Add(1)
	case before != 0 && after == 0:
		r.sessions.Add(-1)
	}
}

// mean returns the mean, 0 where nothing was measured.
func (r *roundTrips) mean() time.Duration {
	n := r.sessions.Load()
	if n <= 0 {
		return 0
	}
	return time.Duration(max(r.sum.Load(), 0) / n)
}
