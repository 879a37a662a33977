package node

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// addressed is a carrier that has an address and does nothing.
type addressed struct {
	transport.Conn
	from     string
	indirect bool
}

func (a *addressed) Kind() string   { return "ws" }
func (a *addressed) Indirect() bool { return a.indirect }
func (a *addressed) Close() error   { return nil }
func (a *addressed) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(a.from))
}

func TestGroupsOf(t *testing.T) {
	for _, test := range []struct {
		from        string
		indirect    bool
		host, group string // empty: not counted
	}{
		{"198.51.100.7:1", false, "198.51.100.7/32", "198.51.0.0/16"},
		{"[::ffff:198.51.100.7]:1", false, "198.51.100.7/32", "198.51.0.0/16"},
		{"[2001:db8:1:2ff::1]:1", false, "2001:db8:1:200::/56", "2001:db8:1::/48"},
		{"[fe80::1%eth0]:1", false, "fe80::/56", "fe80::/48"},
		{"127.0.0.1:1", false, "", ""},
		{"[::1]:1", false, "", ""},
		{"127.0.0.1:1", true, "127.0.0.1/32", "127.0.0.0/16"},
		{"[::1]:1", true, "::/56", "::/48"},
	} {
		host, group := groupsOf(&addressed{from: test.from, indirect: test.indirect})
		if test.host == "" && (host.IsValid() || group.IsValid()) || test.host != "" && (host.String() != test.host || group.String() != test.group) {
			t.Errorf("%s, indirect %t: got %v in %v, want %s in %s", test.from, test.indirect, host, group, test.host, test.group)
		}
	}
}

// spread is an address of one host after another: with IPv4 of one /16, with IPv6
// of one /48, each a /56 of its own.
func spread(six bool, group, i int) string {
	if six {
		return fmt.Sprintf("[2a00:0:%x:%x::1]:1", group, i&0xff<<8)
	}
	return fmt.Sprintf("%d.1.%d.%d:1", group, i>>8, i&0xff)
}

// Whatever one host or one group opens, the others lose nothing by it.
func TestGateKeepsPlacesForOthers(t *testing.T) {
	for _, test := range []struct {
		name string
		from func(i int) string
		keep int // of theirs
	}{
		{"one address", func(int) string { return "11.1.2.3:1" }, limits.PreAuthLinksPerIP},
		{"one /56", func(i int) string { return fmt.Sprintf("[2a00:0:0:%x::1]:1", i&0xff) }, limits.PreAuthLinksPerIP},
		{"one /16", func(i int) string { return spread(false, 11, i) }, limits.PreAuthLinksGroup},
		{"one /48", func(i int) string { return spread(true, 11, i) }, limits.PreAuthLinksGroup},
		{"loopback", func(int) string { return "127.0.0.1:1" }, limits.PreAuthLinks - 4},
		{"eight groups", func(i int) string { return spread(false, 11+i%8, i) }, limits.PreAuthLinks - 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			var g gate
			var honest []*waiting
			for i := range 4 {
				w, _ := g.enter(&addressed{from: spread(false, 80+i, 1)})
				honest = append(honest, w)
			}
			var theirs []*waiting
			closed := make(map[transport.Conn]bool)
			for i := range 2000 {
				w, old := g.enter(&addressed{from: test.from(i)})
				theirs = append(theirs, w)
				if old != nil {
					closed[old] = true
				}
			}
			if got := g.inside(); got != test.keep+4 {
				t.Errorf("inside: got %d, want %d", got, test.keep+4)
			}
			for i, w := range honest {
				if closed[w.conn] || !g.leave(w) {
					t.Errorf("honest %d made room", i)
				}
			}
			for i, w := range theirs { // the oldest of them made room
				if want := i >= len(theirs)-test.keep; g.leave(w) != want || closed[w.conn] == want {
					t.Fatalf("%d of %d: in its place %t, want %t", i, len(theirs), !want, want)
				}
			}
			if g.inside() != 0 || len(g.byHost) != 0 || len(g.byGroup) != 0 {
				t.Errorf("at the end: got %d, %v, %v, want nothing", g.inside(), g.byHost, g.byGroup)
			}
		})
	}
}

// A newcomer of a group that holds few places takes one of the fullest group.
func TestGateFullOfLoopbackHasRoom(t *testing.T) {
	var g gate
	first, _ := g.enter(&addressed{from: "11.1.2.3:1"})
	for range limits.PreAuthLinks - 1 {
		g.enter(&addressed{from: "127.0.0.1:1"})
	}
	w, old := g.enter(&addressed{from: "12.1.2.3:1"})
	if a, ok := old.(*addressed); !ok || a.from != "127.0.0.1:1" {
		t.Errorf("got %v closed, want one of loopback", old)
	}
	if !g.leave(first) || !g.leave(w) {
		t.Error("one of the others lost its place")
	}
}
