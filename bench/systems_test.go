package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/peermesh/peermesh/bench/harness"
)

// TestDelivery sends a few hundred messages over each system, paced and not, and
// wants every one delivered intact.
func TestDelivery(t *testing.T) {
	const messages = 300
	for _, s := range allSystems() {
		bounds := harness.BoundsOf(s)
		for _, relays := range []int{1, 2} {
			if !bounds.Spans(relays) {
				continue
			}
			for _, size := range []int{harness.MinSize, 1024, 16384, 60000} {
				for _, window := range []int{0, 32} {
					if bounds.Drops && (window == 0 || window*size > 512<<10) {
						continue // more than its queues hold
					}
					t.Run(fmt.Sprintf("%s/%d relays/%d B/window %d", s.Name(), relays, size, window), func(t *testing.T) {
						r, err := harness.Flood(t.Context(), s, harness.FloodOptions{
							Relays: relays, Size: size, Window: window, Messages: messages,
						})
						if err != nil {
							t.Fatal(err)
						}
						if r.Delivered != messages || r.Faults != (harness.Faults{}) {
							t.Errorf("got %+v, want %d delivered without fault", r, messages)
						}
					})
				}
			}
		}
	}
}

func TestEcho(t *testing.T) {
	for _, s := range allSystems() {
		for _, relays := range []int{1, 2} {
			if !harness.BoundsOf(s).Spans(relays) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d relays", s.Name(), relays), func(t *testing.T) {
				r, err := harness.Echo(t.Context(), s, harness.EchoOptions{Relays: relays, Size: 1024, Run: 20 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				if r.Trips == 0 || r.P50 <= 0 || r.P99 < r.P50 {
					t.Errorf("got %+v, want trips with times", r)
				}
			})
		}
	}
}

func TestIdle(t *testing.T) {
	for _, s := range allSystems() {
		idler, ok := s.(harness.Idler)
		if !ok {
			continue
		}
		t.Run(s.Name(), func(t *testing.T) {
			m, err := harness.Idle(idler, 10)
			if err != nil {
				t.Fatal(err)
			}
			if m.Ends < 20 || m.Goroutines < 1 {
				t.Errorf("got %+v, want 20 ends or more, with goroutines", m)
			}
		})
	}
}

// TestOverhead holds the bytes on the wire of systems whose format is fixed: a
// length prefix; a masked WebSocket frame; that with header, tags and lengths;
// "PUB c 64\r\n" and "\r\n".
func TestOverhead(t *testing.T) {
	want := map[string]float64{"tcp": 64 + 4, "ws": 64 + 6, "sealed": 64 + 43 + 12 + 5 + 16 + 2 + 16 + 8, "nats": 64 + 12}
	for _, s := range allSystems() {
		if _, ok := want[s.Name()]; !ok {
			continue
		}
		t.Run(s.Name(), func(t *testing.T) {
			w, err := harness.Overhead(t.Context(), s, 64)
			if err != nil {
				t.Fatal(err)
			}
			if w.Alone != want[s.Name()] || w.Batched > w.Alone {
				t.Errorf("got %+v, want %v bytes alone and no more in a batch", w, want[s.Name()])
			}
		})
	}
}
