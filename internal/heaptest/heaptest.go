// Package heaptest measures the memory of what a test fills: a bound counts
// entries, and what they cost is for the heap to say.
package heaptest

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

// Row is something with a bound, and what it may cost when it is full.
type Row struct {
	Limit   string // the bound, as internal/limits names it
	Entries int    // that Fill makes
	Each    int    // bytes allowed for one of them, all counted
	// Fill returns what holds the entries. What it does not return, and nothing else
	// holds, does not count.
	Fill func(t *testing.T) any
}

// InUse is what this process has in heap and stacks that a thorough collection finds
// in use.
func InUse() int {
	for range 6 { // pools are emptied by the second, stacks shrink by half each time
		runtime.GC()
	}
	all := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(all)
	return int(all[0].Value.Uint64() + all[1].Value.Uint64())
}

// Run fills what each row names and holds it to what it may cost.
func Run(t *testing.T, rows []Row) {
	if raced {
		t.Skip("the race detector takes memory of its own; run it without -race")
	}
	for _, row := range rows {
		t.Run(row.Limit, func(t *testing.T) {
			before := InUse()
			kept := row.Fill(t)
			took := InUse() - before
			runtime.KeepAlive(kept)
			t.Logf("limits.%s: %d entries of %d bytes, %.1f MiB in all", row.Limit, row.Entries, took/row.Entries, float64(took)/(1<<20))
			if took > row.Entries*row.Each {
				t.Errorf("got %d bytes for each of %d entries, want at most %d", took/row.Entries, row.Entries, row.Each)
			}
		})
	}
}
