package webrtc

import (
	"crypto/x509"
	"net/netip"
)

// Setup describes one attempt.
type Setup struct {
	// Servers tell this end how it is seen from outside, or relay for it, as
	// ParseServer takes them. They are asked in parallel.
	Servers []string

	// Roots are the authorities trusted for servers over TLS; nil: the system's.
	Roots *x509.CertPool

	// Tell says which of the own addresses the peer may be told, and Take
	// which of the peer's may be tried; nil: all but loopback and link-local
	// ones. They are called by several goroutines, with addresses unmapped
	// and without a zone. What Take refuses and is private is tried all the
	// same if it is of a network that this machine is in, or once it shows
	// that both ends are behind one NAT.
	Tell func(netip.Addr) bool
	Take func(netip.Addr) bool
}
