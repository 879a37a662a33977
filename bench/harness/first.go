package harness

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// First measures the time from the start of all ends and relays to the first
// message that has arrived each way, runs times.
func First(ctx context.Context, s System, relays, runs int) ([]time.Duration, error) {
	var times []time.Duration
	for range runs {
		runtime.GC()
		begin := time.Now()
		p, err := open(ctx, s, Options{Relays: relays, MaxSize: MinSize, AtA: func([]byte) {}, AtC: func([]byte) {}})
		took := time.Since(begin)
		if err == nil {
			err = closePath(s, p)
		}
		if err != nil {
			return times, fmt.Errorf("first %s: %w", s.Name(), err)
		}
		times = append(times, took)
	}
	return times, nil
}
