package ws

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
)

// A message costs no allocation on either side once pools are warm, but for
// those of crypto/tls: one for each record that it reads.
func TestSteadyStateAllocations(t *testing.T) {
	if raced {
		t.Skip("pools forget on purpose under the race detector; run it without -race")
	}
	for _, size := range []int{64, 1 << 10, limits.MaxRecord} {
		for _, secure := range []bool{false, true} {
			for _, fromClient := range []bool{true, false} {
				t.Run(fmt.Sprintf("bytes=%d,tls=%v,client=%v", size, secure, fromClient), func(t *testing.T) {
					a, b := pair(t, Settings{}, secure)
					if !fromClient {
						a, b = b, a
					}
					msg, room := make([]byte, size), inRoom(limits.MaxRecord)
					got := testing.AllocsPerRun(300, func() {
						if err := exchange(a, b, msg, room); err != nil {
							t.Fatal(err)
						}
					})
					want := 0.0
					if secure {
						want = 2
					}
					if got > want {
						t.Errorf("allocations for one message: got %v, want at most %v", got, want)
					}
				})
			}
		}
	}
}

// exchange moves one message that the socket's buffers hold.
func exchange(a, b *Conn, msg []byte, room func() []byte) error {
	if err := a.Send(msg); err != nil {
		return err
	}
	if err := a.Flush(); err != nil {
		return err
	}
	_, err := b.Receive(room)
	return err
}

// What an idle end costs, the goroutine that receives included, after it has
// sent and received the longest message: the mean of both ends, of which the
// dialled one has 8 KiB in the library's buffers.
func TestIdleCost(t *testing.T) {
	const (
		pairs         = 50
		maxGoroutines = 2.0
		maxBytes      = 15 << 10 // heap and stack
	)
	u, _, accepted := server(t, AcceptOptions{}, false)
	open := func() [2]*Conn {
		c, err := Dial(context.Background(), u, DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ends := [2]*Conn{c, <-accepted}
		exchangeBothWays(t, ends)
		return ends
	}
	ends := [][2]*Conn{open()} // warms the pools
	before := measure()
	var receivers sync.WaitGroup
	for range pairs {
		pair := open()
		ends = append(ends, pair)
		for _, c := range pair {
			receivers.Go(func() {
				_, _ = c.Receive(func() []byte { panic("idle: no message is there") })
			})
		}
	}
	runtime.Gosched()
	after := measure()
	const count = 2 * pairs
	goroutines := float64(after.goroutines-before.goroutines) / count
	heap, stack := float64(after.heap-before.heap)/count, float64(after.stack-before.stack)/count
	t.Logf("per idle end: %.2f goroutines, %.1f KiB heap, %.1f KiB stack", goroutines, heap/1024, stack/1024)
	if goroutines > maxGoroutines {
		t.Errorf("goroutines per idle end: got %.2f, want at most %v", goroutines, maxGoroutines)
	}
	if !raced && heap+stack > maxBytes { // the detector's own use of the stack is not ours
		t.Errorf("bytes per idle end: got %.0f, want at most %d", heap+stack, maxBytes)
	}
	for _, pair := range ends {
		_, _ = pair[0].Close(), pair[1].Close()
	}
	receivers.Wait()
}

func exchangeBothWays(t *testing.T, ends [2]*Conn) {
	t.Helper()
	msg, room := make([]byte, limits.MaxRecord), inRoom(limits.MaxRecord)
	for i, c := range ends {
		if err := exchange(c, ends[1-i], msg, room); err != nil {
			t.Fatal(err)
		}
	}
}

type cost struct {
	goroutines  int
	heap, stack int64
}

func measure() cost {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return cost{runtime.NumGoroutine(), int64(m.HeapAlloc), int64(m.StackInuse)}
}
