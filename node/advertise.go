package node

import (
	"net"
	"net/netip"
	"regexp"
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

// innerNetworks match the names of interfaces behind which containers and virtual
// machines of this one sit, as their programs name them: Docker (its networks by
// 12 hex digits; br-lan is something else), libvirt, LXC, Podman and what
// Kubernetes puts on a node.
var innerNetworks = regexp.MustCompile(`^(docker|virbr|lxcbr|lxdbr|podman|veth|cni|flannel|cali|kube-|br-[0-9a-f]{12}$)`)

// localAddr is an address of this machine and its interface's name.
type localAddr struct {
	on   string
	addr netip.Addr
}

// outward leaves out the addresses that only the inside of this machine can
// dial, and that mean another machine, or none, to others: unless it has no other
// to tell.
func outward(all []localAddr) []netip.Addr {
	var own, inner []netip.Addr
	tellable := false
	for _, l := range all {
		if innerNetworks.MatchString(l.on) {
			inner = append(inner, l.addr)
			continue
		}
		own = append(own, l.addr)
		tellable = tellable || engine.ScopeOf(l.addr.Unmap())&(engine.ScopePublic|engine.ScopePrivate) != 0
	}
	if tellable {
		return own
	}
	return append(own, inner...)
}

// ownAddresses are those of this machine's interfaces that are up; none when
// the system does not tell.
func ownAddresses() []netip.Addr {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var own []localAddr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		prefixes, _ := i.Addrs() // of one that has gone meanwhile there are none
		for _, p := range prefixes {
			if parsed, err := netip.ParsePrefix(p.String()); err == nil {
				own = append(own, localAddr{i.Name, parsed.Addr()})
			}
		}
	}
	return outward(own)
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
