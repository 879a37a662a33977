package node

import (
	"net"
	"net/netip"
	"sync"

	"github.com/peermesh/peermesh/internal/limits"
)

// gate bounds the accepted links that have not proved themselves yet, in all
// and per IP group (a /32, or a /56); loopback and carriers without an address
// count only in all.
type gate struct {
	mu      sync.Mutex
	total   int
	byGroup map[netip.Prefix]int
}

// enter takes a place; false: there is none.
func (g *gate) enter(addr net.Addr) bool {
	group, grouped := groupOf(addr)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.total >= limits.PreAuthLinks || grouped && g.byGroup[group] >= limits.PreAuthLinksPerIP {
		return false
	}
	g.total++
	if grouped {
		if g.byGroup == nil {
			g.byGroup = make(map[netip.Prefix]int)
		}
		g.byGroup[group]++
	}
	return true
}

// inside is how many places are taken.
func (g *gate) inside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total
}

// leave gives the place of enter back.
func (g *gate) leave(addr net.Addr) {
	group, grouped := groupOf(addr)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	if !grouped {
		return
	}
	if g.byGroup[group]--; g.byGroup[group] <= 0 {
		delete(g.byGroup, group)
	}
}

func groupOf(addr net.Addr) (netip.Prefix, bool) {
	if addr == nil {
		return netip.Prefix{}, false
	}
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.Prefix{}, false
	}
	ip := ap.Addr().Unmap().WithZone("")
	if ip.IsLoopback() {
		return netip.Prefix{}, false
	}
	bits := 32
	if ip.Is6() {
		bits = 56
	}
	p, err := ip.Prefix(bits)
	return p, err == nil
}
