package tcpsim

import (
	"math"
	"time"
)

// cubic is RFC 9438, with HyStart's rule of delays.
type cubic struct {
	size, threshold float64 // segments
	most            float64 // the window before the last loss
	since           time.Duration
	began           bool    // since is set
	k               float64 // seconds until the window is at most again
	reno            float64 // what RFC 5681 would have by now
	before          *cubic  // the timeout

	quickest time.Duration // least round trip of this round
	samples  int
}

const (
	cubicBeta = .7
	cubicC    = .4
)

func newCubic() *cubic { return &cubic{size: initialWindow, threshold: math.Inf(1)} }

func (c *cubic) window() int     { return int(c.size * Segment) }
func (c *cubic) pace() float64   { return 0 }
func (c *cubic) slowStart() bool { return c.size < c.threshold }
func (c *cubic) recovered()      {}

func (c *cubic) ack(r *report) {
	if r.round {
		c.quickest, c.samples = 0, 0
	}
	if r.repair || !r.used {
		return
	}
	acked := float64(r.acked) / Segment
	if c.slowStart() {
		c.size = min(c.size+acked, max(c.threshold, c.size))
		c.hystart(r)
		return
	}
	c.grow(r, acked)
}

// hystart leaves slow start when round trips grow.
func (c *cubic) hystart(r *report) {
	const few, enough = 16, 8
	if r.rtt == 0 || c.size < few {
		return
	}
	if c.quickest == 0 || r.rtt < c.quickest {
		c.quickest = r.rtt
	}
	limit := r.least + min(max(r.least/8, 4*time.Millisecond), 16*time.Millisecond)
	if c.samples++; c.samples >= enough && c.quickest >= limit {
		c.threshold = c.size
	}
}

func (c *cubic) grow(r *report, acked float64) {
	if !c.began {
		c.began, c.since, c.reno, c.k = true, r.now, c.size, 0
		if c.size < c.most {
			c.k = math.Cbrt((c.most - c.size) / cubicC)
		} else {
			c.most = c.size
		}
	}
	t := (r.now - c.since + r.least).Seconds() - c.k
	target := min(c.most+cubicC*t*t*t, 1.5*c.size)
	c.reno += 3 * (1 - cubicBeta) / (1 + cubicBeta) * acked / c.size
	if target > c.size {
		c.size += (target - c.size) / c.size * acked
	}
	c.size = max(c.size, c.reno)
}

func (c *cubic) cut() {
	if c.size < c.most {
		c.most = c.size * (1 + cubicBeta) / 2
	} else {
		c.most = c.size
	}
	c.threshold = max(c.size*cubicBeta, leastWindow)
	c.began = false
}

func (c *cubic) loss(int) {
	c.cut()
	c.size = c.threshold
}

func (c *cubic) timeout(first bool) {
	if first {
		was := *c
		was.before = nil
		c.before = &was
		c.cut()
	}
	c.size, c.began = 1, false
}

func (c *cubic) undo() {
	if c.before != nil {
		*c = *c.before
	}
}

func (c *cubic) idle() {
	c.size, c.began = min(c.size, initialWindow), false
}
