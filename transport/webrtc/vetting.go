//go:build !nowebrtc

package webrtc

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/peermesh/peermesh/internal/limits"
)

// vetting decides which of a peer's candidates are tried. What a peer says of where
// it is proves nothing. So beyond what take allows it leads to networks that this
// machine is in, or whose NAT it is behind, and there to ports of programs alone. It
// is not safe for concurrent use.
type vetting struct {
	take     func(netip.Addr) bool
	networks []netip.Prefix // of this machine: its addresses, with the prefixes' lengths
	count    int            // candidates of the peer so far, limits.Candidates at most
	own      []netip.Addr   // this end as servers see it
	theirs   []netip.Addr   // the peer's end as servers see it
	held     []candidate    // private ones refused so far: tried if both ends are behind one NAT
	tried    []netip.Addr   // of each candidate that was let through; limits.Candidates at most
}

// add takes one line of the peer and returns what may be tried now: that
// candidate, or ones held before. An error is an ErrCandidate.
func (v *vetting) add(line string) ([]candidate, error) {
	if v.count++; v.count > limits.Candidates {
		return nil, fmt.Errorf("%w: at most %d are taken of one peer", ErrCandidate, limits.Candidates)
	}
	c, ok, err := parseCandidate(line)
	if err != nil || !ok {
		return nil, err
	}
	var now []candidate
	addr := c.addr.Addr()
	switch {
	case forbidden(addr), reserved(c.addr), v.toAll(addr):
	case v.take(addr), private(addr) && (v.near(addr) || v.oneNAT()):
		now = append(now, c)
	case private(addr):
		v.held = append(v.held, c)
	}
	if c.typ == typeSrflx {
		v.theirs = append(v.theirs, addr)
		now = append(now, v.release()...)
	}
	return v.within(now), nil
}

// within leaves out what is too much for one address, or one address too many:
// nobody has proved yet that they are the peer's, and each candidate is sent several
// packets.
func (v *vetting) within(list []candidate) []candidate {
	return slices.DeleteFunc(list, func(c candidate) bool {
		ports, others := 0, make(map[netip.Addr]bool)
		for _, a := range v.tried {
			if a == c.addr.Addr() {
				ports++
			} else {
				others[a] = true
			}
		}
		if ports == limits.CandidatePorts || len(others) == limits.CandidateAddrs {
			return true
		}
		v.tried = append(v.tried, c.addr.Addr())
		return false
	})
}

// near reports whether an address is of a network that this machine is in: packets
// to it cross no router.
func (v *vetting) near(a netip.Addr) bool {
	return slices.ContainsFunc(v.networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// toAll reports whether an address means all hosts of a network that this machine
// is in: its last one, and for some systems its first (RFC 1122, 3.3.6). A prefix of
// 31 bits or more has none (RFC 3021, 2.1).
func (v *vetting) toAll(a netip.Addr) bool {
	return a.Is4() && slices.ContainsFunc(v.networks, func(p netip.Prefix) bool {
		return p.Contains(a) && p.Bits() < 31 && (a == p.Masked().Addr() || !p.Contains(a.Next()))
	})
}

// systemPorts are those below, for services of the system (RFC 6335, section 6).
const systemPorts = 1024

// reserved reports whether a candidate leads to a port of the system's services on a
// network that is not the public one. Browsers refuse these too.
func reserved(at netip.AddrPort) bool {
	return at.Port() < systemPorts && (private(at.Addr()) || at.Addr().IsLoopback())
}

// ownAddress tells how a server sees this end, and returns what may be tried
// because of it.
func (v *vetting) ownAddress(a netip.Addr) []candidate {
	v.own = append(v.own, a)
	return v.within(v.release())
}

// release returns what was held, once both ends are seen to be behind one NAT.
func (v *vetting) release() []candidate {
	if !v.oneNAT() {
		return nil
	}
	now := v.held
	v.held = nil
	return now
}

func (v *vetting) oneNAT() bool {
	return slices.ContainsFunc(v.own, func(a netip.Addr) bool { return slices.Contains(v.theirs, a) })
}

func (s Setup) tell(a netip.Addr) bool { return allowed(s.Tell, a) }

func (s Setup) take(a netip.Addr) bool { return allowed(s.Take, a) }

func allowed(check func(netip.Addr) bool, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if check == nil {
		return !a.IsLoopback() && !a.IsLinkLocalUnicast()
	}
	return check(a)
}
