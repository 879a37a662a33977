package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/peermesh/peermesh/internal/httpbound"
	"github.com/peermesh/peermesh/internal/proxyheader"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/transport/ws"
)

// setUpListener opens the port, so that a port in use is New's error.
func (n *Node) setUpListener() error {
	n.handler = &ws.Handler{
		Accept: n.Accept, TrustedProxies: n.cfg.TrustedProxies, AllowOrigins: n.cfg.AllowOrigins,
		Refused: n.refuseVersion, RefusedPage: n.refusedOrigin, Undeclared: n.undeclaredProxy,
		Stripped: n.strippedUpgrade,
	}
	if n.cfg.Listen == "" {
		return nil
	}
	// Links have pings and requests deadlines of their own: keepalive costs four system
	// calls for each connection that comes.
	without := net.ListenConfig{KeepAlive: -1}
	l, err := without.Listen(context.Background(), "tcp", n.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen %s: %w", n.cfg.Listen, err)
	}
	l = n.withProxyHeader(l)
	if n.files.cert.Load() != nil {
		l = tls.NewListener(l, &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return n.files.cert.Load(), nil },
			MinVersion:     tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		})
	}
	n.listener, n.handler.Listener = l, l.Addr()
	bounds := httpbound.Public(n.cfg.TrustedProxies, func() { n.drops.Add(reason.ConnectionLimit, 1) })
	bounds.Panicked = n.note
	n.server = httpbound.NewServer(n, bounds)
	n.server.ConnContext = proxyheader.Context
	n.server.DisableGeneralOptionsHandler = true // the page knows whether the node leaves
	return nil
}

func (n *Node) serve() {
	if err := n.server.Serve(n.listener); !errors.Is(err, http.ErrServerClosed) && n.ctx.Err() == nil {
		n.log.Error("the port is no longer served", "err", err)
	}
}

// connections is how many the port has that are no links yet.
func (n *Node) connections() int {
	if n.server == nil {
		return 0
	}
	return n.server.Open()
}

func (n *Node) stopListening() {
	if n.server != nil {
		n.server.Close()
		n.listener.Close() // Serve may not have begun
	}
}
