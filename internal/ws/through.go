package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"syscall"

	"github.com/peermesh/peermesh/internal/proxy"
	"github.com/peermesh/peermesh/transport"
)

// errNameOfAPeer is why a name is not dialled that only the proxy may resolve.
var errNameOfAPeer = errors.New("a peer told of this name, and the proxy alone may resolve names: nobody can say where it leads; join by the URL to go there all the same")

// byProxy leaves everything to the proxy. The order of addresses decides on the name as
// a whole.
func (d *dial) byProxy(ctx context.Context, via *url.URL) (*Conn, error) {
	if _, err := netip.ParseAddr(d.url.Hostname()); err != nil && len(transport.OrderAddresses(ctx, []netip.Addr{{}})) == 0 {
		d.stage = transport.StageResolve
		return nil, d.wrap(transport.ErrNoAddress)
	}
	d.via, d.progress = via, func() {}
	return d.run(ctx)
}

// reach opens a connection to the dialled address or host, directly or through a
// proxy.
func (d *dial) reach(ctx context.Context, port string) (net.Conn, error) {
	host := d.url.Hostname()
	if d.addr.IsValid() {
		host = d.addr.String()
	}
	if d.via != nil {
		return d.tunnel(ctx, net.JoinHostPort(host, port))
	}
	return d.connect(ctx, "tcp", net.JoinHostPort(host, port))
}

// proxyFor is the proxy for the dialled URL; nil: none.
func (d *dial) proxyFor(at netip.Addr) (*url.URL, error) {
	if d.opts.Proxy == nil {
		return nil, nil
	}
	via, err := d.opts.Proxy(d.url, at)
	if err != nil {
		d.stage = transport.StageProxy
	}
	return via, err
}

// addresses are those to dial, in order. A dial that is restricted asks a proxy for
// addresses alone, and for those that have passed the check: what a name means to the
// proxy nobody can check. Then, if there are none, the error says why of the last.
func (d *dial) addresses(ctx context.Context, via *url.URL) ([]netip.Addr, error) {
	d.stage = transport.StageResolve
	host := d.url.Hostname()
	if _, err := netip.ParseAddr(host); err != nil && via != nil && proxy.ResolvesAll(via) {
		d.stage = transport.StageProxy
		return nil, fmt.Errorf("%w: %w", transport.ErrAddress, errNameOfAPeer)
	}
	found, err := resolve(ctx, host, d.opts.Lookup)
	if err != nil || via == nil {
		return found, err
	}
	d.stage = transport.StageConnect
	var allowed []netip.Addr
	var refused error
	for _, ip := range found {
		ip = ip.Unmap().WithZone("")
		if err := transport.CheckAddress(ctx, netip.AddrPortFrom(ip, 1).String()); err != nil {
			refused = err
			continue
		}
		allowed = append(allowed, ip)
	}
	if len(allowed) == 0 {
		return nil, refused
	}
	return allowed, nil
}

// tunnel opens a way through a proxy, all of which is one stage.
func (d *dial) tunnel(ctx context.Context, target string) (net.Conn, error) {
	d.stage = transport.StageProxy
	via := d.via
	conn, err := d.connectProxy(ctx, via)
	if err != nil {
		return nil, err
	}
	if err := proxy.Open(ctx, conn, via, target); err != nil {
		_ = closeNow(conn)
		return nil, err
	}
	d.through = asked(target)
	if d.opts.Tunnelled != nil {
		d.opts.Tunnelled(via)
	}
	return conn, nil
}

// connectProxy connects to the proxy itself. The user has named it: no check of
// addresses holds for it, and who traces the dial of the target hears nothing.
func (d *dial) connectProxy(ctx context.Context, via *url.URL) (net.Conn, error) {
	dialer := net.Dialer{ControlContext: func(ctx context.Context, network, address string, c syscall.RawConn) error {
		if d.opts.Control == nil {
			return nil
		}
		return d.opts.Control(ctx, network, address, c)
	}}
	conn, err := dialer.DialContext(untraced{ctx}, "tcp", proxy.Address(via))
	if err != nil || via.Scheme != proxy.HTTPS {
		return conn, err
	}
	cfg := &tls.Config{ServerName: via.Hostname(), MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if d.opts.TLSConfig != nil {
		cfg.RootCAs = d.opts.TLSConfig.RootCAs // its certificates are for the target alone
	}
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, &transport.ProxyError{Proxy: proxy.Name(via), Err: d.proxyTLS(err)}
	}
	return secure, nil
}

// proxyTLS says why TLS with the proxy failed. What that advises is not for the target.
func (d *dial) proxyTLS(err error) error {
	err = d.explainTLS(err)
	d.cause = ""
	return err
}

// untraced is a context without its values.
type untraced struct{ context.Context }

func (untraced) Value(any) any { return nil }

// asked is where a proxy was asked to lead: an IP address with a port, or a name.
type asked string

func (asked) Network() string  { return "tcp" }
func (a asked) String() string { return string(a) }

// explainProxy says why there is no way through the proxy.
func (d *dial) explainProxy(err error) error {
	if d.via == nil {
		return err // it says all
	}
	if already := (*transport.ProxyError)(nil); errors.As(err, &already) {
		return err
	}
	hint := "no way to the proxy; check host, port and network"
	var name *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		hint = fmt.Sprintf("no answer within %v; check the proxy, and that it reaches %s", d.opts.Timeout, d.url.Host)
	case errors.As(err, &name):
		hint = fmt.Sprintf("no address for the proxy's name %q; check its spelling and the name server", d.via.Hostname())
	case errors.Is(err, syscall.ECONNREFUSED):
		hint = "nothing listens there; check host and port, and that the proxy runs"
	case isEnd(err), errors.Is(err, io.ErrUnexpectedEOF):
		hint = "the proxy closed the connection without an answer; it may refuse this machine, or speak another protocol: check its scheme"
	}
	return &transport.ProxyError{Proxy: proxy.Name(d.via), Err: fmt.Errorf("%s: %w", hint, err)}
}
