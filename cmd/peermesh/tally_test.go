package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A listener whose output nobody reads drops what arrives, and says so: while it
// does, and at the end, when what it printed, what it dropped and what the relay
// dropped are all that was sent.
func TestListenTellsDrops(t *testing.T) {
	_, _, url := startNode(t)
	listener, id := startListener(t, url)
	r := runOnce(t, "", "bench", "dgram", "--to", id, "--count", "4000", "--rate", "4000", "--size", "4KiB", "--json", "-b", url)
	sent := readFigures(t, r.out).Done + 1 // with the message that goes first
	for began := time.Now(); !strings.Contains(listener.said(), " dropped port-full "); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("got %q, want a line of drops", listener.said())
		}
	}
	r = listener.stop(t, os.Interrupt)
	last := regexp.MustCompile(`\nreceived (\d+), dropped (\d+): port-full \d+(?:, no-handler \d+)?\n$`).FindStringSubmatch(r.err)
	if last == nil {
		t.Fatalf("got %q, want a last line of what it received and dropped", r.err)
	}
	received, dropped := number64(t, last[1]), number64(t, last[2])
	if got := uint64(strings.Count(r.out, `"event":"message"`)); got != received {
		t.Errorf("received: got %d, but %d messages were printed", received, got)
	}
	if relay := relayDrops(t); received+dropped+relay != sent {
		t.Errorf("received %d, dropped %d, by the relay %d: got %d, want %d", received, dropped, relay, received+dropped+relay, sent)
	}
}

func number64(t *testing.T, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// relayDrops is what the only node of this test dropped for want of room.
func relayDrops(t *testing.T) uint64 {
	t.Helper()
	r := runOnce(t, "", "status", "--json")
	r.wantCode(t, exitOK)
	var status struct{ Drops map[string]uint64 }
	if err := json.Unmarshal([]byte(r.out), &status); err != nil {
		t.Fatal(err)
	}
	return status.Drops["queue-full"]
}

func TestCountsAreTold(t *testing.T) {
	for want, counts := range map[string]map[string]uint64{
		"":                               {},
		"port-full 3":                    {"port-full": 3},
		"port-full 3, a 1, no-handler 1": {"no-handler": 1, "port-full": 3, "a": 1},
	} {
		if got := countsText(counts); got != want {
			t.Errorf("%v: got %q, want %q", counts, got, want)
		}
	}
}
