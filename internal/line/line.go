package line

import (
	"math/rand/v2"
	"time"
)

// Fate is what becomes of a packet.
type Fate uint8

// The fates.
const (
	Passed Fate = iota // it arrives
	Full               // the buffer had no room for it: it was not sent
	Lost               // it was sent and does not arrive
)

// Stats count what became of the packets so far.
type Stats struct {
	Sent    uint64 // bytes sent, of lost packets too
	Packets uint64 // the same in packets
	Full    uint64 // packets that found no room
	Lost    uint64 // packets that were sent and do not arrive
}

// Line is one direction of a line. It is not for concurrent use.
type Line struct {
	cfg   Config
	rand  *rand.Rand
	stats Stats

	waiting []packet // that are not sent yet, in order, from first on; the first of them is being sent
	first   int
	bytes   int           // of them
	free    time.Duration // when all are sent
	last    time.Duration // when the last one in order arrives
}

// packet is one that is not sent yet.
type packet struct {
	size int
	sent time.Duration
}

// New returns an idle line. The randomness is needed for jitter, loss and
// reordering alone; nil is right without them.
func New(cfg Config, random *rand.Rand) *Line { return &Line{cfg: cfg, rand: random} }

// Change gives the line other properties for the packets to come. Those that wait
// keep the times that they have.
func (l *Line) Change(cfg Config) { l.cfg = cfg }

// Config returns the properties of the line.
func (l *Line) Config() Config { return l.cfg }

// Stats returns the counters.
func (l *Line) Stats() Stats { return l.stats }

// Offer puts a packet of size bytes on the line and tells when it arrives, if it
// does. now must not be before that of the call before.
func (l *Line) Offer(now time.Duration, size int) (arrives time.Duration, fate Fate) {
	l.settle(now)
	if !l.room(size) {
		l.stats.Full++
		return 0, Full
	}
	sent := now
	if l.cfg.bounded() {
		sent = l.cfg.sent(max(now, l.free), size)
		l.free = sent
		l.waiting = append(l.waiting, packet{size, sent})
		l.bytes += size
	}
	l.stats.Sent += uint64(size)
	l.stats.Packets++
	if l.chance(l.cfg.Loss) {
		l.stats.Lost++
		return 0, Lost
	}
	return l.arrival(sent), Passed
}

// Room is when a packet of size bytes finds room, now at the earliest. One that is
// longer than the buffer finds it when nothing waits.
func (l *Line) Room(now time.Duration, size int) time.Duration {
	l.settle(now)
	packets, bytes := len(l.waiting)-l.first, l.bytes
	for _, p := range l.waiting[l.first:] {
		if l.fits(packets, bytes, l.waiting[len(l.waiting)-packets].size, size) {
			break
		}
		now = max(now, p.sent)
		packets--
		bytes -= p.size
	}
	return now
}

// Queued is what waits, the packet that is being sent included.
func (l *Line) Queued(now time.Duration) (packets, bytes int) {
	l.settle(now)
	return len(l.waiting) - l.first, l.bytes
}

// settle forgets what was sent by now.
func (l *Line) settle(now time.Duration) {
	for l.first < len(l.waiting) && l.waiting[l.first].sent <= now {
		l.bytes -= l.waiting[l.first].size
		l.first++
	}
	if l.first > len(l.waiting)/2 {
		l.waiting = l.waiting[:copy(l.waiting, l.waiting[l.first:])]
		l.first = 0
	}
}

// room says whether a packet may wait.
func (l *Line) room(size int) bool {
	packets, head := len(l.waiting)-l.first, 0
	if packets > 0 {
		head = l.waiting[l.first].size
	}
	return l.fits(packets, l.bytes, head, size)
}

// fits says whether a packet may wait behind others, of which the first, of head
// bytes, is being sent.
func (l *Line) fits(packets, bytes, head, size int) bool {
	if packets == 0 {
		return true // it is sent at once
	}
	if l.cfg.Packets > 0 && packets-1 >= l.cfg.Packets {
		return false
	}
	return l.cfg.Bytes == 0 || bytes-head+size <= l.cfg.Bytes
}

// arrival is when a packet arrives.
func (l *Line) arrival(sent time.Duration) time.Duration {
	at := sent + l.cfg.Delay
	if l.cfg.Jitter > 0 {
		at += time.Duration(l.rand.Int64N(int64(l.cfg.Jitter) + 1))
	}
	if l.chance(l.cfg.Reorder) {
		return at + l.cfg.Lag
	}
	l.last = max(l.last, at)
	return l.last
}

func (l *Line) chance(share float64) bool { return share > 0 && l.rand.Float64() < share }
