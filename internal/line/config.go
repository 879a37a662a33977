package line

import (
	"errors"
	"fmt"
	"time"
)

// Config describes a line. The zero value passes all packets on at once.
type Config struct {
	Rate    int64         // bytes/s; 0: no bound
	Steps   []Step        // rates by turns, over and over, in the place of Rate
	Delay   time.Duration // propagation
	Jitter  time.Duration // the most that a packet takes longer, at random; the order stays
	Packets int           // that may wait, besides the one that is being sent; 0: no bound
	Bytes   int           // that may wait, the same
	Loss    float64       // share of the packets that get lost once they were sent, 0 to 1
	Reorder float64       // share of the packets that take Lag longer and are overtaken, 0 to 1
	Lag     time.Duration
}

// Step is a rate for a time.
type Step struct {
	For  time.Duration
	Rate int64 // bytes/s; 0: nothing is sent
}

// Check tells all mistakes of a Config.
func (c *Config) Check() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(c.Rate < 0, "rate is %d: give bytes/s above zero, or 0 for no bound", c.Rate)
	wrong(c.Delay < 0, "delay is %v: give no time below zero", c.Delay)
	wrong(c.Jitter < 0, "jitter is %v: give no time below zero", c.Jitter)
	wrong(c.Lag < 0, "lag is %v: give no time below zero", c.Lag)
	wrong(c.Packets < 0, "buffer is %d packets: give a number above zero, or 0 for no bound", c.Packets)
	wrong(c.Bytes < 0, "buffer is %d bytes: give a number above zero, or 0 for no bound", c.Bytes)
	wrong(!(c.Loss >= 0 && c.Loss <= 1), "loss is %v: give a share from 0 to 1", c.Loss)
	wrong(!(c.Reorder >= 0 && c.Reorder <= 1), "reorder is %v: give a share from 0 to 1", c.Reorder)
	moving := len(c.Steps) == 0
	for i, s := range c.Steps {
		wrong(s.For <= 0 || s.Rate < 0, "step %d is %d bytes/s for %v: give a time above zero, and no rate below it", i, s.Rate, s.For)
		moving = moving || s.Rate > 0
	}
	wrong(!moving, "all steps have rate 0: nothing would ever arrive")
	return errors.Join(errs...)
}

// bounded says whether packets take time to be sent.
func (c *Config) bounded() bool { return c.Rate > 0 || len(c.Steps) > 0 }

// sent is when a packet of size bytes has been sent whose first bit goes at start.
func (c *Config) sent(start time.Duration, size int) time.Duration {
	if len(c.Steps) == 0 {
		return start + lasts(int64(size), c.Rate)
	}
	var cycle time.Duration
	for _, s := range c.Steps {
		cycle += s.For
	}
	into, rest := start%cycle, float64(size)
	for i := 0; ; i = (i + 1) % len(c.Steps) {
		s := c.Steps[i]
		if into >= s.For {
			into -= s.For
			continue
		}
		left := s.For - into
		if can := float64(s.Rate) * left.Seconds(); can < rest {
			rest -= can
			start += left
			into = 0
			continue
		}
		return start + time.Duration(rest/float64(s.Rate)*float64(time.Second))
	}
}

// lasts is how long bytes take at a rate, rounded up.
func lasts(bytes, rate int64) time.Duration {
	return time.Duration((bytes*int64(time.Second) + rate - 1) / rate)
}
