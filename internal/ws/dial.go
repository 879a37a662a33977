package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// DialOptions say how a server is dialled.
type DialOptions struct {
	// Subprotocols to offer, the preferred one first. If there are any, a
	// server that picks none of them is an error.
	Subprotocols []string
	// Header goes with the request.
	Header http.Header
	// TLSConfig is for wss URLs. nil: the system's authorities.
	TLSConfig *tls.Config
	// Timeout bounds the dial, up to the upgraded connection. 0: limits.HandshakeTimeout.
	Timeout time.Duration
	// Control, if set, sees each resolved address before it is connected to
	// and may refuse it (net.Dialer.ControlContext).
	Control func(ctx context.Context, network, address string, c syscall.RawConn) error
	// Lookup resolves a name. nil: net.DefaultResolver.
	Lookup Lookup
	// Proxy, if set, chooses the forward proxy for a URL; nil: none. Where the dial
	// is restricted to addresses (transport.WithAddressCheck) it is asked again with
	// each address that the dial may connect to; else at is the zero Addr.
	Proxy func(target *url.URL, at netip.Addr) (*url.URL, error)
	// Tunnelled, if set, is called when a proxy has opened the way.
	Tunnelled func(proxy *url.URL)
	Settings
}

// Lookup returns the addresses of a host name, the preferred one first.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// Dial connects to a ws or wss URL; its fragment is ignored. No redirect is followed.
// An error is a *transport.DialError. The context bounds the dial alone. The addresses
// connected to are those that it allows (transport.WithAddressCheck), in its order
// (transport.WithAddressOrder).
//
// Each address of a name is dialled. The first that upgrades is taken, and one that
// says nothing delays the next by limits.DialStagger (RFC 8305). A proxy resolves the
// name itself, so there is one dial.
func Dial(ctx context.Context, u *url.URL, opts DialOptions) (*Conn, error) {
	if opts.Timeout <= 0 {
		opts.Timeout = limits.HandshakeTimeout
	}
	target := *u
	target.Fragment, target.RawFragment = "", ""
	d := &dial{url: &target, opts: &opts, stage: transport.StageParse}
	if err := checkURL(&target); err != nil {
		d.cause = transport.CauseSyntax
		return nil, d.wrap(err)
	}
	ctx, cancel := context.WithTimeout(ctx, opts.Timeout)
	defer cancel()
	via, err := d.proxyFor(netip.Addr{})
	if err != nil {
		return nil, d.wrap(err)
	}
	if via != nil && !transport.HasAddressCheck(ctx) {
		return d.byProxy(ctx, via)
	}
	addrs, err := d.addresses(ctx, via)
	if err != nil {
		return nil, d.wrap(d.explain(nil, err))
	}
	conn, failed := race(ctx, addrs, func(ctx context.Context, addr netip.Addr, progress func()) (*Conn, error) {
		d := &dial{url: &target, opts: &opts, addr: addr, progress: progress}
		if via != nil {
			var err error
			if d.via, err = d.proxyFor(addr); err != nil {
				return nil, d.wrap(err)
			}
		}
		return d.run(ctx)
	})
	if conn == nil {
		return nil, d.failure(failed)
	}
	return conn, nil
}

// run dials one address, or by a proxy.
func (d *dial) run(ctx context.Context) (*Conn, error) {
	conn, err := d.upgrade(ctx)
	if err != nil {
		d.abandon()
		return nil, d.wrap(err)
	}
	return conn, nil
}

// failure is the error of a dial of which no address came to anything.
func (d *dial) failure(failed []outcome) error {
	if _, err := netip.ParseAddr(d.url.Hostname()); err == nil {
		return failed[0].err
	}
	all := &transport.AddressesError{}
	furthest := 0
	for _, o := range failed {
		err := o.err
		if e := (*transport.DialError)(nil); errors.As(err, &e) {
			if at := slices.Index(stages[:], e.Stage); at >= furthest {
				furthest, d.cause = at, e.Cause
			}
			err = e.Err
		}
		all.Addrs, all.Errs = append(all.Addrs, o.addr), append(all.Errs, err)
	}
	d.stage = stages[furthest]
	return d.wrap(all)
}

// dial is one dial of one address, or by a proxy, under way, on one goroutine.
type dial struct {
	url      *url.URL
	opts     *DialOptions
	addr     netip.Addr // the zero Addr: the proxy resolves the name
	via      *url.URL   // the proxy; nil: none
	progress func()     // the server has answered a step
	stage    string
	through  net.Addr // where the proxy opened the way to; nil: nowhere
	cause    string   // one of transport's Cause constants
	clock    clock

	mu   sync.Mutex // for abandon, which the context's end calls
	cork *cork
}

func (d *dial) upgrade(ctx context.Context) (*Conn, error) {
	stop := context.AfterFunc(ctx, guard.Func("the end of a dial", d.abandon, nil))
	client := &http.Client{Transport: d, CheckRedirect: noRedirect}
	sock, resp, err := dialSocket(ctx, d.url.String(), client, d.opts)
	switch late := !stop(); {
	case err == nil && late:
		sock.closeNow()
		return nil, d.explain(nil, ctx.Err())
	case err == nil:
		return d.opened(ctx, sock)
	case late && resp == nil:
		err = ctx.Err()
	}
	return nil, d.explain(resp, err)
}

// opened makes the connection.
func (d *dial) opened(ctx context.Context, sock socket) (*Conn, error) {
	conn := newConn(sock, d.cork, d.opts.Settings)
	conn.through = d.through
	conn.clock = d.clock
	if len(d.opts.Subprotocols) > 0 && conn.Subprotocol() == "" {
		d.stage = transport.StageSubprotocol
		return nil, &SubprotocolError{Offered: d.opts.Subprotocols, Said: conn.lastWords(ctx)}
	}
	return conn, nil
}

// lastWords waits for the close frame of a server that has nothing else to say,
// for at most limits.ByeFlush, closes, and returns the frame's reason, or "".
func (c *Conn) lastWords(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, limits.ByeFlush)
	defer cancel()
	stop := context.AfterFunc(ctx, guard.Func("the end of a connection", func() { _ = c.cork.Close() }, nil))
	_, _, err := c.ReceiveMessage(func() []byte { return make([]byte, 1) })
	stop()
	_ = c.Close()
	if said := (*CloseError)(nil); errors.As(err, &said) {
		return said.Reason
	}
	return ""
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// open connects, with TLS for https, and puts the cork on top.
func (d *dial) open(ctx context.Context, u *url.URL) error {
	conn, err := d.reach(ctx, port(u))
	if err != nil {
		return err
	}
	d.progress()
	if u.Scheme == "https" {
		if conn, err = d.secure(ctx, conn); err != nil {
			return err
		}
		d.progress()
	}
	d.ready(ctx, conn)
	return nil
}

// port is the port of the URL, or that of its scheme.
func port(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

func (d *dial) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	d.stage = transport.StageTLS
	secure := tls.Client(conn, d.tlsConfig())
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// tlsConfig names the server if the caller's does not, and asks for HTTP/1.1,
// which alone can be upgraded.
func (d *dial) tlsConfig() *tls.Config {
	cfg := d.opts.TLSConfig.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	if cfg.ServerName == "" {
		cfg.ServerName = d.url.Hostname()
	}
	cfg.NextProtos = []string{"http/1.1"}
	return cfg
}

func (d *dial) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	d.stage = transport.StageConnect
	dialer := net.Dialer{ControlContext: func(ctx context.Context, network, address string, c syscall.RawConn) error {
		if err := transport.CheckAddress(ctx, address); err != nil {
			return err
		}
		if d.opts.Control == nil {
			return nil
		}
		return d.opts.Control(ctx, network, address, c)
	}}
	return dialer.DialContext(ctx, network, addr)
}

// ready is the last step below HTTP.
func (d *dial) ready(ctx context.Context, conn net.Conn) {
	d.stage = transport.StageUpgrade
	c := newCork(conn, d.opts.writeStall())
	d.mu.Lock()
	d.cork = c
	d.mu.Unlock()
	if ctx.Err() != nil {
		d.abandon() // the context's own call may have come before
	}
}

// abandon closes what a failed dial may have opened.
func (d *dial) abandon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cork != nil {
		_ = d.cork.Close()
	}
}

// wrap makes the error of the dial.
func (d *dial) wrap(err error) error {
	return &transport.DialError{URL: transport.URL(d.url.String()), Stage: d.stage, Cause: d.cause, Err: err}
}
