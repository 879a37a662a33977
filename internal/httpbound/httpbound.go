// Package httpbound bounds what HTTP clients can make a server hold: the bytes
// and the time of a request, the time of an answer, and how many connections
// there are at once, in all and from one source.
package httpbound

import (
	"io"
	"log"
	"net/http"
	"net/netip"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// Options say how much.
type Options struct {
	Conns      int            // connections at once; one that is hijacked counts no longer
	PerSource  int            // of them, from one IPv4 address or IPv6 /64; 0: as many. Loopback is not bounded by it
	Exempt     []netip.Prefix // sources beside loopback that PerSource does not bound, such as proxies that stand for many
	Header     int            // bytes of request line and headers
	HeaderTime time.Duration  // for those, and for a TLS handshake
	Read       time.Duration  // for a whole request, its body included
	Write      time.Duration  // for a whole answer
	Refused    func()         // called for each connection that a bound closed, by any goroutine; nil: nobody asks
}

// Public are the options of a port that strangers reach.
func Public(exempt []netip.Prefix, refused func()) Options {
	return Options{
		Conns: limits.HTTPConns, PerSource: limits.HTTPConnsPerSource, Exempt: exempt, Refused: refused,
		Header: limits.HTTPHeaderBytes, HeaderTime: limits.HTTPHeaderTimeout,
		Read: limits.HTTPRequestTime, Write: limits.HTTPRequestTime,
	}
}

// Server is an HTTP server that knows how many connections it has.
type Server struct {
	*http.Server
	conns *conns
}

// NewServer returns a server of HTTP/1.1 alone, the only version that upgrades
// and one that has a request at a time on a connection, so that Conns bounds
// requests too. It has no log of its own. The deadlines end with a hijack.
//
// Where a bound is reached, the connection that has waited longest without a
// whole request is closed for the new one: who opens many and sends little keeps
// nobody out. The new one is closed unread if every other is being answered.
func NewServer(handler http.Handler, o Options) *Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	c := newConns(o)
	return &Server{conns: c, Server: &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		ReadHeaderTimeout: o.HeaderTime,
		ReadTimeout:       o.Read,
		WriteTimeout:      o.Write,
		IdleTimeout:       limits.HTTPIdle,
		MaxHeaderBytes:    o.Header,
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnState:         c.changed,
	}}
}

// Open is how many connections there are now that are not hijacked.
func (s *Server) Open() int { return s.conns.count() }
