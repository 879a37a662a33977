//go:build !nowebrtc

package webrtc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"

	"github.com/peermesh/peermesh/internal/limits"
)

// serverDialer connects the library to TURN servers over TCP. It makes TLS of it where
// the server is given so: the library would ask the system's authorities alone, and
// wait for as long as the system lets it.
type serverDialer struct {
	ctx    context.Context
	roots  *x509.CertPool
	secure map[string]bool // hosts with their ports
}

func (d *serverDialer) add(s Server) {
	if s.Transport != OverTLS {
		return
	}
	if d.secure == nil {
		d.secure = make(map[string]bool)
	}
	d.secure[s.Host] = true
}

// Dial implements the dialer of golang.org/x/net/proxy.
func (d *serverDialer) Dial(network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.ctx, limits.ICEServerTime)
	defer cancel()
	return dialServer(ctx, network, addr, d.secure[addr], d.roots)
}

func dialServer(ctx context.Context, network, addr string, secure bool, roots *x509.CertPool) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, addr)
	if err != nil || !secure {
		return conn, err
	}
	host, _, _ := net.SplitHostPort(addr)
	over := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12})
	if err := over.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return over, nil
}
