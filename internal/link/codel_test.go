package link

import (
	"math"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// The law of RFC 8289, 5.3: after an interval above the target the head is dropped,
// and from then on each interval/sqrt(count).
func TestCoDelDropsByItsLaw(t *testing.T) {
	var c codel
	var drops []time.Duration
	const wait = 2 * limits.CoDelTarget
	for now := time.Millisecond; now < 2*time.Second; now += time.Millisecond {
		yes := c.late(now, wait, false)
		switch {
		case c.dropping && now >= c.next:
			drops = append(drops, now)
			c.again()
		case !c.dropping && yes:
			drops = append(drops, now)
			c.begin(now)
		}
	}
	if len(drops) == 0 || drops[0] != limits.CoDelInterval+time.Millisecond {
		t.Fatalf("first drop: got %v, want one interval after the first that was late", drops)
	}
	at := float64(drops[0])
	for i, got := range drops[1:] {
		at += float64(limits.CoDelInterval) / math.Sqrt(float64(i+1))
		if off := float64(got) - at; off < 0 || off > float64(2*time.Millisecond) {
			t.Fatalf("drop %d: got %v, want %v", i+1, got, time.Duration(at))
		}
	}
}

// A wait below the target begins it all anew; soon after, dropping goes on as often as
// before, and later it begins slowly.
func TestCoDelRemembersForAWhile(t *testing.T) {
	for _, pause := range []struct {
		long time.Duration
		want int
	}{{limits.CoDelInterval, 8}, {40 * limits.CoDelInterval, 1}} {
		var c codel
		now := time.Second
		c.begin(now)
		for range 8 {
			now = c.next
			c.again()
		}
		if c.late(now, limits.CoDelTarget-1, false) || c.above != 0 {
			t.Error("below the target: still late")
		}
		c.dropping = false
		if c.begin(now + pause.long); c.count != pause.want {
			t.Errorf("%v later: got a count of %d, want %d", pause.long, c.count, pause.want)
		}
	}
}

func queueDelays(l *slowLink) uint64 { return l.drops.Get(reason.QueueDelay) }

func TestDatagramsThatWaitLongAreDropped(t *testing.T) {
	l := newSlow(t, mbit)
	flood(l, 5*time.Second, 7, wire.ClassBulk, 1_000)
	if got := queueDelays(l); got < 20 {
		t.Errorf("got %d datagrams dropped in 5 s, want ever more", got)
	}
}

func TestMessagesAreNeverDropped(t *testing.T) {
	l := newSlow(t, mbit)
	flood(l, 5*time.Second, 7, wire.ClassInteractive, 1_000)
	if got := queueDelays(l); got != 0 {
		t.Errorf("got %d messages dropped, want none", got)
	}
}

// The only frame of a flow is never dropped, however long it has waited.
func TestOnlyFrameIsNotDropped(t *testing.T) {
	l := newSlow(t, mbit/16)
	for i := range 12 { // each in a flow of its own, the last one after 1.5 s
		if a := l.give1(uint64(1+i%6), wire.ClassBulk, i, 100, 1_000); a != Queued {
			t.Fatalf("flow %d: got %v, want %v", i, a, Queued)
		}
	}
	left := 0
	l.run(time.Minute, func([]byte) { left++ })
	if got := queueDelays(l); left != 12 || got != 0 {
		t.Errorf("got %d frames and %d dropped, want all 12", left, got)
	}
}

// A flow that the line can take loses nothing beside one that it cannot.
func TestLightDatagramsBesideAFloodArrive(t *testing.T) {
	l := newSlow(t, 5*mbit)
	sent, arrived, worst := 0, 0, time.Duration(0)
	at := make([]time.Duration, 0, 400)
	for next := time.Duration(0); l.now < 10*time.Second; {
		for l.give1(7, wire.ClassBulk, 1, 2, 1_200) == Queued {
		}
		if l.now >= next {
			next += 50 * time.Millisecond
			if l.give1(8, wire.ClassBulk, 3, 2, 500) == Queued {
				sent, at = sent+1, append(at, l.now)
			}
		}
		for _, f := range l.flush() {
			if numberOf(wire.FrameSrc(f)) == 3 {
				worst = max(worst, l.now-at[arrived])
				arrived++
			}
		}
	}
	if sent < 195 || arrived < sent-1 || worst > 20*time.Millisecond {
		t.Errorf("got %d of %d, the slowest after %v; want all within 20 ms", arrived, sent, worst)
	}
}
