package routing

import (
	"testing"
	"time"
)

func TestSlower(t *testing.T) {
	const ms = time.Millisecond
	timed := func(rtts ...time.Duration) []Place { // the near set, and others in the first bucket
		links := with(at(0x80), at(0x90), at(0xa0), at(0xb0))[:4+len(rtts)]
		for i, rtt := range rtts {
			links[4+i].RTT = rtt
		}
		return links
	}
	f := Filler{Room: 20}
	for _, tt := range []struct {
		name  string
		links []Place
		key   Key
		rtt   time.Duration
		want  int
	}{
		{"the slowest", timed(90*ms, 150*ms, 120*ms), at(0xc0), 60 * ms, 5},
		{"not slow enough", timed(80*ms, 70*ms), at(0xc0), 60 * ms, -1},
		{"another bucket", timed(150*ms, 150*ms), at(0x40), 60 * ms, -1},
		{"not measured", timed(0, 0), at(0xc0), 60 * ms, -1},
		{"nothing known of the new one", timed(150*ms, 150*ms), at(0xc0), 0, -1},
	} {
		if got, ok := f.Slower(tt.links, tt.key, tt.rtt, nil); got != tt.want || ok != (got >= 0) {
			t.Errorf("%s: got %d, %v, want %d", tt.name, got, ok, tt.want)
		}
	}
	near := timed(150*ms, 140*ms)
	near[0].RTT = 500 * ms
	if _, ok := f.Slower(near, at(0, 1, 1), 10*ms, nil); ok {
		t.Error("a link of the near set was given up for its latency")
	}
	if got, _ := f.Slower(timed(90*ms, 150*ms), at(0xc0), 60*ms, func(i int) bool { return i != 5 }); got != 4 {
		t.Errorf("where the slowest has to stay: got %d, want 4", got)
	}
	if got := f.Fastest(timed(90*ms, 50*ms, 0), at(0xc0)); got != 50*ms {
		t.Errorf("fastest: got %v, want 50ms", got)
	}
	if got := f.Fastest(timed(90*ms), at(0x40)); got != 0 {
		t.Errorf("fastest of none: got %v, want 0", got)
	}
}
