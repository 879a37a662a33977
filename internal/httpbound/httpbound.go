// Package httpbound bounds what HTTP clients can make a server hold: the bytes
// and the time of a request, the time of an answer, and how many connections
// there are at once.
package httpbound

import (
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// Options say how much.
type Options struct {
	Conns  int           // connections at once; one more is closed unread. One that is hijacked counts no longer
	Header int           // bytes of request line and headers
	Read   time.Duration // for a whole request, its body included
	Write  time.Duration // for a whole answer
}

// NewServer returns a server of HTTP/1.1 alone, the only version that upgrades
// and one that has a request at a time on a connection, so that Conns bounds
// requests too. It has no log of its own. The deadlines end with a hijack.
func NewServer(handler http.Handler, o Options) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		ReadHeaderTimeout: limits.HTTPHeaderTimeout,
		ReadTimeout:       o.Read,
		WriteTimeout:      o.Write,
		IdleTimeout:       limits.HTTPIdle,
		MaxHeaderBytes:    o.Header,
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnState:         counted(int64(o.Conns)),
	}
}

// counted closes what comes beyond most connections.
func counted(most int64) func(net.Conn, http.ConnState) {
	var open atomic.Int64
	return func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if open.Add(1) > most {
				_ = c.Close() // the server finds it closed and counts it off
			}
		case http.StateHijacked, http.StateClosed:
			open.Add(-1)
		}
	}
}
