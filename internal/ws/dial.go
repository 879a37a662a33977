package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"

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
	Settings
}

// Dial connects to a ws or wss URL; its fragment is ignored. No proxy is used
// and no redirect followed. An error is a *transport.DialError. The context
// bounds the dial alone.
func Dial(ctx context.Context, u *url.URL, opts DialOptions) (*Conn, error) {
	if opts.Timeout <= 0 {
		opts.Timeout = limits.HandshakeTimeout
	}
	target := *u
	target.Fragment, target.RawFragment = "", ""
	d := &dial{url: &target, opts: &opts, stage: transport.StageParse}
	if err := checkURL(&target); err != nil {
		return nil, d.wrap(err)
	}
	conn, err := d.upgrade(ctx)
	if err != nil {
		d.abandon()
		return nil, d.wrap(err)
	}
	return conn, nil
}

// dial is one dial under way. The HTTP client calls back from goroutines of
// its own, so what they leave here is guarded by mu.
type dial struct {
	url  *url.URL
	opts *DialOptions

	mu    sync.Mutex
	stage string
	fault error // what ended the stage before the upgrade
	cork  *cork
}

func (d *dial) upgrade(ctx context.Context) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.opts.Timeout)
	defer cancel()
	carrier := d.carrier()
	defer carrier.CloseIdleConnections()
	// The library reads on for up to 3 s from a server that answers wrongly.
	inTime := context.AfterFunc(ctx, d.abandon)
	d.enter(transport.StageResolve)
	sock, resp, err := dialSocket(ctx, d.url.String(), &http.Client{Transport: carrier, CheckRedirect: noRedirect}, d.opts)
	stopped := inTime()
	if err != nil {
		return nil, d.explain(resp, err)
	}
	conn := d.opened(sock)
	switch {
	case !stopped:
		_ = conn.Close()
		return nil, d.explain(nil, ctx.Err())
	case len(d.opts.Subprotocols) > 0 && conn.Subprotocol() == "":
		_ = conn.Close()
		d.enter(transport.StageSubprotocol)
		return nil, d.noSubprotocol()
	}
	return conn, nil
}

// opened makes the connection: from here on the cork gathers frames.
func (d *dial) opened(sock socket) *Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cork.start()
	return newConn(sock, d.cork, d.opts.Settings)
}

// carrier is the transport of this one dial. It keeps nothing alive, so that
// it can be forgotten afterwards.
func (d *dial) carrier() *http.Transport {
	return &http.Transport{
		DialContext:            d.dialPlain,
		DialTLSContext:         d.dialTLS,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: limits.HTTPHeaderBytes,
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (d *dial) dialPlain(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := d.connect(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return d.ready(conn), nil
}

func (d *dial) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := d.connect(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.enter(transport.StageTLS)
	secure := tls.Client(conn, d.tlsConfig())
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, d.broken(transport.StageTLS, err)
	}
	return d.ready(secure), nil
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
	dialer := net.Dialer{ControlContext: d.control}
	conn, err := dialer.DialContext(ctx, network, addr)
	var dns *net.DNSError
	switch {
	case err == nil:
		return conn, nil
	case errors.As(err, &dns):
		return nil, d.broken(transport.StageResolve, err)
	}
	return nil, d.broken(transport.StageConnect, err)
}

// control is called when the name is resolved.
func (d *dial) control(ctx context.Context, network, address string, c syscall.RawConn) error {
	d.enter(transport.StageConnect)
	if d.opts.Control == nil {
		return nil
	}
	return d.opts.Control(ctx, network, address, c)
}

// ready is the last step below HTTP.
func (d *dial) ready(conn net.Conn) net.Conn {
	d.enter(transport.StageUpgrade)
	c := newCork(conn, d.opts.writeStall())
	d.mu.Lock()
	d.cork = c
	d.mu.Unlock()
	return c
}

func (d *dial) enter(stage string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stage = stage
}

// broken notes what ended a stage and returns it.
func (d *dial) broken(stage string, err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stage, d.fault = stage, err
	return err
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
	d.mu.Lock()
	defer d.mu.Unlock()
	return &transport.DialError{URL: d.url.Redacted(), Stage: d.stage, Err: err}
}
