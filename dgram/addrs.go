package dgram

import (
	"net"
	"sync"

	"github.com/peermesh/peermesh/internal/limits"
)

// addrs keeps senders' addresses as interfaces, so that a datagram from one of
// the last few hundred senders allocates nothing. It is bounded: a slot is
// overwritten by the next sender that falls on it, which costs one allocation.
type addrs struct {
	mu    sync.Mutex
	slots [limits.DatagramAddrs]net.Addr
}

// intern returns addr as an interface.
func (a *addrs) intern(addr Addr) net.Addr {
	n := (uint(addr.ID[0]) ^ uint(addr.ID[1])<<3 ^ uint(addr.Port)) % limits.DatagramAddrs
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.slots[n].(Addr); ok && known == addr {
		return a.slots[n]
	}
	a.slots[n] = addr
	return a.slots[n]
}
