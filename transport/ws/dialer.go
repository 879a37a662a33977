package ws

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/peermesh/peermesh/internal/ws"
	"github.com/peermesh/peermesh/transport"
)

// Dialer dials ws and wss URLs. The zero value is ready to use, by any number
// of goroutines. It implements transport.Dialer.
type Dialer struct {
	// TLSConfig is for wss URLs: authorities to trust, certificates to show.
	// nil: the system's authorities.
	TLSConfig *tls.Config
	// Header goes with each request.
	Header http.Header
	// HandshakeTimeout bounds each dial, up to the upgraded connection. 0:
	// limits.HandshakeTimeout.
	HandshakeTimeout time.Duration
	// Control, if set, sees each resolved address ("ip:port") before it is
	// connected to; its error refuses the address.
	Control func(ctx context.Context, network, address string, c syscall.RawConn) error
	// Proxy, if set, chooses the forward proxy for a URL: http, https, socks5 or
	// socks5h, with a user and a password if it needs them; nil: none. A dial that is
	// restricted to addresses ([transport.WithAddressCheck]) asks again with each
	// address that it may connect to, for which nil means to connect directly; else
	// at is the zero Addr.
	Proxy func(target *url.URL, at netip.Addr) (*url.URL, error)
	// Tunnelled, if set, is called when a proxy has opened the way.
	Tunnelled func(proxy *url.URL)
}

// Dial opens a pipe to a URL such as ws://host:port/path. A fragment (the ID
// that a link is pinned to) is none of its business. Redirects are not followed.
// Every address connected to is one that ctx allows (transport.WithAddressCheck);
// a proxy too is asked for such addresses alone then, and names are resolved here.
// All addresses of a name are dialled, one after the other, and one that says nothing
// does not hold up the next; transport.WithAddressOrder chooses among them.
// Through a proxy the pipe is [transport.Indirect], and its RemoteAddr is what the
// proxy was asked for. An error is a *transport.DialError.
func (d *Dialer) Dial(ctx context.Context, u *url.URL) (transport.Conn, error) {
	c, err := ws.Dial(ctx, u, ws.DialOptions{
		Subprotocols: []string{Subprotocol},
		Header:       d.Header,
		TLSConfig:    d.TLSConfig,
		Timeout:      d.HandshakeTimeout,
		Control:      d.Control,
		Proxy:        d.Proxy,
		Tunnelled:    d.Tunnelled,
	})
	if err != nil {
		return nil, explainVersion(err)
	}
	if asked := c.Through(); asked != nil {
		return &conn{Conn: c, remote: asked, indirect: true}, nil
	}
	return &conn{Conn: c, remote: c.RemoteAddr()}, nil
}
