package testnet

import (
	"fmt"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// TestSimOfWhatRecordsCost counts what keeps leaves found among relays of 24 links:
// link messages, and checks of signatures, for each leaf and minute. ADR 025 has the
// figures of the simulation that the decision was made by.
func TestSimOfWhatRecordsCost(t *testing.T) {
	if raced {
		t.Skip("one goroutine: without the race detector make budgets runs it in a tenth of the time")
	}
	for _, c := range []struct {
		relays         int
		frames, checks int // most
	}{{100, 156, 63}, {1000, 233, 126}} {
		t.Run(fmt.Sprint(c.relays), func(t *testing.T) {
			if c.relays > 100 && !*large {
				t.Skip("takes a minute: make siege counts it")
			}
			const leaves, minutes = 20, 2
			s := newSim(t, Options{Nodes: c.relays, Seed: 81})
			s.startNodes()
			s.Settle()
			for range leaves {
				n := s.add(s.draw(), true)
				for range 3 {
					s.join(n, s.randomRelay(n))
				}
			}
			s.Settle()
			s.Advance(limits.AttachmentTTL * time.Second)
			s.laid = &simLaid{}
			checks := s.records.attachments
			s.Advance(minutes * time.Minute)
			frames := (s.laid.crossings + s.laid.links) / (leaves * minutes)
			checks = (s.records.attachments - checks) / (leaves * minutes)
			t.Logf("%d relays: %d link messages (%d Stores, %d link frames) and %d checks for each leaf and minute",
				c.relays, frames, s.laid.crossings/(leaves*minutes), s.laid.links/(leaves*minutes), checks)
			if frames > c.frames || checks > c.checks {
				t.Errorf("got %d link messages and %d checks, want at most %d and %d", frames, checks, c.frames, c.checks)
			}
		})
	}
}
