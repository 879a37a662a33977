package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
)

// at is a host of one of many groups of addresses.
func at(group, host int) (h, g netip.Prefix) {
	a := netip.AddrFrom4([4]byte{10, byte(group), byte(host >> 8), byte(host)})
	h, _ = a.Prefix(32)
	g, _ = a.Prefix(16)
	return h, g
}

// takeAt takes a turn of such a host.
func (t *turns) takeAt(group, host int, gone <-chan struct{}) bool {
	h, g := at(group, host)
	return t.take(h, g, nil, gone)
}

// A flood of 5,000 handshakes a second from four groups gets the budget and no
// more, also if each handshake is of another host of them; one from another group
// waits for one turn, however many wait before it.
func TestFloodOfHandshakesDelaysItself(t *testing.T) {
	for _, hosts := range []int{1, 64, 1 << 16} {
		t.Run(fmt.Sprint(hosts, " hosts each"), func(t *testing.T) { floodOfHandshakes(t, hosts) })
	}
}

func floodOfHandshakes(t *testing.T, hosts int) {
	synctest.Test(t, func(t *testing.T) {
		const each, seconds = 5_000, 4
		var ts turns
		gone := make(chan struct{})
		refused := make(chan bool, each*seconds)
		var waits []time.Duration
		for i := range each * seconds {
			go func() { refused <- ts.takeAt(i%4, i/4%hosts, gone) }()
			if i%100 == 99 { // an honest one, 50 a second, each of a group of its own
				begin := time.Now()
				if !ts.takeAt(100+i/100%50, 1, gone) {
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
				if ts.takeAt(g, 1, gone) {
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

// A host that shares its group with a flood of another host has a turn for each of
// that one's.
func TestHostsOfAGroupTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ts turns
		gone := make(chan struct{})
		got := make(chan int, 2*limits.LinkHandshakesWaiting)
		enter := func(host int) {
			go func() {
				if ts.takeAt(0, host, gone) {
					got <- host
				}
			}()
			synctest.Wait()
		}
		for range limits.LinkHandshakeBurst + limits.LinkHandshakesWaiting + 10 {
			enter(1)
		}
		for range 10 {
			enter(2)
		}
		for len(got) > 0 {
			<-got // the burst
		}
		time.Sleep(22 * turnEvery)
		synctest.Wait()
		others := 0
		for len(got) > 0 {
			if <-got == 2 {
				others++
			}
		}
		if others != 10 {
			t.Errorf("answered of the other host: got %d, want all 10", others)
		}
		close(gone)
		time.Sleep(time.Minute)
	})
}

// seeming is a carrier over memory that seems to come from an address.
type seeming struct {
	transport.Conn
	from string
}

func (s seeming) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s.from))
}

// Who loses its place while it waits for a turn leaves at once, and no turn is spent
// on it.
func TestWhoLostItsPlaceTakesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := New(Config{WebRTC: WebRTCOff})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		n.turns.mu.Lock()
		n.turns.full = time.Now().Add(time.Hour) // there is none for long
		n.turns.mu.Unlock()
		const more = 5
		for range limits.PreAuthLinksPerIP + more {
			near, far := mem.Pipe()
			t.Cleanup(func() { near.Close() })
			n.Accept(seeming{far, "11.1.2.3:1"})
			if err := errors.Join(near.Send(make([]byte, 32)), near.Flush()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		n.turns.mu.Lock()
		waiting := n.turns.waiting
		n.turns.mu.Unlock()
		if waiting != limits.PreAuthLinksPerIP {
			t.Errorf("waiting for a turn: got %d, want %d", waiting, limits.PreAuthLinksPerIP)
		}
		if got := n.Status().Drops[reason.LinkLimit.String()]; got != more {
			t.Errorf("links that made room: got %d, want %d", got, more)
		}
	})
}
