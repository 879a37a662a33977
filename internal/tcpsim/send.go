package tcpsim

import "time"

// segment is a part of the stream that left and is not acknowledged for good.
type segment struct {
	span
	sent    time.Duration // the last copy
	copies  int
	sacked  bool
	lost    bool
	limited bool // the application had no more to send
	// when it left
	delivered   int64
	deliveredAt time.Duration
	firstSent   time.Duration
}

func (s *segment) len() int { return int(s.end - s.from) }

// sender is the sending half of an end.
type sender struct {
	e       *End
	control control

	wrote, next, una int64
	edge             int64      // the other end takes nothing beyond
	flight           []*segment // in order, from una on
	pipe             int        // bytes that are on their way, as far as is known
	sacked           int        // bytes
	lost             int        // segments to be sent again
	lostBytes        int        // of them
	again            int        // segments of which a further copy is on its way
	peak, lastPeak   int        // of pipe, in this round and the last one

	delivered   int64
	deliveredAt time.Duration
	firstSent   time.Duration
	limited     int64 // the application had no more to send until so much is delivered; 0: it had
	roundEnd    int64

	rtt       rtt
	rack      time.Duration // when the newest segment left that has arrived
	rackEnd   int64
	rackRTT   time.Duration
	reordered bool // it was seen that packets overtake others

	recovering bool
	recovery   int64         // until this is acknowledged
	timeouts   int           // in a row
	timedOut   time.Duration // when; 0: not, or the timer was right
	progress   time.Duration // when something was acknowledged, or began to be owed
	paceAt     time.Duration // no sooner does the next segment leave
	lastSent   time.Duration
	wanted     bool // Room is to be called

	rto, reorder, pace timer
}

func (s *sender) init(e *End) {
	s.e = e
	s.control = newControl(e.cfg.Control)
	s.rto = timer{clock: e.clock, do: s.timeout}
	s.reorder = timer{clock: e.clock, do: s.look}
	s.pace = timer{clock: e.clock, do: s.send}
}

// bufferLeast is what the send buffer takes however small the window is.
const bufferLeast = 64 << 10

func (s *sender) full() bool {
	most := min(s.e.cfg.SendBuffer, max(bufferLeast, 2*s.control.window()))
	return int(s.wrote-s.next) >= s.e.cfg.Unsent || int(s.wrote-s.una) >= most
}

// send sends what the window, the pace and the other end let go.
func (s *sender) send() {
	now := s.e.clock.Now()
	if len(s.flight) == 0 && s.lastSent > 0 && now-s.lastSent > s.rtt.timeout(0) {
		s.control.idle()
	}
	for !s.e.gone {
		if s.pipe > 0 && s.pipe+Segment > s.control.window() {
			break
		}
		if s.paceAt > now {
			s.pace.set(s.paceAt)
			break
		}
		g := s.choose(s.edge)
		if g == nil {
			if s.next == s.wrote && s.pipe < s.control.window() {
				s.limited = max(s.delivered+int64(s.pipe), 1)
			}
			break
		}
		s.transmit(g, now)
	}
	s.tellRoom()
}

func (s *sender) tellRoom() {
	if s.wanted && !s.full() {
		s.wanted = false
		if s.e.Room != nil {
			s.e.Room()
		}
	}
}

// choose is what goes next: what was lost, or a new segment that ends at edge at
// the latest.
func (s *sender) choose(edge int64) *segment {
	if s.lost > 0 {
		for _, g := range s.flight {
			if g.lost {
				return g
			}
		}
	}
	end := min(s.next+Segment, s.wrote)
	if end == s.next || end > edge {
		return nil
	}
	g := &segment{span: span{s.next, end}}
	s.flight = append(s.flight, g)
	s.next = end
	return g
}

func (s *sender) transmit(g *segment, now time.Duration) {
	if s.pipe == 0 && s.sacked == 0 {
		s.firstSent, s.deliveredAt = now, now
	}
	if len(s.flight) == 1 && g.copies == 0 {
		s.progress = now
	}
	if g.lost {
		s.find(g)
	}
	if g.copies++; g.copies == 2 {
		s.again++
	}
	g.sent, g.limited = now, s.limited > 0
	g.delivered, g.deliveredAt, g.firstSent = s.delivered, s.deliveredAt, s.firstSent
	s.pipe += g.len()
	s.peak = max(s.peak, s.pipe)
	s.lastSent = now
	if rate := s.control.pace(); rate > 0 {
		s.paceAt = max(s.paceAt, now) + time.Duration(float64(g.len()+Header)/rate*float64(time.Second))
	}
	if s.rto.due == 0 {
		s.rto.set(now + s.rtt.timeout(s.timeouts))
	}
	s.e.put(&packet{from: g.from, end: g.end, sent: now})
}

// timeout is the retransmission timer.
func (s *sender) timeout() {
	now := s.e.clock.Now()
	if now-s.progress > s.e.cfg.Patience {
		s.e.broke()
		return
	}
	s.timeouts++
	if len(s.flight) == 0 { // the other end takes nothing: ask again
		if g := s.choose(s.next + Segment); g != nil {
			s.transmit(g, now)
		}
		return
	}
	if s.timedOut == 0 {
		s.timedOut = now
	}
	for _, g := range s.flight {
		if !g.sacked && !g.lost {
			s.lose(g)
		}
	}
	s.recovering, s.recovery, s.paceAt = true, s.next, 0
	s.control.timeout(s.timeouts == 1)
	s.send()
	s.rto.set(now + s.rtt.timeout(s.timeouts))
}

func (s *sender) lose(g *segment) {
	g.lost = true
	s.lost++
	s.lostBytes += g.len()
	s.pipe -= g.len()
}

// find takes back that a segment is lost.
func (s *sender) find(g *segment) {
	g.lost = false
	s.lost--
	s.lostBytes -= g.len()
}
