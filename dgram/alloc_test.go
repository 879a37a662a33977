package dgram_test

import (
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/dgram"
)

// A datagram from a known sender costs no memory at either end, nor at the relay
// between them.
func TestDatagramsDoNotAllocate(t *testing.T) {
	if raced {
		t.Skip("pools forget on purpose under the race detector; run it without -race")
	}
	a, b := memPair(t)
	to := a.LocalAddr()
	for _, size := range []int{64, 1200} { // put into a frame by the link, and by the sender
		buf := make([]byte, size)
		set(t, a.SetReadDeadline(time.Now().Add(patience)))
		n := testing.AllocsPerRun(2000, func() {
			if _, err := b.WriteTo(buf, to); err != nil {
				t.Fatal(err)
			}
			if n, _, err := a.ReadFrom(buf); n != len(buf) || err != nil {
				t.Fatal(n, err)
			}
		})
		if n > 1 {
			t.Errorf("a datagram of %d bytes: got %v allocations at both ends and the relay, want 1 at most", size, n)
		}
	}
}

// A PacketConn has no goroutine: who reads takes from the port's queue.
func TestAConnCostsNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := memPair(t)
		synctest.Wait()
		before := runtime.NumGoroutine()
		for range 10 {
			c, err := dgram.Listen(a.Node(), 0)
			if err != nil {
				t.Fatal(err)
			}
			write(t, c, "x", a.LocalAddr())
		}
		synctest.Wait()
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("ten more conns: got %d goroutines, before %d", after, before)
		}
	})
}

func BenchmarkPacketConn(b *testing.B) {
	for _, carrier := range []struct {
		name string
		pair func(testing.TB) (to, from *dgram.PacketConn)
	}{{"mem", memPair}, {"ws", wsPair}} {
		for _, size := range []int{64, 1200, 16384} {
			b.Run(carrier.name+"/"+sizeName(size), func(b *testing.B) {
				to, from := carrier.pair(b)
				pump(b, to, from, size)
			})
		}
	}
}

func sizeName(n int) string {
	switch n {
	case 64:
		return "64B"
	case 1200:
		return "1200B"
	}
	return "16KiB"
}

// pump sends b.N datagrams with a window under way that no queue is too small
// for, and tells what arrived.
func pump(b *testing.B, to, from net.PacketConn, size int) {
	window := make(chan struct{}, 128<<10/size)
	done := make(chan error, 1)
	go func() {
		buf := make([]byte, size)
		for range b.N {
			if _, _, err := to.ReadFrom(buf); err != nil {
				done <- err
				return
			}
			<-window
		}
		done <- nil
	}()
	buf, addr := make([]byte, size), to.LocalAddr()
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		window <- struct{}{}
		if _, err := from.WriteTo(buf, addr); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
