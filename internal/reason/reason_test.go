package reason

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestEveryReasonHasItsOwnName(t *testing.T) {
	seen := map[string]Reason{}
	for r := Reason(0); r < count; r++ {
		name := r.String()
		if name == "" || name == "unknown" {
			t.Errorf("reason %d: got name %q, want one of its own", r, name)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("reasons %d and %d: both are named %q", other, r, name)
		}
		seen[name] = r
	}
	if got := Reason(250).String(); got != "unknown" {
		t.Errorf("number without a name: got %q, want %q", got, "unknown")
	}
}

func TestReasonIsACause(t *testing.T) {
	err := fmt.Errorf("send: %w", QueueFull)
	if !errors.Is(err, QueueFull) || errors.Is(err, PortFull) {
		t.Errorf("errors.Is: got the wrong cause of %v", err)
	}
}

func TestCounters(t *testing.T) {
	var c Counters
	c.Add(QueueFull, 3)
	c.Add(Reason(250), 1)
	if got := c.Get(QueueFull); got != 3 {
		t.Errorf("queue-full: got %d, want 3", got)
	}
	want := map[string]uint64{"queue-full": 3, "malformed": 1}
	got := c.Map()
	if len(got) != len(want) || got["queue-full"] != 3 || got["malformed"] != 1 {
		t.Errorf("map: got %v, want %v", got, want)
	}
}

func TestLimitsAreBoundsOfThisNode(t *testing.T) {
	var got []string
	for r := range count {
		if r.IsLimit() {
			got = append(got, r.String())
		}
	}
	want := []string{"queue-full", "port-full", "detour-budget", "rate-limited", "session-limit", "link-limit", "store-full", "connection-limit", "memory-limit", "group-limit"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
