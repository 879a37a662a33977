package ws

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// AcceptOptions say how a request is upgraded.
type AcceptOptions struct {
	// Subprotocols that are spoken here, the preferred one first. A client
	// that offers none of them is accepted all the same: look at
	// Conn.Subprotocol.
	Subprotocols []string
	Settings
}

// Accept upgrades an HTTP/1.1 request, whatever its Origin. It works under any
// server and behind any ResponseWriter that can be hijacked or unwrapped to
// one. On an error it has answered the request. The handler may return
// afterwards; the connection lives on.
func Accept(w http.ResponseWriter, r *http.Request, opts AcceptOptions) (*Conn, error) {
	if !canHijack(w) {
		http.Error(w, "this server cannot upgrade connections", http.StatusNotImplemented)
		return nil, fmt.Errorf("ws: accept: %w", http.ErrNotSupported)
	}
	h := &hijacker{ResponseWriter: w, stall: opts.writeStall()}
	sock, err := acceptSocket(h, r, opts.Subprotocols)
	if err != nil {
		return nil, fmt.Errorf("ws: accept: %w", err)
	}
	return newConn(sock, h.cork, opts.Settings), nil
}

// hijacker puts the cork between the library and the connection.
type hijacker struct {
	http.ResponseWriter
	stall time.Duration
	cork  *cork // set by Hijack
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, brw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	// The server may have set deadlines of its own.
	err = errors.Join(brw.Writer.Flush(), conn.SetDeadline(time.Time{}))
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	if c, ok := conn.(interface{ Bare() net.Conn }); ok {
		conn = c.Bare() // what was to be taken off the connection's beginning is
	}
	h.cork = newCork(conn, h.stall)
	h.cork.start(buffered(brw.Reader))
	return h.cork, h.cork.room(), nil
}

// WriteHeaderNow is for frameworks that put the header off until they are told
// to write it (gin), and that the library calls for that reason.
func (h *hijacker) WriteHeaderNow() {
	if w, ok := h.ResponseWriter.(interface{ WriteHeaderNow() }); ok {
		w.WriteHeaderNow()
	}
}

// canHijack tells whether w, or a ResponseWriter that it wraps, gives up its
// connection.
func canHijack(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}
