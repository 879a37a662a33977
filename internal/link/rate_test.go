package link

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// Only what is flushed without a pause tells a rate, and enough of it.
func TestMeter(t *testing.T) {
	const batch = limits.LinkBatch
	type flush struct {
		bytes uint64
		took  time.Duration
		more  bool
	}
	times := func(n int, f flush) (all []flush) {
		for range n {
			all = append(all, f)
		}
		return all
	}
	slice := append(times(8, flush{batch, 200 * time.Microsecond, true}), flush{batch, 10 * time.Millisecond, true})
	for name, c := range map[string]struct {
		flushes []flush
		low     int
		high    int
	}{
		"a line of 1 Mbit/s":                  {times(2, flush{1_500, 12 * time.Millisecond, true}), 0, 0},
		"the same for longer":                 {times(9, flush{1_500, 12 * time.Millisecond, true}), mbit - 1, mbit + 1},
		"one long flush":                      {times(1, flush{batch, time.Second, false}), batch, batch},
		"bursts that a buffer takes":          {times(1_000, flush{20_000, 20 * time.Microsecond, false}), 0, 0},
		"slow, then fast with pauses":         {append(times(1, flush{1_500, 120 * time.Millisecond, true}), times(2_000, flush{6_000, time.Microsecond, false})...), 8 * mbit, 1 << 40},
		"loopback":                            {times(8, flush{batch, 200 * time.Microsecond, true}), 10 * limits.FlowRate, 1 << 40},
		"loopback, and the scheduler is busy": {slice, limits.FlowRate * 2, 1 << 40},
		"flushes that take no time":           {times(20, flush{batch, 0, true}), 0, 0},
	} {
		var m meter
		now := drivenStart
		for _, f := range c.flushes {
			if now = now.Add(f.took); !f.more {
				now = now.Add(time.Millisecond)
			}
			m.flushed(flushed{at: now, took: f.took, bytes: f.bytes}, f.more)
		}
		if m.rate < c.low || m.rate > c.high {
			t.Errorf("%s: got %d bytes/s, want %d to %d", name, m.rate, c.low, c.high)
		}
	}
}

// pacedBy is a carrier over a line of so many bytes a second, which holds nothing.
type pacedBy struct {
	tray
	bps   int
	bytes int
}

func (c *pacedBy) Send(b []byte) error {
	c.bytes += len(b)
	return c.tray.Send(b)
}

func (c *pacedBy) Flush() error {
	time.Sleep(time.Duration(float64(c.bytes) / float64(c.bps) * float64(time.Second)))
	c.bytes = 0
	return nil
}

func (c *pacedBy) TryFlush() (bool, error) { return false, nil }

// A link finds out by itself that its line is slow, and that it is fast again; a
// light flow is served soon then, and nothing is lost.
func TestSlowLineIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &pacedBy{bps: mbit}
		l := New(Config{Number: 1, Carrier: c}, time.Now())
		defer l.Close(0)
		l.writer.ready(l.write)
		apart := func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.queue.flows != nil
		}
		sent := 0
		fill := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
				for l.AppendFrame(7, wire.ClassInteractive, dataFrame(wire.ClassInteractive, 1, 2, 1_000)) == Queued {
					sent++
				}
				l.Rouse()
			}
		}
		fill(4 * time.Second)
		if !apart() {
			t.Fatalf("a line of %d bytes/s: not noticed", c.bps)
		}
		if got := l.Stats().Queued; got > mbit/2 {
			t.Errorf("waiting: got %d bytes, want what the line takes in %v", got, limits.SlowQueueTime)
		}
		begin := time.Now()
		l.AppendFrame(8, wire.ClassInteractive, dataFrame(wire.ClassInteractive, 3, 2, 500))
		for l.queueHas(3) {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(begin); took > 50*time.Millisecond {
			t.Errorf("a light flow waited for %v", took)
		}
		synctest.Wait()
		c.bps = 100 << 20
		fill(2 * time.Second)
		if apart() {
			t.Errorf("a line of %d bytes/s: still taken for slow", c.bps)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := framesOf(c.sent); got != sent+1 {
			t.Errorf("got %d frames, want %d", got, sent+1)
		}
	})
}

// queueHas says whether a frame of a sender waits.
func (l *Link) queueHas(from int) (has bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	eachFlow(&l.queue, func(f *flow) { has = has || f.bytes > 0 && numberOf(&f.key.from) == from })
	return has
}

// framesOf counts the frames of records.
func framesOf(records [][]byte) (n int) {
	for _, r := range records {
		n += framesIn(r)
	}
	return n
}

// Who waits for room on a slow link gets it before the time of a reader is over, and
// all that is appended arrives.
func TestReadersWaitForASlowLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &pacedBy{bps: 4 * mbit}
		l := New(Config{Number: 1, Carrier: c}, time.Now())
		l.mu.Lock()
		l.queue.pace(c.bps, l.since)
		l.mu.Unlock()
		l.writer.ready(l.write)
		sent, stalled := 0, 0
		for range 1_000 {
			for l.AppendFrame(7, wire.ClassInteractive, dataFrame(wire.ClassInteractive, 1, 2, 1_000)) != Queued {
				timer := time.NewTimer(limits.TransitWait)
				if !l.Wait(7, 1_002, timer.C) {
					stalled++
				}
			}
			sent++
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := framesOf(c.sent); got != sent || stalled > 0 {
			t.Errorf("got %d of %d frames, and %d waits in vain", got, sent, stalled)
		}
		l.Close(0)
	})
}
