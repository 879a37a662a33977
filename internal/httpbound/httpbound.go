// Package httpbound bounds what HTTP clients can make a server hold: the bytes
// and the time of a request, the time of an answer, how many connections there are
// at once, in all and from one source, and how many come.
package httpbound

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
)

// Options say how much.
type Options struct {
	Conns      int            // connections at once; one that is hijacked counts no longer
	PerSource  int            // of them, from one IPv4 address or IPv6 /64; 0: as many. Loopback is not bounded by it
	Exempt     []netip.Prefix // sources beside loopback that PerSource and Rate do not bound, such as proxies that stand for many
	Rate       int            // connections that Serve takes per second; 0: any number
	Burst      int            // of them at once
	GroupRate  int            // connections per second of one /16 or /48 that it takes in any case
	Header     int            // bytes of request line and headers
	HeaderTime time.Duration  // for those, and for a TLS handshake
	Read       time.Duration  // for a whole request, its body included
	Write      time.Duration  // for a whole answer
	Refused    func()         // called for each connection that a bound closed, by any goroutine; nil: nobody asks

	// Panicked is called for each panic of the handler, by any goroutine; nil: the
	// default log tells. The connection is closed.
	Panicked func(*guard.Panic)
}

// Public are the options of a port that strangers reach.
func Public(exempt []netip.Prefix, refused func()) Options {
	return Options{
		Conns: limits.HTTPConns, PerSource: limits.HTTPConnsPerSource, Exempt: exempt, Refused: refused,
		Rate: limits.HTTPConnRate, Burst: limits.HTTPConns, GroupRate: limits.HTTPGroupRate,
		Header: limits.HTTPHeaderBytes, HeaderTime: limits.HTTPHeaderTimeout,
		Read: limits.HTTPRequestTime, Write: limits.HTTPRequestTime,
	}
}

// Server is an HTTP server that knows how many connections it has.
type Server struct {
	*http.Server
	conns   *conns
	options Options
}

// NewServer returns a server of HTTP/1.1 alone, the only version that upgrades
// and one that has a request at a time on a connection, so that Conns bounds
// requests too. It has no log of its own. The deadlines end with a hijack.
//
// Where a bound is reached, the connection that has waited longest without a
// whole request is closed for the new one: who opens many and sends little keeps
// nobody out. The new one is closed unread if every other is being answered, or if
// more come than Rate and its group has brought its part.
func NewServer(handler http.Handler, o Options) *Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	c := newConns(o)
	return &Server{conns: c, options: o, Server: &http.Server{
		Handler:           guarded(handler, o.Panicked),
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

// Serve is that of http.Server, within the rate of the options.
func (s *Server) Serve(l net.Listener) error {
	return s.Server.Serve(&listener{Listener: l, conns: s.conns, arrivals: newArrivals(s.options)})
}

// guarded is handler under a guard. The server would tell its log, and it has none.
func guarded(handler http.Handler, panicked func(*guard.Panic)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done := false
		guard.Do("the answer to a request", func() {
			handler.ServeHTTP(w, r)
			done = true
		}, func(p *guard.Panic) {
			switch {
			case p.Value == http.ErrAbortHandler: // on purpose
			case panicked == nil:
				p.Loose()
			default:
				panicked(p)
			}
		})
		if !done {
			panic(http.ErrAbortHandler) // closes the connection
		}
	})
}

// Open is how many connections there are now that are not hijacked.
func (s *Server) Open() int { return s.conns.count() }
