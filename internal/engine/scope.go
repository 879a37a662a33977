package engine

import (
	"encoding/binary"
	"net/netip"
)

// ScopeOf returns the scope of an address, 0 for one that is nobody's: the
// unspecified, multicast, documentation and reserved ones, those at which clouds tell
// their guests secrets, and those that are translated on the way to a target that
// cannot be told. An IPv6 address that holds an IPv4 address is judged by it: the
// packet ends there. A zone does not count.
func ScopeOf(addr netip.Addr) Scopes {
	addr = addr.WithZone("").Unmap()
	if addr.Is6() {
		return scopeOf6(addr)
	}
	return scopeOf4(addr)
}

// scopeOf6 needs an address without a zone that is not mapped.
func scopeOf6(addr netip.Addr) Scopes {
	if addr == netip.IPv6Loopback() {
		return ScopeLoopback
	}
	b := addr.As16()
	for _, t := range translated {
		if t.prefix.Contains(addr) {
			return scopeOf4(netip.AddrFrom4([4]byte(b[t.at:])))
		}
	}
	if iid := binary.BigEndian.Uint32(b[8:]); iid&^0x0200_0000 == isatap {
		return 0
	}
	for _, r := range ranges6 {
		if r.prefix.Contains(addr) {
			return r.scope
		}
	}
	return 0 // not handed out
}

func scopeOf4(addr netip.Addr) Scopes {
	for _, r := range ranges4 {
		if r.prefix.Contains(addr) {
			return r.scope
		}
	}
	if !addr.IsValid() {
		return 0
	}
	return ScopePublic
}

// isatap begins an interface identifier that holds an IPv4 address (RFC 5214,
// section 6.1); whether it is sent there is up to the routers of the site.
const isatap = 0x0000_5efe

// translated are the IPv6 prefixes before an IPv4 address, and where it begins.
var translated = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("::/96"), 12},           // IPv4-compatible (RFC 4291, 2.5.5.1)
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // IPv4-translated (RFC 2765, 2.1)
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64 (RFC 6052, 2.1)
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4 (RFC 3056, 2)
}

// scoped is a range of addresses of one scope.
type scoped struct {
	prefix netip.Prefix
	scope  Scopes
}

// ranges4 are the IPv4 addresses that are not public: IANA's registry of special
// addresses (RFC 6890 and later), and what clouds have taken of them. The first that
// fits counts.
var ranges4 = []scoped{
	{netip.MustParsePrefix("0.0.0.0/8"), 0}, // this host: some systems connect to themselves
	{netip.MustParsePrefix("10.0.0.0/8"), ScopePrivate},
	{netip.MustParsePrefix("100.100.100.200/32"), 0},       // metadata of a cloud: Alibaba
	{netip.MustParsePrefix("100.64.0.0/10"), ScopePrivate}, // carrier-grade NAT
	{netip.MustParsePrefix("127.0.0.0/8"), ScopeLoopback},
	{netip.MustParsePrefix("168.63.129.16/32"), 0},   // Azure's host, as its guests see it
	{netip.MustParsePrefix("169.254.169.254/32"), 0}, // metadata of most clouds
	{netip.MustParsePrefix("169.254.170.2/32"), 0},   // the same: Amazon's tasks
	{netip.MustParsePrefix("169.254.170.23/32"), 0},  // and pods
	{netip.MustParsePrefix("169.254.0.23/32"), 0},    // the same: Tencent
	{netip.MustParsePrefix("169.254.0.0/16"), ScopeLinkLocal},
	{netip.MustParsePrefix("172.16.0.0/12"), ScopePrivate},
	{netip.MustParsePrefix("192.0.0.0/24"), 0},   // protocol assignments
	{netip.MustParsePrefix("192.0.2.0/24"), 0},   // documentation
	{netip.MustParsePrefix("192.88.99.0/24"), 0}, // 6to4 relays
	{netip.MustParsePrefix("192.168.0.0/16"), ScopePrivate},
	{netip.MustParsePrefix("198.18.0.0/15"), 0},   // benchmarks
	{netip.MustParsePrefix("198.51.100.0/24"), 0}, // documentation
	{netip.MustParsePrefix("203.0.113.0/24"), 0},  // documentation
	{netip.MustParsePrefix("224.0.0.0/4"), 0},     // multicast
	{netip.MustParsePrefix("240.0.0.0/4"), 0},     // reserved, and broadcast
}

// ranges6 are the IPv6 addresses in use, the first that fits counts.
var ranges6 = []scoped{
	{netip.MustParsePrefix("fe80::/10"), ScopeLinkLocal},
	{netip.MustParsePrefix("fec0::/10"), ScopePrivate}, // site-local, given up
	{netip.MustParsePrefix("fd00:ec2::254/128"), 0},    // metadata of a cloud: Amazon
	{netip.MustParsePrefix("fd00:ec2::23/128"), 0},     // the same: Amazon's pods
	{netip.MustParsePrefix("fd20:ce::254/128"), 0},     // the same: Google
	{netip.MustParsePrefix("fc00::/7"), ScopePrivate},  // unique local
	{netip.MustParsePrefix("2001::/23"), 0},            // protocol assignments, Teredo among them
	{netip.MustParsePrefix("2001:db8::/32"), 0},        // documentation
	{netip.MustParsePrefix("3fff::/20"), 0},            // documentation
	{netip.MustParsePrefix("2000::/3"), ScopePublic},   // all that is handed out
}
