package session

import (
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// A path is what is known of one first hop to one peer: what is on its way by it
// and how long that takes. Guarded by the lock of the peer.
type path struct {
	hop    wire.ID
	flight list          // messages whose last copy left by hop, in the order of their counters
	left   time.Duration // when the last copy left
	newest time.Duration // when the newest copy left of which we know that it arrived
	fresh  bool          // newest is news

	// RFC 6298; srtt is 0 until something was measured
	srtt, rttvar time.Duration

	control control  // how much may be under way
	got     int      // bytes of copies that have arrived, as the ack that is looked at tells
	last    snapshot // of the newest of them
	marks   uint64   // copies that relays marked

	since    time.Duration // when the timer was set last, by an ack that named something new, by its end, or as the own link held the oldest copy
	timeouts uint8         // how often it has gone off since such an ack
	others   bool          // what was sent again last took another first hop: there is one
	mark     mark          // of the oldest copy
}

// mark is what the own link was seen to hold of a copy, see Config.Holds.
type mark struct{ copy, at uint64 }

// departure is what is noted of a copy that leaves: the transmission names it, so
// that what is acked is never taken for another copy of the same message.
type departure struct {
	copy     uint64        // see transmission; 0: none left
	at       time.Duration // see path.depart
	snapshot               // of the control of the path at that time
}

func newPath(hop *wire.ID) *path { return &path{hop: *hop, control: newControl()} }

// pathBy returns the path by hop, making one if need be.
func (o *outbox) pathBy(hop *wire.ID, at time.Duration) *path {
	for i, f := range o.paths {
		if !wire.SameID(&f.hop, hop) {
			continue
		}
		if f.flight.n == 0 && at-f.left >= limits.LeadLife {
			o.paths[i] = newPath(hop) // what was known of it is old
		}
		return o.paths[i]
	}
	o.forget()
	f := newPath(hop)
	o.paths = append(o.paths, f)
	return f
}

// pathOf returns the path by hop, nil if there is none.
func (o *outbox) pathOf(hop *wire.ID) *path {
	for _, f := range o.paths {
		if wire.SameID(&f.hop, hop) {
			return f
		}
	}
	return nil
}

// forget makes room for one more path: of those by which nothing is on its way the
// oldest go.
func (o *outbox) forget() {
	for len(o.paths) >= limits.Paths {
		oldest := -1
		for i, f := range o.paths {
			if f.flight.n == 0 && (oldest < 0 || f.left < o.paths[oldest].left) {
				oldest = i
			}
		}
		if oldest < 0 {
			return
		}
		o.paths = slices.Delete(o.paths, oldest, oldest+1)
	}
}

// depart puts m, of which a copy has just left, into the flight; rto is that of the
// path. A caller may have
// looked at the clock before one whose copy left first: the times of one flight are
// those of its order all the same, since losses are concluded from them.
func (f *path) depart(m *Pending, copy uint64, size int, at, rto time.Duration) {
	if f.flight.n == 0 {
		f.timeouts = m.timeouts // what no first hop has brought so far is no news of this one
	}
	f.left = max(f.left, at)
	m.last = departure{copy, f.left, f.control.depart(size, f.left, rto)}
	m.path = f
	f.flight.push(m)
}

// arrived notes that the copy d has arrived, for certain.
func (f *path) arrived(d *departure, at time.Duration) {
	f.newest, f.fresh = max(f.newest, d.at), true
	f.since, f.timeouts = at, 0
	f.got += int(d.size)
	if d.number > f.last.number {
		f.last = d.snapshot
	}
}

// sample takes a round trip of a copy whose receiver took delay of it to ack. That
// is the receiver's word: it never makes the sample shorter than the shortest round
// trip that was seen.
func (f *path) sample(trip, delay, at time.Duration) {
	if trip <= 0 || trip > limits.LeadLife {
		return // a clock has jumped
	}
	f.control.base.add(trip, at)
	trip = max(trip-delay, min(trip, f.control.base.least()))
	if f.srtt == 0 {
		f.srtt, f.rttvar = trip, trip/2
		return
	}
	f.rttvar += ((f.srtt - trip).Abs() - f.rttvar) / 4
	f.srtt += (trip - f.srtt) / 8
}

// overtaken moves those to again that left no later than the given time: they
// were sent before one that arrived, by the same hop.
func (f *path) overtaken(until time.Duration, o *outbox) {
	for m := f.flight.head; m != nil && m.last.at <= until; m = f.flight.head {
		o.past.add(m, true)
		f.control.lose(m.last.number)
		m.cut()
		m.stay = !m.stayed
		o.again.push(m)
	}
}

// leastTrip is the least round trip of the last 10 to 20 s.
type leastTrip struct {
	now, before time.Duration // of this span and the one before; 0: none was seen
	since       time.Duration // when this span began
}

// baseSpan is one of the two spans of a leastTrip.
const baseSpan = 10 * time.Second

func (l *leastTrip) add(trip, at time.Duration) {
	switch past := at - l.since; {
	case past >= 2*baseSpan || past < 0:
		*l = leastTrip{since: at}
	case past >= baseSpan:
		*l = leastTrip{before: l.now, since: at}
	}
	if l.now == 0 || trip < l.now {
		l.now = trip
	}
}

// least returns it, 0 while none was seen.
func (l *leastTrip) least() time.Duration {
	if l.before != 0 && l.before < l.now {
		return l.before
	}
	return l.now
}

// pastKept is how many copies an outbox remembers that are not the last ones.
const pastKept = 32

// past remembers copies that were given up, since they may have arrived all the
// same: only their own acks tell how long such a copy took.
type past struct {
	ring *[pastKept]pastCopy // nil: none yet
	next int
}

type pastCopy struct {
	departure
	id   uint64 // of its message
	path *path
	lost bool // it was taken for lost
}

// add remembers the copy of m that is on its way, if one is, and whether it is taken
// for lost.
func (o *past) add(m *Pending, lost bool) {
	if m.path == nil {
		return
	}
	if o.ring == nil {
		o.ring = new([pastKept]pastCopy)
	}
	o.ring[o.next%pastKept] = pastCopy{m.last, m.id, m.path, lost}
	o.next++
}

// take returns what is remembered of a copy and forgets it; nil: nothing is.
func (o *past) take(copy uint64) *pastCopy {
	if o.ring == nil {
		return nil
	}
	for i := range o.ring {
		if c := o.ring[i]; c.copy == copy && c.path != nil {
			o.ring[i] = pastCopy{}
			return &c
		}
	}
	return nil
}
