//go:build !race

package node

import (
	"runtime"
	"testing"
	"time"
)

// usage is what this process holds after a thorough collection.
func usage() (bytes, goroutines int) {
	var s runtime.MemStats
	for range 6 { // stacks shrink by half each time
		runtime.GC()
	}
	runtime.ReadMemStats(&s)
	return int(s.HeapAlloc + s.StackInuse), runtime.NumGoroutine()
}

// TestIdleLinkBudget holds what one end of an idle WebSocket link costs: at most
// 26 KiB of heap and stack, what is known of the peer and its neighbours
// included, as the mean of ends that dialled and ends that accepted, and 2
// goroutines.
func TestIdleLinkBudget(t *testing.T) {
	const count = 14
	var nodes []*Node
	for range count {
		n, err := New(Config{Listen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		nodes = append(nodes, n)
	}
	bytes0, goroutines0 := usage()
	for _, n := range nodes[1:] { // the rest they do themselves
		if err := n.Join(within(t, amply), nodes[0].URLs()...); err != nil {
			t.Fatal(err)
		}
	}
	const ends = count * (count - 1)
	ctx := within(t, amply)
	for links := 0; links != ends; { // one with each other, and none that is a duplicate
		select {
		case <-ctx.Done():
			t.Fatalf("links: got %d, want %d", links, ends)
		case <-time.After(20 * time.Millisecond):
		}
		links = 0
		for _, n := range nodes {
			links += len(n.Peers())
		}
	}
	for most := goroutines0 + 2*ends + len(nodes); runtime.NumGoroutine() > most; { // the writers end
		select {
		case <-ctx.Done():
			t.Fatalf("goroutines: got %d, want at most %d", runtime.NumGoroutine(), most)
		case <-time.After(20 * time.Millisecond):
		}
	}
	bytes1, _ := usage()
	got := (bytes1 - bytes0) / ends
	t.Logf("one idle link end: %d bytes", got)
	if got > 26<<10 {
		t.Errorf("bytes per idle link end: got %d, want at most %d", got, 26<<10)
	}
}
