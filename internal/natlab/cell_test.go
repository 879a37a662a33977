//go:build linux

package natlab

import (
	"fmt"
	"net/netip"
	"testing"
)

// place is a namespace with an address.
type place struct {
	space
	addr netip.Addr
}

func (p place) at(port uint16) string { return netip.AddrPortFrom(p.addr, port).String() }

// cell is a network of its own: relays on a wide net, and hosts behind
// translators.
type cell struct {
	wan   space
	relay [2]place
	nat   []*nat
}

// newCell makes the wide net and two places on it.
func newCell(t *testing.T) *cell {
	t.Helper()
	needLab(t)
	c := &cell{wan: newSpace(t, "wan")}
	c.wan.ip(t, "link add wan type bridge", "link set wan up")
	for i := range c.relay {
		c.relay[i] = c.onWAN(t, fmt.Sprint("r", i+1), outer(i+1))
	}
	return c
}

// onWAN makes a namespace with an address on the wide net.
func (c *cell) onWAN(t *testing.T, name, addr string) place {
	t.Helper()
	p := place{newSpace(t, name), netip.MustParseAddr(addr)}
	plug(t, c.wan, "wan", name, p.space, "wan")
	p.ip(t, "addr add "+addr+"/8 dev wan", "link set wan up")
	return p
}

// outer returns an address of the wide net. Each is of another group: a node
// takes few links from one /16.
func outer(n int) string { return fmt.Sprintf("5.%d.0.1", n) }

// plug lays a cable from a bridge to a namespace.
func plug(t *testing.T, at space, bridge, port string, to space, device string) {
	t.Helper()
	at.ip(t, fmt.Sprintf("link add dev to-%s type veth peer name %s netns %s", port, device, to),
		fmt.Sprintf("link set dev to-%s master %s up", port, bridge))
}

// nat is a translator with a private net behind it.
type nat struct {
	place // its outer side
	lan   netip.Prefix
	hosts int
}

// newNAT makes a translator of a shape. The private net is 192.168.n.0/24.
func (c *cell) newNAT(t *testing.T, s shape, n int) *nat {
	t.Helper()
	number := 1 + len(c.nat)
	at := &nat{
		place: c.onWAN(t, fmt.Sprint("nat", number), outer(10+number)),
		lan:   netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(n), 0}), 24),
	}
	c.nat = append(c.nat, at)
	at.ip(t, "link add lan type bridge", "addr add "+at.inside(1).String()+"/24 dev lan", "link set lan up")
	at.exec(t, "1", "tee", "/proc/sys/net/ipv4/ip_forward")
	at.exec(t, rules[s], "nft", "-f", "-")
	return at
}

func (n *nat) inside(host int) netip.Addr {
	b := n.lan.Addr().As4()
	b[3] = byte(host)
	return netip.AddrFrom4(b)
}

// host makes a host on the private net.
func (n *nat) host(t *testing.T, name string) place {
	t.Helper()
	n.hosts++
	p := place{newSpace(t, name), n.inside(1 + n.hosts)}
	plug(t, n.space, "lan", name, p.space, "eth0")
	p.ip(t, "addr add "+p.addr.String()+"/24 dev eth0", "link set eth0 up", "route add default via "+n.inside(1).String())
	return p
}
