package engine

import (
	"math"
	"net/netip"
	"time"

	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/routing"
)

// Scopes is a set of address scopes: how far from here an address is valid.
type Scopes uint8

// The scopes. A carrier without addresses has none of them: what its peers tell
// is believed for every scope.
const (
	ScopePublic Scopes = 1 << iota
	ScopePrivate
	ScopeLoopback
	ScopeLinkLocal

	AllScopes = ScopePublic | ScopePrivate | ScopeLoopback | ScopeLinkLocal
)

// Told returns the scopes of the addresses that are believed of a peer whose
// own address has scope s: its own and the public ones. See docs/protocol.md,
// section 5.
func (s Scopes) Told() Scopes {
	if s == 0 {
		return AllScopes
	}
	return s | ScopePublic
}

// Origin is where a link comes from, and what the peer said of itself.
type Origin struct {
	Scope Scopes        // of the peer's address; 0: the carrier has no addresses
	Host  netip.Prefix  // the peer's /32 or /56; zero: it is not counted
	Group netip.Prefix  // the peer's /16 or /48; the same
	Need  bool          // the dialler has no other link that would do
	RTT   time.Duration // from one message of the handshake to the next; 0: not measured
	// Direct: the ask that an accepted link over WebRTC began with said so.
	Direct bool
	Wanted bool // this node's user asked for the link: it stays
}

// Contact is how to reach a node, as its signed record says.
type Contact struct {
	ID     routing.ID
	Leaf   bool
	URLs   []string
	Record []byte // the contact record
	Scopes Scopes // that its URLs may lead to, because of who told of it
}

// endedLink stands for all links that have ended: what came by them counts together.
const endedLink = math.MaxUint64

// ingress says where a handshake comes from that came by a link.
func (e *Engine) ingress(number uint64) session.Ingress {
	n := e.links.byNumber[number]
	if n == nil {
		return session.Ingress{Link: endedLink}
	}
	return session.Ingress{Link: number, Group: n.from.Group}
}
