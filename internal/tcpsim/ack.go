package tcpsim

import (
	"slices"
	"time"
)

// report is what an ack tells a congestion control.
type report struct {
	now     time.Duration
	acked   int           // bytes that were not known to have arrived
	rtt     time.Duration // of the newest segment; 0: none
	least   time.Duration // least round trip so far
	rate    float64       // bytes/s; 0: none measured
	limited bool          // the rate is what the application gave
	pipe    int
	round   bool // a round trip has ended
	used    bool // the window held something back
	repair  bool // what a loss took is being sent again
}

// acked takes the ack of a packet.
func (s *sender) acked(p *packet) {
	now := s.e.clock.Now()
	s.edge = max(s.edge, p.edge)
	r := report{now: now}
	newest := s.arrived(p, &r)
	if newest != nil {
		s.measure(newest, now, &r)
		s.undo(p)
		s.progress, s.timeouts = now, 0
	}
	s.detect(now)
	if s.recovering && s.una >= s.recovery {
		s.recovering, s.timedOut = false, 0
		s.control.recovered()
	}
	if newest != nil {
		r.pipe, r.least, r.repair = s.pipe, s.rtt.least, s.recovering && s.timedOut == 0
		r.used = s.used()
		s.control.ack(&r)
		s.rto.stop()
	}
	if len(s.flight) > 0 || s.next < s.wrote {
		if s.rto.due == 0 {
			s.rto.set(now + s.rtt.timeout(s.timeouts))
		}
	} else {
		s.rto.stop()
	}
	s.send()
}

// used says whether the window is what held the sender back of late.
func (s *sender) used() bool {
	peak, window := max(s.peak, s.lastPeak), s.control.window()
	if s.control.slowStart() {
		return window < 2*peak
	}
	return peak+2*Segment > window
}

// arrived notes what a packet acknowledges and returns the segment of it that left
// last.
func (s *sender) arrived(p *packet, r *report) (newest *segment) {
	take := func(g *segment) {
		r.acked += g.len()
		s.delivered += int64(g.len())
		if g.lost {
			s.find(g)
		} else {
			s.pipe -= g.len()
		}
		if g.copies > 1 {
			s.again--
		}
		if newest == nil || g.sent >= newest.sent {
			newest = g
		}
	}
	n := 0
	for ; n < len(s.flight) && s.flight[n].end <= p.ack; n++ {
		if g := s.flight[n]; g.sacked {
			s.sacked -= g.len()
		} else {
			if s.sacked > 0 && g.copies == 1 {
				s.reordered = true
			}
			take(g)
		}
	}
	s.flight = s.flight[n:]
	s.una = max(s.una, p.ack)
	for _, known := range p.ranges {
		i, _ := slices.BinarySearchFunc(s.flight, known.from, func(g *segment, from int64) int { return int(g.from - from) })
		for ; i < len(s.flight) && s.flight[i].end <= known.end; i++ {
			if g := s.flight[i]; !g.sacked {
				g.sacked = true
				s.sacked += g.len()
				take(g)
			}
		}
	}
	return newest
}

// measure takes the round trip and the rate by the newest segment that arrived.
func (s *sender) measure(g *segment, now time.Duration, r *report) {
	s.deliveredAt = now
	if g.copies == 1 {
		r.rtt = now - g.sent
		s.rtt.sample(r.rtt)
	}
	if first := g.copies > 1 && now-g.sent < s.rtt.least; g.sent >= s.rack && !first { // else an earlier copy arrived
		s.rack, s.rackEnd, s.rackRTT = g.sent, g.end, now-g.sent
	}
	span := max(now-g.deliveredAt, g.sent-g.firstSent)
	if span > 0 && span >= s.rtt.least {
		r.rate, r.limited = float64(s.delivered-g.delivered)/span.Seconds(), g.limited
	}
	s.firstSent = g.sent
	if s.limited > 0 && s.delivered > s.limited {
		s.limited = 0
	}
	if r.round = g.delivered >= s.roundEnd; r.round {
		s.roundEnd = s.delivered
		s.lastPeak, s.peak = s.peak, s.pipe
	}
}

// undo takes a timeout back that was none: what arrived left before it.
func (s *sender) undo(p *packet) {
	if s.timedOut == 0 || p.echo >= s.timedOut || p.echo == 0 {
		return
	}
	for _, g := range s.flight {
		if g.lost {
			s.find(g)
			s.pipe += g.len()
		}
	}
	s.timedOut, s.recovering = 0, false
	s.control.undo()
}

// look is the timer of segments that may still be overtaken alone.
func (s *sender) look() {
	s.detect(s.e.clock.Now())
	s.send()
}

// provesLoss is how many segments behind one prove its loss, while none was seen to
// overtake others.
const provesLoss = 3 * Segment

// detect finds what was lost: what left before the newest segment that arrived, and
// a little more than a round trip ago (RFC 8985).
func (s *sender) detect(now time.Duration) {
	if s.sacked == 0 && s.again == 0 {
		s.reorder.stop()
		return
	}
	patience := s.rtt.least / 4
	if !s.reordered && s.sacked >= provesLoss {
		patience = 0
	}
	var due time.Duration
	lost := false
	for _, g := range s.flight {
		if g.sent > s.rack || g.sent == s.rack && g.end > s.rackEnd {
			if g.copies == 1 {
				break // all behind it left later
			}
			continue
		}
		if g.sacked || g.lost {
			continue
		}
		if at := g.sent + s.rackRTT + patience; at > now {
			if due == 0 || at < due {
				due = at
			}
			continue
		}
		lost = true
		s.lose(g)
	}
	if due > 0 {
		s.reorder.set(due)
	} else {
		s.reorder.stop()
	}
	if lost && !s.recovering {
		s.recovering, s.recovery = true, s.next
		s.control.loss(s.pipe)
	}
}
