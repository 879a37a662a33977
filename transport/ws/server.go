package ws

import (
	"net/http"
	"net/netip"

	"github.com/peermesh/peermesh/internal/httpbound"
)

// NewServer returns a server for the port that strangers reach: requests and
// answers bounded in bytes and time, limits.HTTPConns connections beside
// accepted links, limits.HTTPConnsPerSource of them from one address (loopback,
// and the TrustedProxies of a [Handler], excepted), HTTP/1.1 alone (the only
// version that upgrades), and no log of its own. Where the connections are too
// many, the one that waits longest makes room. Serve and ServeTLS start it; its
// Close does not end accepted links.
func NewServer(handler http.Handler) *http.Server {
	var proxies []netip.Prefix
	if h, ok := handler.(*Handler); ok {
		proxies = h.TrustedProxies
	}
	return httpbound.NewServer(handler, httpbound.Public(proxies, nil)).Server
}
