package node

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
)

// URLs are what others can dial to reach this node's port: the configured
// public URLs, else the listening address. A port on all addresses is told as
// those that this machine has now, see advertised. Without a port there are none.
func (n *Node) URLs() []string {
	if len(n.cfg.PublicURLs) > 0 || n.listener == nil {
		return append([]string{}, n.cfg.PublicURLs...)
	}
	scheme := "ws"
	if n.cfg.TLSCert != "" {
		scheme = "wss"
	}
	at := n.listener.Addr().(*net.TCPAddr)
	ip, _ := netip.AddrFromSlice(at.IP)
	hosts := []netip.Addr{ip.Unmap().WithZone(at.Zone)}
	if !ip.IsValid() || ip.IsUnspecified() {
		hosts = advertised(ip.Unmap().Is4(), ownAddresses())
	}
	urls := make([]string, len(hosts))
	for i, host := range hosts {
		urls[i] = scheme + "://" + net.JoinHostPort(host.String(), strconv.Itoa(at.Port))
	}
	return urls
}

// ownAddresses are those of this machine's interfaces that are up; none when
// the system does not tell.
func ownAddresses() []netip.Addr {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var own []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		prefixes, _ := i.Addrs() // of one that has gone meanwhile there are none
		for _, p := range prefixes {
			if parsed, err := netip.ParsePrefix(p.String()); err == nil {
				own = append(own, parsed.Addr())
			}
		}
	}
	return own
}

// advertised chooses, of a machine's own addresses, those that a node on all of
// them tells of: the public ones first, then the private ones, and loopback last,
// for other nodes on this machine; limits.ContactURLs in all. Link-local ones,
// which mean nothing without an interface, are never told. Who learns of the
// others dials only those that can mean something to it. only4: the port takes
// no IPv6.
func advertised(only4 bool, own []netip.Addr) []netip.Addr {
	var told []netip.Addr
	for _, scope := range []engine.Scopes{engine.ScopePublic, engine.ScopePrivate} {
		for _, addr := range own {
			addr = addr.Unmap()
			fits := engine.ScopeOf(addr) == scope && !(only4 && addr.Is6())
			if fits && !slices.Contains(told, addr) && len(told) < limits.ContactURLs-1 {
				told = append(told, addr)
			}
		}
	}
	return append(told, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
}
