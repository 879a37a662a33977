package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// Line is what a carrier knows of the line below it: transport.Line, which says what
// the fields mean.
type Line struct {
	Held    int
	Lost    int
	RTT     time.Duration
	Segment int
}

// carrierLine decides how much a slow link's carrier may hold, and what its neighbour may
// have left unread: what is beyond waits in the link's queue, where those take turns
// who share it. A link is slow until the neighbour is seen to take limits.SlowRate.
// Nothing here costs anything on a link that is not slow. Guarded by Link.mu.
type carrierLine struct {
	ask     func() (Line, bool) // of Config; nil: the carrier cannot tell
	start   time.Time           // what moments count from
	slow    bool                // the limits hold
	held    bool                // there was no room when it was last looked
	asleep  bool                // and nobody looks again before a timer, or an ack, says so
	since   time.Duration       // when something was last seen to get through, or began to be held
	segment int
	trip    time.Duration // the round trip when the link began: that of an empty line, mostly
	last    int           // bytes of the last flush
	limited uint64        // bytes handed over when nothing waited behind them
	m       *stretches    // nil: nothing had to be measured yet

	row    rowOfFlushes
	ticked [2]uint64 // bytes handed over and taken at the last tick
	tickAt time.Duration
}

// stretches are the two parts of the way that are measured: the carrier, and all of it
// until the neighbour has read. A proxy, or a neighbour that is slow to read, makes the two
// differ.
type stretches struct {
	carrier, read stretch
	past          sends
}

// measure begins to.
func (n *carrierLine) measure(at time.Duration, taken uint64) {
	n.m = &stretches{carrier: stretch{done: taken, at: at}, read: stretch{done: taken, at: at}}
	if at < limits.LineBase {
		n.m.carrier.tripped(at, n.trip)
	}
	// What the first packets took is not yet what full ones do, or one that is behind
	// a whole first flush: look for the least round trip soon.
	soon := at + limits.LineRateSpan - limits.LineBase
	n.m.carrier.drain.seen, n.m.read.drain.seen = soon, soon
}

func newLine(ask func() (Line, bool), now time.Time) carrierLine {
	n := carrierLine{ask: ask, start: now, segment: limits.LineSegment}
	if ask != nil {
		var first Line
		first, n.slow = ask()
		n.trip = first.RTT
	}
	if !n.slow { // nothing can be known here, now or ever
		n.ask = nil
	}
	if n.trip > 0 && n.trip < limits.LineBaseNear/2 { // a machine's own, or a LAN: what it does tells when it is slow
		n.slow = false
	}
	return n
}

// startLimit is the limit of a link of which nothing is known.
const startLimit = limits.LineStart * limits.LineSegment

// limit is how many bytes the carrier may hold.
func (n *carrierLine) limit() int {
	if n.m == nil {
		return startLimit
	}
	return n.m.carrier.limit(n.segment)
}

// unread is how many bytes the neighbour may have left unread.
func (n *carrierLine) unread() int {
	if n.m == nil {
		return 2 * startLimit
	}
	if r := &n.m.read; !r.drain.on {
		return 2 * r.limit(n.segment)
	}
	return n.m.read.limit(n.segment)
}

// rate is how many bytes get through in a second; 0: not known.
func (n *carrierLine) rate() int {
	if n.m == nil {
		return 0
	}
	c, r := n.m.carrier.rate.value(), n.m.read.rate.value()
	if r == 0 || c != 0 && c < r {
		return int(c)
	}
	return int(r)
}

// base is the least round trip; 0: not known.
func (n *carrierLine) base() time.Duration {
	if n.m == nil {
		return 0
	}
	return n.m.carrier.base.value()
}

func (n *carrierLine) stats() LineStats {
	if n.m == nil {
		return LineStats{}
	}
	return LineStats{Rate: n.rate(), Base: n.base(), Limit: n.limit()}
}

// flush is how many bytes the next flush takes. out is how many the neighbour has not
// read.
func (n *carrierLine) flush(out int) int {
	rate := n.rate()
	if rate == 0 {
		return max(startLimit-out, limits.SlowBatchMin)
	}
	return int(min(max(float64(rate)*limits.SlowBatchTime.Seconds(), limits.SlowBatchMin), limits.SlowBatch))
}

// pause is how long to wait for room at most before looking again.
func (n *carrierLine) pause() time.Duration {
	return min(max(n.base()/4, limits.LineWaitMin), limits.LinkTick)
}

// room says whether the next flush may go; if not, the link is held. handed is how
// many bytes were given to the carrier, and taken how many of them the neighbour has
// read. Whoever calls it owns the carrier's sending side.
func (n *carrierLine) room(now time.Time, handed, taken uint64) bool {
	if !n.slow {
		return true
	}
	at := now.Sub(n.start)
	full := n.full(at, handed, taken)
	if full && !n.held {
		n.since = at
	}
	n.held, n.asleep = full, full
	return !full
}

// full says whether there is no room for a flush. The carrier is asked only if what
// the neighbour has read leaves the answer open.
func (n *carrierLine) full(at time.Duration, handed, taken uint64) bool {
	out, limit := int(handed-taken), n.limit()
	unread := out-n.last > n.unread() // a long frame is read when all of it is there
	if n.m != nil {
		n.m.read.look(at, unread, out, n.segment)
	}
	if !unread && out < limit-step(limit) && !n.draining() {
		return false
	}
	on, ok := n.look(at, handed, taken)
	if !ok {
		n.leave()
		n.ask = nil
		return false
	}
	limit = n.limit()
	full := on > 0 && on >= limit-step(limit)
	n.m.carrier.look(at, full, on, n.segment)
	if n.draining() {
		n.limited = handed
	}
	return full || unread
}

// draining says that the line is drained to see its least round trip.
func (n *carrierLine) draining() bool {
	return n.m != nil && (n.m.carrier.drain.on || n.m.read.drain.on)
}

// step is how much room makes a flush worth while.
func step(limit int) int { return min(limits.LineStep, limit/4) }

// look asks the carrier: on is what it holds and has not lost. What it says is not
// believed against what is known.
func (n *carrierLine) look(at time.Duration, handed, taken uint64) (on int, ok bool) {
	line, ok := n.ask()
	if !ok {
		return 0, false
	}
	if n.m == nil {
		n.measure(at, taken)
	}
	if line.Segment > 0 {
		n.segment = min(line.Segment, limits.LineSegment)
	}
	c := &n.m.carrier
	held := min(max(line.Held, 0), int(handed-min(max(c.done, taken), handed)))
	before := c.done
	trip := c.through(at, handed-uint64(held), &n.m.past, n.limited)
	if c.done > before {
		n.since = at
	}
	if line.RTT > 0 && line.RTT <= limits.LineTrip {
		trip = line.RTT
	}
	c.tripped(at, trip)
	return held - min(max(line.Lost, 0), held), true
}

// handed notes a flush: before and after are the bytes given to the carrier until
// then, taken is what the neighbour has read, and more says whether something waits
// behind the flush.
func (n *carrierLine) handed(now time.Time, before, after, taken uint64, more bool) {
	if !n.slow {
		return
	}
	at := now.Sub(n.start)
	n.last = int(after - before)
	if n.m != nil {
		n.m.past.add(at, after, max(n.base()/8, limits.LineWaitMin))
		n.m.carrier.handed(at, before, after, taken)
		n.m.read.handed(at, before, after, taken)
	}
	if !more && n.roomy(int(after-taken)) {
		n.limited = after
	}
}

// roomy says that there was room for more when so much was unread. Without that it
// is the line that limits, though nothing waits just now: CoDel may have dropped it.
func (n *carrierLine) roomy(out int) bool {
	if n.m == nil {
		return true
	}
	most := max(n.limit(), n.m.read.limit(n.segment))
	return out < most-step(most)
}

// took notes what the neighbour has read. It says whether the link is slow no more.
func (n *carrierLine) took(now time.Time, taken uint64) (fast bool) {
	if !n.slow {
		return false
	}
	at := now.Sub(n.start)
	n.since, n.asleep = at, false
	if n.m == nil {
		return false
	}
	r := &n.m.read
	r.tripped(at, r.through(at, taken, &n.m.past, n.limited))
	if n.blames(r.rate.value(), n.m.carrier.trip) {
		return false
	}
	n.leave()
	return true
}

// leave ends the limits.
func (n *carrierLine) leave() { n.slow, n.held, n.asleep, n.m = false, false, false, nil }

// flushed notes what a flush took on a link that is not slow, and whether that was
// much. One flush may have been slow because its machine was; the link is if those in
// a row have taken limits.LinkTick.
func (n *carrierLine) flushed(f flushed, slow bool, taken uint64) {
	if n.slow || !slow {
		n.row = rowOfFlushes{}
		return
	}
	n.row.took += f.took
	n.row.bytes += f.bytes
	if n.row.took >= limits.LinkTick {
		n.enter(f.at, float64(n.row.bytes)/n.row.took.Seconds(), taken)
		n.row = rowOfFlushes{}
	}
}

// rowOfFlushes are slow ones in a row.
type rowOfFlushes struct {
	took  time.Duration
	bytes uint64
}

// enter begins the limits on a link that seems slow, at the rate that it was seen to
// have, if its line is to blame. Only a carrier that can tell of its line has them.
func (n *carrierLine) enter(now time.Time, rate float64, taken uint64) {
	if n.slow || n.ask == nil {
		return
	}
	if l, ok := n.ask(); !ok || !n.blames(rate, l.RTT) {
		return
	}
	at := now.Sub(n.start)
	n.slow, n.since = true, at
	n.measure(at, taken)
	n.m.carrier.sample(rate, 0, true)
	n.m.read.sample(rate, 0, true)
}

// blames says whether a rate is the line's. Where nearly no time passes on the line,
// and not little gets through, it is a machine that has too much to do.
func (n *carrierLine) blames(rate float64, trip time.Duration) bool {
	return rate < limits.SlowRate && (rate < limits.SlowRate/4 || trip >= limits.LineBaseNear)
}

// tick looks at a link that is not slow: what was handed over before the last tick
// and is not read, beyond what an ack may leave out, tells that it is.
func (n *carrierLine) tick(now time.Time, handed, taken uint64) {
	at := now.Sub(n.start)
	before, gone := n.ticked, at-n.tickAt
	n.ticked, n.tickAt = [2]uint64{handed, taken}, at
	if n.slow || gone < limits.LinkTick/2 || before[0] < taken+limits.AckBytes {
		return
	}
	n.enter(now, float64(taken-before[1])/gone.Seconds(), taken)
}

// excuse forgets for how long nothing has got through.
func (n *carrierLine) excuse(now time.Time) { n.since = now.Sub(n.start) }

// stuck says that nothing has got through for so long although something waits.
func (n *carrierLine) stuck(now time.Time) bool {
	return n.held && now.Sub(n.start)-n.since >= limits.WriteStall
}
