//go:build !nowebrtc

package webrtc

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/peermesh/peermesh/internal/limits"
)

// The types of candidates (RFC 8839, section 5.1).
const (
	typeHost  = "host"
	typeSrflx = "srflx"
	typePrflx = "prflx"
	typeRelay = "relay"
)

// candidate is an address of an end at which it may be reached.
type candidate struct {
	foundation string
	priority   uint32
	addr       netip.AddrPort // unmapped, without a zone
	typ        string
}

// String is the candidate as signalling carries it, without the address of its
// base: that is nobody's business.
func (c candidate) String() string {
	line := fmt.Sprintf("candidate:%s 1 udp %d %s %d typ %s",
		c.foundation, c.priority, c.addr.Addr(), c.addr.Port(), c.typ)
	switch {
	case c.typ == typeHost:
		return line
	case c.addr.Addr().Is4():
		return line + " raddr 0.0.0.0 rport 0"
	}
	return line + " raddr :: rport 0"
}

// parseCandidate reads one line of signalling, with or without "a=". It
// reports false for candidates of kinds that are of no use here: TCP, names of
// multicast DNS (their owner is met as a peer-reflexive one), a second
// component, unknown types. An error is an ErrCandidate.
func parseCandidate(line string) (c candidate, ok bool, err error) {
	if len(line) > limits.CandidateBytes {
		return c, false, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrCandidate, len(line), limits.CandidateBytes)
	}
	text, found := strings.CutPrefix(strings.TrimPrefix(line, "a="), "candidate:")
	f := strings.Fields(text)
	if !found || len(f) < 8 || f[6] != "typ" || !isFoundation(f[0]) {
		return c, false, fmt.Errorf("%w: %q is no candidate", ErrCandidate, line)
	}
	priority, badPriority := strconv.ParseUint(f[3], 10, 32)
	port, badPort := strconv.ParseUint(f[5], 10, 16)
	if badPriority != nil || badPort != nil {
		return c, false, fmt.Errorf("%w: %q has a bad priority or port", ErrCandidate, line)
	}
	addr, noAddr := netip.ParseAddr(f[4])
	known := f[7] == typeHost || f[7] == typeSrflx || f[7] == typePrflx || f[7] == typeRelay
	if noAddr != nil || !known || f[1] != "1" || !strings.EqualFold(f[2], "udp") || port == 0 {
		return c, false, nil
	}
	c = candidate{foundation: f[0], priority: uint32(priority), typ: f[7]}
	c.addr = netip.AddrPortFrom(addr.Unmap().WithZone(""), uint16(port))
	return c, true, nil
}

// isFoundation reports whether text is 1 to 32 ice-chars.
func isFoundation(text string) bool {
	const iceChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"
	return text != "" && len(text) <= 32 && madeOf(text, iceChars)
}

// never are the addresses that no candidate of a peer may lead to, whatever
// the caller says: those of the machine's own surroundings, and those that are
// nobody's.
var never = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),          // this host
	netip.MustParsePrefix("100.100.100.200/32"), // metadata of a cloud: Alibaba
	netip.MustParsePrefix("168.63.129.16/32"),   // the same: Azure
	netip.MustParsePrefix("169.254.0.0/16"),     // link-local, with most clouds' metadata
	netip.MustParsePrefix("192.0.0.0/24"),       // protocol assignments, with Oracle's metadata
	netip.MustParsePrefix("224.0.0.0/4"),        // multicast
	netip.MustParsePrefix("240.0.0.0/4"),        // reserved, and broadcast
	netip.MustParsePrefix("fd00:ec2::254/128"),  // metadata of a cloud: Amazon
	netip.MustParsePrefix("fd20:ce::254/128"),   // the same: Google
	netip.MustParsePrefix("fe80::/10"),          // link-local
	netip.MustParsePrefix("ff00::/8"),           // multicast
}

// embedding are the IPv6 prefixes before an IPv4 address, and where it begins.
var embedding = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // IPv4-translated (RFC 2765, 2.1)
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64 (RFC 6052, 2.1)
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4 (RFC 3056, 2)
}

// forbidden reports whether an address is one of never, in any spelling.
func forbidden(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsUnspecified() {
		return true
	}
	for _, p := range never {
		if p.Contains(a) {
			return true
		}
	}
	for _, e := range embedding {
		if e.prefix.Contains(a) {
			six := a.As16()
			return forbidden(netip.AddrFrom4([4]byte(six[e.at : e.at+4])))
		}
	}
	return false
}

// sharedNAT is the range between a provider's NAT and its customers' (RFC 6598).
var sharedNAT = netip.MustParsePrefix("100.64.0.0/10")

// private reports whether an address is of a network behind a NAT.
func private(a netip.Addr) bool { return a.IsPrivate() || sharedNAT.Contains(a) }
