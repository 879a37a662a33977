package ws

import (
	"io"
	"log"
	"net/http"

	"github.com/peermesh/peermesh/internal/limits"
)

// NewServer returns a server for the port that strangers reach: bounded
// headers, in bytes and time, HTTP/1.1 alone (the only version that upgrades),
// and no log of its own. Serve and ServeTLS start it; its Close does not end
// accepted links.
func NewServer(handler http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		ReadHeaderTimeout: limits.HTTPHeaderTimeout,
		IdleTimeout:       limits.HTTPIdle,
		MaxHeaderBytes:    limits.HTTPHeaderBytes,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
}
