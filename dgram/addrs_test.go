package dgram

import (
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

func TestKnownAddressesDoNotAllocate(t *testing.T) {
	var a addrs
	addr := Addr{ID: routing.ID{1, 2, 3}, Port: 4}
	if n := testing.AllocsPerRun(100, func() { a.intern(addr) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
	// two that fall on one slot take turns, and neither gets the other's name
	other := addr
	other.ID[2]++
	for range 3 {
		if a.intern(addr) != addr || a.intern(other) != other {
			t.Fatal("got another address")
		}
	}
	if n := testing.AllocsPerRun(100, func() { a.intern(addr); a.intern(other) }); n != 2 {
		t.Errorf("two senders in one slot: got %v allocations, want one each", n)
	}
}

// Any number of senders take the same memory.
func TestAddressesAreBounded(t *testing.T) {
	var a addrs
	for i := range 100_000 {
		addr := Addr{ID: routing.ID{byte(i), byte(i >> 8), byte(i >> 16)}, Port: uint16(i)}
		if got := a.intern(addr); got != addr {
			t.Fatalf("got %v, want %v", got, addr)
		}
	}
	if len(a.slots) != limits.DatagramAddrs {
		t.Errorf("got %d slots, want %d", len(a.slots), limits.DatagramAddrs)
	}
}
