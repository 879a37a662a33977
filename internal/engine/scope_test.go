package engine

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestScopeOf(t *testing.T) {
	for _, test := range []struct {
		addr string
		want Scopes
	}{
		{"8.8.8.8", ScopePublic},
		{"1.1.1.1", ScopePublic},
		{"100.63.255.255", ScopePublic},
		{"100.128.0.0", ScopePublic},
		{"172.15.255.255", ScopePublic},
		{"172.32.0.0", ScopePublic},
		{"223.255.255.255", ScopePublic},

		{"127.0.0.1", ScopeLoopback},
		{"127.255.255.254", ScopeLoopback},
		{"10.0.0.1", ScopePrivate},
		{"172.16.0.1", ScopePrivate},
		{"172.31.255.255", ScopePrivate},
		{"192.168.1.1", ScopePrivate},
		{"100.64.0.1", ScopePrivate},
		{"100.100.100.200", 0}, // metadata
		{"100.100.100.201", ScopePrivate},
		{"169.254.169.254", 0}, // metadata
		{"169.254.170.2", 0},
		{"169.254.170.23", 0},
		{"169.254.0.23", 0},
		{"169.254.169.253", ScopeLinkLocal},

		{"0.0.0.0", 0},
		{"0.1.2.3", 0},
		{"168.63.129.16", 0},
		{"192.0.0.192", 0}, // metadata
		{"192.0.2.1", 0},
		{"192.88.99.1", 0},
		{"198.18.0.1", 0},
		{"198.19.255.255", 0},
		{"198.51.100.1", 0},
		{"203.0.113.1", 0},
		{"224.0.0.1", 0},
		{"239.255.255.255", 0},
		{"240.0.0.1", 0},
		{"255.255.255.255", 0},

		{"::1", ScopeLoopback},
		{"::1%lo", ScopeLoopback},
		{"2a00:1450::1", ScopePublic},
		{"2a00:1450::1%eth0", ScopePublic},
		{"2001:4860:4860::8888", ScopePublic},
		{"2001:200::1", ScopePublic},
		{"fe80::1", ScopeLinkLocal},
		{"fe80::1%eth0", ScopeLinkLocal},
		{"febf::1", ScopeLinkLocal},
		{"fec0::1", ScopePrivate},
		{"fc00::1", ScopePrivate},
		{"fd00:ec2::254", 0}, // metadata
		{"fd00:ec2::23", 0},
		{"fd20:ce::254", 0},
		{"fd00:ec2::253", ScopePrivate},
		{"::", 0},
		{"ff02::1", 0},
		{"ff0e::1", 0},
		{"100::1", 0},
		{"2001:db8::1", 0},
		{"2001:10::1", 0},
		{"2001::53aa:64c:0:7f4:52e8:3d28", 0}, // Teredo
		{"3fff::1", 0},
		{"4000::1", 0},
		{"5f00::1", 0},
		{"64:ff9b:1::1", 0}, // NAT64 of a site

		{"::ffff:127.0.0.1", ScopeLoopback},
		{"::ffff:127.0.0.1%eth0", ScopeLoopback},
		{"::ffff:8.8.8.8", ScopePublic},
		{"::ffff:169.254.169.254", 0},
		{"::ffff:0.0.0.0", 0},
		{"::ffff:0:10.0.0.1", ScopePrivate},
		{"::127.0.0.1", ScopeLoopback},
		{"::8.8.8.8", ScopePublic},
		{"::2", 0},
		{"64:ff9b::8.8.8.8", ScopePublic},
		{"64:ff9b::127.0.0.1", ScopeLoopback},
		{"64:ff9b::10.0.0.1", ScopePrivate},
		{"64:ff9b::169.254.169.254", 0},
		{"64:ff9b::255.255.255.255", 0},
		{"2002:808:808::1", ScopePublic},
		{"2002:7f00:1::1", ScopeLoopback},
		{"2002:c0a8:101::1", ScopePrivate},
		{"2002:e000:1::", 0},
		{"2a00:1450::5efe:7f00:1", 0},
		{"2a00:1450::200:5efe:808:808", 0},
	} {
		t.Run(test.addr, func(t *testing.T) {
			if got := ScopeOf(netip.MustParseAddr(test.addr)); got != test.want {
				t.Errorf("got %04b, want %04b", got, test.want)
			}
		})
	}
	if got := ScopeOf(netip.Addr{}); got != 0 {
		t.Errorf("no address: got %04b, want 0", got)
	}
}

// However an IPv4 address is written as an IPv6 one, it keeps its scope, and a
// zone changes nothing.
func TestScopeOfEmbedded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v4 := [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4"))
		want := ScopeOf(netip.AddrFrom4(v4))
		tail := func(prefix string) netip.Addr {
			b := netip.MustParseAddr(prefix).As16()
			copy(b[12:], v4[:])
			return netip.AddrFrom16(b)
		}
		six := [16]byte{0x20, 0x02, v4[0], v4[1], v4[2], v4[3], 15: 1}
		for _, addr := range []netip.Addr{
			tail("::ffff:0:0"), tail("64:ff9b::"), tail("::ffff:0:0:0"), netip.AddrFrom16(six),
			tail("::ffff:0:0").WithZone("z"),
		} {
			if got := ScopeOf(addr); got != want {
				t.Fatalf("%v: got %04b, want %04b as of %v", addr, got, want, netip.AddrFrom4(v4))
			}
		}
	})
}

func TestTold(t *testing.T) {
	for _, test := range []struct {
		name string
		of   Scopes
		want Scopes
	}{
		{"public", ScopePublic, ScopePublic},
		{"private", ScopePrivate, ScopePrivate | ScopePublic},
		{"loopback", ScopeLoopback, ScopeLoopback | ScopePublic},
		{"link-local", ScopeLinkLocal, ScopeLinkLocal | ScopePublic},
		{"no addresses", 0, AllScopes},
	} {
		if got := test.of.Told(); got != test.want {
			t.Errorf("%s: got %04b, want %04b", test.name, got, test.want)
		}
	}
}
