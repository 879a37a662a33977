package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/peermesh/peermesh/bench/harness"
)

// TestDeliveryOverWebRTC sends a few hundred messages over each link, paced and
// not, and wants every one delivered intact.
func TestDeliveryOverWebRTC(t *testing.T) {
	const messages = 300
	for _, s := range rtcSystems() {
		for _, size := range []int{harness.MinSize, 1024, 16384, 60000} {
			t.Run(fmt.Sprintf("%s/%d B", s.Name(), size), func(t *testing.T) {
				r, err := harness.Flood(t.Context(), s, harness.FloodOptions{Size: size, Window: 32, Messages: messages})
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

func TestRTCReports(t *testing.T) {
	var out, log bytes.Buffer
	args := "--rounds 1 --time 100ms --size 64 --links 2 --json - --systems peermesh --modes connect,rtc"
	if code := run(strings.Fields(args), &out, &log); code != 0 {
		t.Fatalf("got exit code %d, want 0: %s %s", code, &log, &out)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Connect) != len(connectRelays) || r.RTC == nil || len(r.RTC.Throughput) != 3 || len(r.RTC.Echo) != 3 || len(r.RTC.Idle) != 3 {
		t.Fatalf("got %+v, want the times of Connect and three links", r)
	}
	for i, c := range r.Connect {
		if byHand := strings.Contains(c.How, "by hand"); c.Relays != connectRelays[i] || byHand != (c.Relays == 0) {
			t.Errorf("got %d relays, %q, want %d, and to be told where there is no Connect", c.Relays, c.How, connectRelays[i])
		}
		if c.Median <= 0 || c.P99 < c.Median || len(c.Runs) != connectPairs {
			t.Errorf("got %+v, want the times of %d pairs", c, connectPairs)
		}
	}
	for _, row := range r.RTC.Throughput {
		if row.Median.PerSecond <= 0 || row.MB != row.Median.PerSecond*64/1e6 || row.Ratios["pion"] <= 0 {
			t.Errorf("got %+v, want a rate of messages and of bytes and its ratio to pion's", row)
		}
	}
	if len(r.Targets) != 3 {
		t.Errorf("got %+v, want three targets", r.Targets)
	}
	for _, title := range []string{"Connect over WebRTC", "One link over WebRTC", "Round trip over one link"} {
		if !strings.Contains(r.markdown(), title) {
			t.Errorf("got no table %q in:\n%s", title, r.markdown())
		}
	}
}
