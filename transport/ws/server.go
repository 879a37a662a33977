package ws

import (
	"net/http"

	"github.com/peermesh/peermesh/internal/httpbound"
	"github.com/peermesh/peermesh/internal/limits"
)

// NewServer returns a server for the port that strangers reach: requests and
// answers bounded in bytes and time, limits.HTTPConns connections beside
// accepted links, HTTP/1.1 alone (the only version that upgrades), and no log
// of its own. Serve and ServeTLS start it; its Close does not end accepted
// links.
func NewServer(handler http.Handler) *http.Server {
	return httpbound.NewServer(handler, httpbound.Options{
		Conns: limits.HTTPConns, Header: limits.HTTPHeaderBytes, Read: limits.HTTPRequestTime, Write: limits.HTTPRequestTime,
	})
}
