package node

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// group is one of many groups of addresses.
func group(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16)
}

// A flood of 5,000 handshakes a second from four groups gets the budget and no
// more; one from another group waits for one turn, however many wait before it.
func TestFloodOfHandshakesDelaysItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each, seconds = 5_000, 4
		var ts turns
		gone := make(chan struct{})
		refused := make(chan bool, each*seconds)
		var waits []time.Duration
		for i := range each * seconds {
			go func() { refused <- ts.take(group(i%4), gone) }()
			if i%100 == 99 { // an honest one, 50 a second, each of a group of its own
				begin := time.Now()
				if !ts.take(group(100+i/100%50), gone) {
					t.Fatal("one of a group that waits for nothing was refused")
				}
				waits = append(waits, time.Since(begin))
			}
			time.Sleep(time.Second / each)
		}
		ts.mu.Lock()
		if got, most := ts.given, uint64(limits.LinkHandshakeBurst+(seconds+2)*limits.LinkHandshakes); got > most {
			t.Errorf("turns given: got %d, want at most %d", got, most)
		}
		if ts.waiting > limits.LinkHandshakesWaiting {
			t.Errorf("waiting: got %d, want at most %d", ts.waiting, limits.LinkHandshakesWaiting)
		}
		ts.mu.Unlock()
		slices.Sort(waits)
		if p95 := waits[len(waits)*95/100]; p95 > 10*time.Millisecond {
			t.Errorf("honest ones waited %v (p95), want at most 10ms", p95)
		}
		close(gone)
		for range each * seconds {
			<-refused
		}
		ts.mu.Lock()
		if ts.waiting != 0 || len(ts.groups) != 0 {
			t.Errorf("after all have gone: %d waiting in %d groups, want none", ts.waiting, len(ts.groups))
		}
		ts.mu.Unlock()
		time.Sleep(time.Second) // the timer ends by itself
	})
}

// Who floods from one group gives up its own places for those of others.
func TestPlacesInTheQueueAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ts turns
		got := make(chan int, 4*limits.LinkHandshakesWaiting)
		gone := make(chan struct{})
		enter := func(g int) {
			go func() {
				if ts.take(group(g), gone) {
					got <- g
				}
			}()
			synctest.Wait()
		}
		for range limits.LinkHandshakeBurst + limits.LinkHandshakesWaiting + 10 {
			enter(0)
		}
		for g := 1; g <= 20; g++ {
			enter(g)
		}
		ts.mu.Lock()
		waiting := ts.waiting
		ts.mu.Unlock()
		if waiting != limits.LinkHandshakesWaiting {
			t.Errorf("waiting: got %d, want %d", waiting, limits.LinkHandshakesWaiting)
		}
		time.Sleep(25 * turnEvery)
		synctest.Wait()
		others := 0
		for len(got) > 0 {
			if <-got != 0 {
				others++
			}
		}
		if others != 20 {
			t.Errorf("answered of the other groups: got %d, want all 20", others)
		}
		close(gone)
		time.Sleep(time.Minute)
	})
}
