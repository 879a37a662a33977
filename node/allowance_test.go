package node

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// A link within its budget never lets others go first; one that brings ten times
// as much does so from the end of its burst on, and a second of peace later no more.
func TestAllowanceOfALink(t *testing.T) {
	for _, c := range []struct {
		name          string
		bytes, frames int // each millisecond
		over          bool
	}{
		{"bytes, all of the budget", limits.LinkReceiveBytes / 1_000, 1, false},
		{"bytes, ten times the budget", 10 * limits.LinkReceiveBytes / 1_000, 1, true},
		{"frames, all of the budget", 100, limits.LinkReceiveFrames / 1_000, false},
		{"frames, ten times the budget", 1_000, 10 * limits.LinkReceiveFrames / 1_000, true},
		{"frames of no bytes", 0, 10 * limits.LinkReceiveFrames / 1_000, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			now, looks := time.Unix(1_700_000_000, 0), 0
			clock := func() time.Time { looks++; return now }
			var a allowance
			first, yields := time.Duration(0), 0
			for ms := range 5_000 {
				if a.take(c.bytes, c.frames, clock) {
					if yields++; yields == 1 {
						first = time.Duration(ms) * time.Millisecond
					}
				}
				now = now.Add(time.Millisecond)
			}
			if (yields > 0) != c.over {
				t.Errorf("yields: got %d, over the budget: %v", yields, c.over)
			}
			if c.over && (first < limits.LinkReceiveBurst/12 || first > limits.LinkReceiveBurst/8) {
				t.Errorf("the first after %v, want a tenth of %v", first, limits.LinkReceiveBurst)
			}
			if most := 5_000 * max(c.bytes/limits.ReadAhead+1, c.frames/framesPerLook+1); looks > most {
				t.Errorf("looks at the clock: got %d, want at most %d", looks, most)
			}
			now = now.Add(time.Second)
			if a.take(limits.ReadAhead, 1, clock) {
				t.Error("an overrun is held against the link a second later")
			}
		})
	}
}
