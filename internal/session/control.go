package session

import (
	"time"
)

// control is the congestion window of one peer by one first hop (docs/adr/045).
// It obeys the marks of relays, which measure their own queues, and losses;
// delay only where it is far above the least: carriers are reliable, so a packet
// that is lost below them looks like delay. It is arithmetic alone: times and
// counters come in, and nothing is kept for each copy but its snapshot.
type control struct {
	window    int  // bytes that may be under way
	inflight  int  // bytes that are
	quantum   int  // the largest message lately
	slowStart bool // the window grows by all that is acked
	full      bool // at the last look the window alone held a message back
	limited   bool // at the last look nothing waited

	rate        float64       // bytes/s that arrive, smoothed; 0: not known
	measured    bool          // rate tells what the way can do: more waited than it took
	delivered   uint64        // bytes acked
	deliveredAt time.Duration // when the last of them were, or when the first copy left after nothing had been under way
	used        time.Duration // when something left or was acked last
	base        leastTrip

	sent     uint64        // copies that left: the last one has this number
	roundEnd uint64        // the ack of a copy with a higher number ends the round
	cutEnd   uint64        // what has no higher number had left at the last cut
	least    time.Duration // round trip of this round; 0: none
	marks    bool          // some copy of this round was marked
	marked   int           // marked rounds in a row
	calm     int           // rounds without marks in which the window grew, since the last cut
	late     int           // late rounds in a row
	atFloor  bool          // the round began at the floor
	floored  int           // marked rounds in a row that did

	before     int  // the window before it was cut for what may not have been lost; 0: it was not
	beforeSlow bool // slowStart then

	ghosts [2]ghost // copies whose messages have ended, the older generation first
}

// snapshot is what a copy remembers of the control that it left by.
type snapshot struct {
	number      uint64 // of the copy, from 1
	delivered   uint64
	deliveredAt time.Duration
	size        uint32 // bytes of the copy
	limited     bool
}

// ghost is what is under way of messages that have ended: nobody needs it any
// more, but it is on the line.
type ghost struct {
	bytes int
	since time.Duration // when the last of their messages ended
	until uint64        // the ack of the copy with this number or a later one tells that all of it has landed
}

// progress is what one ack frame tells.
type progress struct {
	at     time.Duration
	bytes  int           // of the copies that have arrived
	left   snapshot      // of the newest of them; zero: none is by this first hop
	rtt    time.Duration // from the newest; 0: none
	marked bool          // relays have marked something since the ack before
}

// The numbers of the window.
const (
	windowStart  = 16 << 10 // the ten packets of RFC 6928: 2 s at 64 kbit/s
	windowMost   = 64 << 20 // 10 Gbit/s for 50 ms
	quantumLeast = 1_500    // bytes: no message is so small that more than one packet is too much

	cutFirst = 0.85 // RFC 8511: marks come early
	cutAgain = 0.5
	cutLeast = 0.9 // of the window remains at most after marks
	cutTime  = 10 * time.Millisecond

	calmSlow   = 3 // rounds in which the window grows by a sixteenth; from then on by a quarter
	lateLeast  = 500 * time.Millisecond
	lateRounds = 2
	floorLeast = 2 // marked rounds at the floor after which one message at a time is left
	idleLeast  = time.Second
)

func newControl() control {
	return control{window: windowStart, quantum: quantumLeast, slowStart: true, limited: true}
}

// floor is the least window: two messages, so that the line is busy while an
// ack comes back, and one where even that leaves a standing queue.
func (c *control) floor() int {
	if c.floored >= floorLeast {
		return c.quantum
	}
	return 2 * c.quantum
}

// room reports whether a copy of that many bytes may leave.
func (c *control) room(bytes int) bool {
	return c.inflight == 0 || c.inflight+bytes <= max(c.window, c.floor())
}

// look notes how a look at what waits ended: whether something still waits, and
// whether it is the window that holds it back.
func (c *control) look(waits, window bool) { c.limited, c.full = !waits, window }

// depart notes a copy that leaves, and returns what it has to remember. After rto
// with nothing under way what was learnt counts as old.
func (c *control) depart(bytes int, at, rto time.Duration) snapshot {
	if c.inflight == 0 {
		c.resume(at, rto)
	}
	c.inflight += bytes
	c.sent++
	c.used = at
	if bytes > c.quantum {
		c.quantum = bytes
	} else {
		c.quantum -= (c.quantum - max(bytes, quantumLeast)) / 16
	}
	return snapshot{c.sent, c.delivered, c.deliveredAt, uint32(bytes), c.limited}
}

// resume begins anew after nothing was under way.
func (c *control) resume(at, rto time.Duration) {
	c.deliveredAt = at
	if at-c.used < max(idleLeast, rto) {
		return
	}
	c.window = min(c.window, max(windowStart, c.floor()))
	c.slowStart, c.full, c.limited, c.measured = true, false, true, false
	c.calm, c.marked, c.late, c.floored = 0, 0, 0, 0
	c.marks, c.least, c.roundEnd, c.cutEnd = false, 0, c.sent, c.sent
}

// ack takes what an ack tells: once for each ack, whatever it ends. What it ends is
// told to land beside.
func (c *control) ack(a *progress) {
	if a.bytes > 0 {
		c.delivered += uint64(a.bytes)
		c.deliveredAt, c.used = a.at, a.at
	}
	switch {
	case c.slowStart && a.marked:
		c.cut(cutAgain, cutLeast)
		c.beginRound()
	case c.slowStart && c.full:
		c.window = min(c.window+a.bytes, windowMost)
	case a.marked:
		c.marks = true
	}
	if a.left.number == 0 {
		return
	}
	c.exorcise(a.left.number)
	c.sample(a)
	if a.rtt > 0 && (c.least == 0 || a.rtt < c.least) {
		c.least = a.rtt
	}
	if a.left.number > c.roundEnd {
		c.endRound()
	}
}

// sample measures the rate since the snapshot of the newest copy, that is over
// its round trip at least.
func (c *control) sample(a *progress) {
	took := a.at - a.left.deliveredAt
	bytes := c.delivered - a.left.delivered
	if took <= 0 || bytes == 0 || a.left.delivered > c.delivered {
		return
	}
	sample := float64(bytes) / took.Seconds()
	switch {
	case c.rate == 0, !c.measured && !a.left.limited && sample > c.rate:
		c.rate = sample // what the sender kept low tells nothing that is worth a mean
	case a.left.limited && sample < c.rate:
	default:
		c.rate += (sample - c.rate) / 8
	}
	if !a.left.limited && !(c.slowStart && c.full) {
		c.measured = true
	}
}

// endRound ends a round: a copy that left in it has been acked.
func (c *control) endRound() {
	late := c.isLate()
	switch {
	case c.marks:
		c.before = 0
		if c.atFloor {
			c.floored++
		}
		c.marked++
		part := cutFirst
		if c.marked > 1 {
			part = cutAgain
		}
		c.cut(part, cutLeast)
	case late && c.window > windowStart: // what everybody begins with makes no such queue
		c.cut(cutFirst, cutLeast)
		c.window = max(c.window, windowStart)
	default:
		c.marked, c.floored = 0, 0
		if c.full && !c.slowStart {
			c.grow()
		}
	}
	c.beginRound()
}

func (c *control) beginRound() {
	c.marks, c.least, c.roundEnd = false, 0, c.sent
	if c.calm > calmSlow {
		c.before = 0 // long ago
	}
	c.atFloor = c.window <= c.floor()
}

// isLate reports whether queues stand that nobody marks.
func (c *control) isLate() bool {
	base := c.base.least()
	if !c.full || c.least <= base+max(lateLeast, 2*base) {
		c.late = 0
		return false
	}
	if c.late++; c.late < lateRounds {
		return false
	}
	c.late = 0
	return true
}

// grow takes a share of the window more.
func (c *control) grow() {
	share := c.window / 16
	if c.calm++; c.calm > calmSlow {
		share = c.window / 4
	}
	c.window = min(c.window+max(c.quantum, share), windowMost)
}

// cut cuts the window to a part, but not below what the way was seen to carry, and
// in any case to most of it. What it carries is reckoned for cutTime at least: on a
// LAN the least round trip says nothing of what keeps the pipeline full.
func (c *control) cut(part, most float64) {
	window := float64(c.window)
	product := c.rate*max(c.base.least(), cutTime).Seconds() + float64(c.quantum)
	c.window = max(c.floor(), int(min(most*window, max(product, part*window))))
	c.slowStart, c.calm, c.cutEnd = false, 0, c.sent
}

// lose notes that the copy with that number is known to be lost. A window that is
// no more than what arrives in a round trip leaves no queue: then it is not the
// window that makes for losses.
func (c *control) lose(number uint64) {
	if number > c.cutEnd {
		c.remember()
		c.cut(cutAgain, 1)
	}
}

// remember keeps the window as it is for undo.
func (c *control) remember() {
	if c.before == 0 {
		c.before, c.beforeSlow = c.window, c.slowStart
	}
}

// undo notes that a copy has arrived that was given up: nothing was lost, a round
// trip has become longer (RFC 4015).
func (c *control) undo() {
	if c.before > 0 {
		c.window, c.slowStart, c.before = max(c.window, c.before), c.beforeSlow, 0
	}
}

// expire notes that nothing was acked for a whole timeout.
func (c *control) expire() {
	c.land(c.ghosts[0].bytes + c.ghosts[1].bytes)
	c.ghosts = [2]ghost{}
	c.remember()
	c.window = max(c.floor(), c.window/2)
	c.slowStart, c.calm, c.cutEnd = false, 0, c.sent
}

// land notes that bytes are not under way any more.
func (c *control) land(bytes int) { c.inflight = max(c.inflight-bytes, 0) }

// abandon notes that a copy is under way of a message that has ended. Its bytes
// count until something that left later has landed: else messages with less time
// than a round trip would know no window.
func (c *control) abandon(bytes int, number uint64, at time.Duration) {
	c.inflight += bytes
	g := &c.ghosts[1]
	g.bytes += bytes
	g.since = at
	g.until = max(g.until, number)
	if c.ghosts[0].bytes == 0 {
		c.ghosts[0], c.ghosts[1] = c.ghosts[1], ghost{}
	}
}

// exorcise lets go of what left before a copy that has landed.
func (c *control) exorcise(number uint64) {
	for c.ghosts[0].bytes > 0 && number >= c.ghosts[0].until {
		c.land(c.ghosts[0].bytes)
		c.delivered += uint64(c.ghosts[0].bytes)
		c.ghosts[0], c.ghosts[1] = c.ghosts[1], ghost{}
	}
}

// fade lets go of what no ack has told of for rto, and returns when more of it will
// be due, 0 for never.
func (c *control) fade(at, rto time.Duration) time.Duration {
	for c.ghosts[0].bytes > 0 {
		if due := c.ghosts[0].since + rto; at < due {
			return due
		}
		c.land(c.ghosts[0].bytes)
		c.ghosts[0], c.ghosts[1] = c.ghosts[1], ghost{}
	}
	return 0
}

// pace returns the rate by which to judge how long what waits will take, 0
// where it is not known: one that grows with the window, or that the sender
// itself kept low, says nothing of the way.
func (c *control) pace() float64 {
	if !c.measured {
		return 0
	}
	return c.rate
}
