package hint

import (
	"testing"
	"time"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		10 * time.Minute: "10m0s behind", -time.Hour: "1h0m0s ahead of", 3*day + time.Hour: "3 days behind",
		-55 * year: "55 years ahead of", 1500 * time.Millisecond: "2s behind",
	} {
		if got := Clock(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

// The reason goes before the stage, and something is advised for whatever happens.
func TestJoin(t *testing.T) {
	if got := Join("handshake", "wrong-clock"); got != SetClock {
		t.Errorf("got %q, want the clock before the stage", got)
	}
	if got := Join("handshake", "no reason of this name"); got != byStage["handshake"] {
		t.Errorf("got %q, want what the stage says", got)
	}
	if got := Join("", ""); got == "" {
		t.Error("got nothing")
	}
}
