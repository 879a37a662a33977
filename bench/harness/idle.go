package harness

import (
	"errors"
	"fmt"
	"runtime"
)

// Memory is what one idle link end holds. The link counts half for each of its
// two ends, of which both are in this process.
type Memory struct {
	Ends       int     `json:"ends"`
	Heap       float64 `json:"heap_bytes_per_end"`
	Stack      float64 `json:"stack_bytes_per_end"`
	Goroutines float64 `json:"goroutines_per_end"`
}

// Total is heap and stack together.
func (m Memory) Total() float64 { return m.Heap + m.Stack }

// Idle measures the memory of links that have carried one message each way.
func Idle(s Idler, links int) (_ Memory, err error) {
	idle, err := s.Idle(links)
	if err != nil {
		return Memory{}, fmt.Errorf("idle %s: %w", s.Name(), err)
	}
	defer func() { err = errors.Join(err, idle.Close()) }()
	before := held()
	ends, err := idle.Connect()
	if err != nil {
		return Memory{}, fmt.Errorf("idle %s: %w", s.Name(), err)
	}
	after, n := held(), float64(ends)
	return Memory{
		Ends:       ends,
		Heap:       (after.heap - before.heap) / n,
		Stack:      (after.stack - before.stack) / n,
		Goroutines: (after.goroutines - before.goroutines) / n,
	}, nil
}

type holding struct{ heap, stack, goroutines float64 }

// held reads the memory after collections have emptied the pools (a sync.Pool
// forgets at the second one) and shrunk the stacks (a further one).
func held() holding {
	for range 4 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return holding{float64(m.HeapAlloc), float64(m.StackInuse), float64(runtime.NumGoroutine())}
}
