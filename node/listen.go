package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/peermesh/peermesh/transport/ws"
)

// setUpListener opens the port, so that a port in use is New's error.
func (n *Node) setUpListener(plan *plan) error {
	n.handler = &ws.Handler{Accept: n.Accept, TrustedProxies: n.cfg.TrustedProxies}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /{$}", n.welcome)
	n.mux = mux
	if n.cfg.Listen == "" {
		return nil
	}
	l, err := net.Listen("tcp", n.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen %s: %w", n.cfg.Listen, err)
	}
	if plan.cert != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*plan.cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	n.listener = l
	n.server = ws.NewServer(n)
	return nil
}

func (n *Node) serve() {
	if err := n.server.Serve(n.listener); !errors.Is(err, http.ErrServerClosed) && n.ctx.Err() == nil {
		n.log.Error("the port is no longer served", "err", err)
	}
}

func (n *Node) stopListening() {
	if n.server != nil {
		n.server.Close()
		n.listener.Close() // Serve may not have begun
	}
}

// ServeHTTP serves what the node's own port serves, for a server of the caller:
// mesh links at any path, and otherwise /healthz and a page that says what this
// is.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if ws.Wants(r) {
		n.handler.ServeHTTP(w, r)
		return
	}
	n.mux.ServeHTTP(w, r)
}

func (n *Node) welcome(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	scheme := "ws"
	if r.TLS != nil {
		scheme = "wss"
	}
	fmt.Fprintf(w, "This is a node of a peermesh, a mesh in which any two nodes can talk.\nJoin it with:\n\n    peermesh --bootstrap %s://%s\n", scheme, r.Host)
}
