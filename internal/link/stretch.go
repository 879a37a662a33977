package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// stretch measures one stretch of the way to the neighbour: how fast bytes get through
// it, and how long they take at least. Moments are durations since the link began.
type stretch struct {
	done  uint64        // bytes that are through
	at    time.Duration // when that was so
	round crossing
	trip  time.Duration // the last round trip; 0: none yet
	trips uint32        // how many there were
	base  least
	rate  greatest
	clock time.Duration // the time that rate has seen: that of samples which the line alone has limited
	grown float64       // the rate when it had last grown by a quarter
	flat  int           // rounds since
	drain drain
}

// crossing is the time from when a byte is handed over until it is through.
type crossing struct {
	on    bool
	end   uint64        // that byte
	began time.Duration // when it was handed over
	done  uint64        // what was through then
	since time.Duration // when that was so
}

// handed begins a round if none is under way. before and end are the bytes handed
// over until and with this flush, and taken is what the neighbour has read.
func (s *stretch) handed(at time.Duration, before, end, taken uint64) {
	if taken >= before { // nothing was under way: what follows says nothing of the time before
		s.done, s.at = before, at
	}
	if s.round.on && at >= s.round.began {
		return
	}
	s.round = crossing{on: true, end: end, began: at, done: s.done, since: s.at}
}

// through notes what is through, and measures the rate if a round ends, the time of
// which it returns. limited is how many bytes were handed over when the last time
// nothing waited behind them.
func (s *stretch) through(at time.Duration, done uint64, past *sends, limited uint64) (trip time.Duration) {
	s.done, s.at = max(s.done, done), at
	r := &s.round
	if !r.on || s.done < r.end {
		return 0
	}
	r.on = false
	took := max(at-r.since, past.when(s.done)-past.when(r.done), limits.LineSample)
	if at < r.began {
		return 0 // the clock was set back
	}
	s.sample(float64(s.done-r.done)/took.Seconds(), took, limited > r.done)
	return at - r.began
}

// sample takes a rate. One of a time in which nothing waited counts only if it is
// greater than what was seen before.
func (s *stretch) sample(rate float64, took time.Duration, limited bool) {
	if limited && rate <= s.rate.value() {
		return
	}
	if span := s.span(); !limited {
		s.clock += min(took, span)
		s.rate.add(s.clock, rate, span)
		s.grow(rate)
	} else {
		s.rate.add(s.clock, rate, span)
	}
}

// span is for how long a rate counts.
func (s *stretch) span() time.Duration {
	return max(limits.LineRateRounds*s.base.value(), limits.LineRateSpan)
}

func (s *stretch) grow(rate float64) {
	switch {
	case s.flat >= limits.LineStartRounds:
	case rate >= s.grown*5/4:
		s.grown, s.flat = rate, 0
	default:
		s.flat++
	}
}

// limit is how many bytes may be on the stretch.
func (s *stretch) limit(segment int) int {
	base, rate := s.base.value(), s.rate.value()
	switch {
	case s.drain.on:
		return clampBytes(rate*base.Seconds()/2, limits.LineSegments*segment)
	case s.flat < limits.LineStartRounds:
		return clampBytes(rate*(3*base+limits.LineTarget).Seconds(), limits.LineStart*segment)
	}
	return clampBytes(rate*(base+max(limits.LineTarget, base-limits.LineTarget)).Seconds(), limits.LineSegments*segment)
}

func clampBytes(n float64, least int) int { return int(min(max(n, float64(least)), limits.LineMost)) }

// tripped takes a round trip.
func (s *stretch) tripped(at, trip time.Duration) {
	if trip <= 0 || trip > limits.LineTrip {
		return
	}
	s.trip = trip
	s.trips++
	was, d := s.base.value(), &s.drain
	s.base.add(at, trip)
	if d.on {
		d.least = min(d.least, trip)
		was = d.was
	}
	if trip > was+margin(was) || was == 0 || d.on && trip < was-margin(was) {
		return // no least one, or a lesser than was known: how much less will be seen
	}
	*d = drain{seen: at}
}

// margin is how much more than the least a round trip may be and count as the least.
func margin(least time.Duration) time.Duration { return max(least/10, limits.LineBaseNear) }

// look sees to it that the least round trip is seen from time to time: a queue of
// the line that this link keeps full by itself would hide it for ever. full says
// whether the limit holds something back, and on is what is on the stretch.
func (s *stretch) look(at time.Duration, full bool, on, segment int) {
	d := &s.drain
	switch {
	case s.trip == 0:
	case at < d.seen: // the clock was set back
		*d = drain{seen: at}
	case !d.on:
		if full && at-d.seen >= limits.LineBase {
			d.on, d.least, d.was = true, s.trip, s.base.value()
		}
	case on <= s.limit(segment) && d.settled(at, s.trip, s.trips, max(s.base.value(), limits.LineTarget)):
		s.base = least{now: d.least, began: at}
		*d = drain{seen: at}
	}
}

// drain is the search for the least round trip.
type drain struct {
	seen   time.Duration // when one near the least was seen
	on     bool
	was    time.Duration // the least round trip when it began
	least  time.Duration // that since
	last   time.Duration // the round trip when it was last looked at; 0: the line is not drained yet
	next   time.Duration // when to look again, if there were more
	trips  uint32        // how many there were then
	checks int
}

// settled says whether the round trip falls no more. What a system tells is mostly a
// mean, which follows slowly.
func (d *drain) settled(at, trip time.Duration, trips uint32, pause time.Duration) bool {
	if d.last != 0 && (at < d.next || trips == d.trips) {
		return false
	}
	first, fell := d.last == 0, trip < d.last-d.last/16
	d.last, d.next, d.trips = trip, at+pause, trips
	if first {
		return false
	}
	d.checks++
	return d.checks > 1 && !fell || d.checks >= limits.LineDrainChecks
}

// least is the least of the last one to two limits.LineBase.
type least struct {
	before, now time.Duration // of the last span and of this one; 0: none
	began       time.Duration // of this one
}

func (l *least) add(at, trip time.Duration) {
	switch gone := at - l.began; {
	case gone >= 2*limits.LineBase || gone < 0:
		*l = least{began: at}
	case gone >= limits.LineBase:
		*l = least{before: l.now, began: at}
	}
	l.now = lesser(l.now, trip)
}

func (l *least) value() time.Duration { return lesser(l.before, l.now) }

func lesser(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// greatest is the greatest rate of a span, by three samples (Nichols' windowed
// filter, as Linux has it for BBR).
type greatest [3]rateAt

type rateAt struct {
	rate float64 // bytes/s
	at   time.Duration
}

func (g *greatest) value() float64 { return g[0].rate }

func (g *greatest) add(at time.Duration, rate float64, span time.Duration) {
	s := rateAt{rate, at}
	if rate >= g[0].rate || at-g[2].at > span {
		g[0], g[1], g[2] = s, s, s
		return
	}
	if rate >= g[1].rate {
		g[1], g[2] = s, s
	} else if rate >= g[2].rate {
		g[2] = s
	}
	g.age(s, span)
}

// age passes the place of what is too old on, and sees to it that the three are of
// different times.
func (g *greatest) age(s rateAt, span time.Duration) {
	switch gone := s.at - g[0].at; {
	case gone > span:
		g[0], g[1], g[2] = g[1], g[2], s
		if s.at-g[0].at > span {
			g[0], g[1] = g[1], g[2]
		}
	case g[1].at == g[0].at && gone > span/4:
		g[1], g[2] = s, s
	case g[2].at == g[1].at && gone > span/2:
		g[2] = s
	}
}

// sends remembers when bytes were handed over, some round trips back.
type sends struct {
	ring [16]sentAt
	next int
}

type sentAt struct {
	bytes uint64 // handed over in all
	at    time.Duration
}

// add notes that so many bytes were handed over in all. Moments that are closer
// together than gap share an entry, the later one.
func (s *sends) add(at time.Duration, bytes uint64, gap time.Duration) {
	if last := &s.ring[(s.next+len(s.ring)-1)%len(s.ring)]; s.next > 0 && at-last.at < gap && at >= last.at {
		last.bytes = bytes
		return
	}
	s.ring[s.next%len(s.ring)] = sentAt{bytes, at}
	s.next++
}

// when is the moment at which a byte was handed over; of older ones than it knows
// the oldest moment that it does know.
func (s *sends) when(byte uint64) time.Duration {
	var best sentAt
	for i := max(0, s.next-len(s.ring)); i < s.next; i++ {
		if e := s.ring[i%len(s.ring)]; e.bytes >= byte && (best.bytes == 0 || e.bytes < best.bytes) {
			best = e
		}
	}
	return best.at
}
