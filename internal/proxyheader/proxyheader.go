// Package proxyheader reads the header of the PROXY protocol, versions 1 and 2, by
// which a proxy tells at the start of a connection who its client is
// (https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt).
//
// The header of a proxy that is trusted counts. That of anybody else is read too, so
// that whoever serves the connection can say what is wrong, and believed in nothing.
package proxyheader

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/pires/go-proxyproto"
)

// Listener accepts connections that may begin with a header.
type Listener struct {
	net.Listener
	Trusted []netip.Prefix // of proxies whose header counts
	// Refused, if set, is called with the address of each connection whose header does
	// not count, and why: ErrUndeclared, or what is wrong with it.
	Refused func(from net.Addr, why error)
}

// ErrUndeclared says that a header is not of a trusted proxy.
var ErrUndeclared = errors.New("the header is not of a trusted proxy")

// Accept waits for a connection. It does not wait for the header.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: c, trusted: l.trusts(c.RemoteAddr()), refused: l.Refused}, nil
}

func (l *Listener) trusts(addr net.Addr) bool {
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return false
	}
	ip := ap.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(l.Trusted, func(p netip.Prefix) bool {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		return p.Contains(ip)
	})
}

// Conn is a connection that may begin with a header.
type Conn struct {
	net.Conn
	trusted bool
	refused func(net.Addr, error)

	mu         sync.Mutex // held while the header is awaited
	looked     bool
	early      []byte   // read, and not yet taken
	client     net.Addr // whom a header that counts tells of; nil: nobody
	undeclared bool
	err        error // why there will be nothing to read
}

// Read implements net.Conn. It takes the header off.
func (c *Conn) Read(p []byte) (int, error) {
	c.look()
	if n, err, over := c.rest(p); !over {
		return n, err
	}
	return c.Conn.Read(p)
}

// rest reads what was read with the header; over: nothing is left.
func (c *Conn) rest(p []byte) (n int, err error, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || len(c.early) == 0 {
		return 0, c.err, c.err == nil
	}
	n = copy(p, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil
	}
	return n, nil, false
}

// RemoteAddr is the client of a trusted proxy, whose header it waits for, at most
// limits.HTTPHeaderTimeout; else the other end of the socket.
func (c *Conn) RemoteAddr() net.Addr {
	if !c.trusted {
		return c.Conn.RemoteAddr()
	}
	if !c.hasLooked() {
		_ = c.Conn.SetReadDeadline(time.Now().Add(limits.HTTPHeaderTimeout))
		c.look()
		_ = c.Conn.SetReadDeadline(time.Time{})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		return c.client
	}
	return c.Conn.RemoteAddr()
}

// SocketAddr is the other end of the socket. It never waits.
func (c *Conn) SocketAddr() net.Addr { return c.Conn.RemoteAddr() }

// NetConn is the connection below.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Bare is the connection below once all that was read of it has been taken; else c.
func (c *Conn) Bare() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.looked || len(c.early) > 0 || c.err != nil {
		return c
	}
	return c.Conn
}

// Told says whether a trusted proxy told of the client.
func (c *Conn) Told() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.client != nil
}

// Undeclared says whether the connection began with a header of a proxy that is not
// trusted.
func (c *Conn) Undeclared() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.undeclared
}

// errTooLong is the fault of a header beyond limits.ProxyHeaderBytes.
var errTooLong = errors.New("the header is too long")

func (c *Conn) hasLooked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.looked
}

// look reads what comes first, once, and tells of a header that does not count.
func (c *Conn) look() {
	c.mu.Lock()
	first, why := !c.looked, error(nil)
	if first {
		c.looked = true
		why = c.begin()
	}
	c.mu.Unlock()
	if first && why != nil && c.refused != nil {
		c.refused(c.Conn.RemoteAddr(), why)
	}
}

// begin reads the header, if there is one, and returns why it does not count. It
// needs mu.
func (c *Conn) begin() (why error) {
	b, n := make([]byte, limits.ProxyHeaderBytes), 0
	for {
		k, err := c.Conn.Read(b[n:])
		n += k
		size, more, wrong := measure(b[:n])
		switch {
		case wrong != nil:
			return c.fail(wrong)
		case err != nil && (more || n == 0):
			c.err = err
			return nil
		case more:
			continue
		}
		c.early = b[size:n]
		if size == 0 {
			return nil
		}
		return c.take(b[:size])
	}
}

// take reads a whole header. It needs mu.
func (c *Conn) take(b []byte) (why error) {
	h, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(b)))
	if err != nil || !c.trusted {
		return c.fail(err)
	}
	if client, _, ok := h.TCPAddrs(); ok && h.Command.IsProxy() {
		c.client = client
	}
	return nil
}

// fail notes a header that does not count. That of a proxy that is not trusted leaves
// the connection to who can say so; a wrong one of a trusted proxy ends it. It needs mu.
func (c *Conn) fail(err error) (why error) {
	if c.undeclared = !c.trusted; c.undeclared {
		return ErrUndeclared
	}
	c.err = fmt.Errorf("PROXY protocol: %w", err)
	return c.err
}

const (
	longest1 = 107      // bytes of a header of version 1, its line end included
	head2    = 16       // bytes of one of version 2 before what its length counts
	begin1   = "PROXY " // of version 1
)

// measure says how many bytes of b are a header; 0: it begins with none. more: it may
// be one, and is not whole.
func measure(b []byte) (size int, more bool, err error) {
	switch sig2 := proxyproto.SIGV2; {
	case bytes.HasPrefix(b, []byte(begin1)):
		end := bytes.Index(b[:min(len(b), longest1)], []byte("\r\n"))
		if end < 0 && len(b) >= longest1 {
			return 0, false, errTooLong
		}
		if end < 0 {
			return 0, true, nil
		}
		return end + 2, false, nil
	case bytes.HasPrefix(b, sig2):
		if len(b) < head2 {
			return 0, true, nil
		}
		size = head2 + int(binary.BigEndian.Uint16(b[head2-2:]))
		if size > limits.ProxyHeaderBytes {
			return 0, false, errTooLong
		}
		return size, len(b) < size, nil
	default:
		return 0, bytes.HasPrefix([]byte(begin1), b) || bytes.HasPrefix(sig2, b), nil
	}
}

type key struct{}

// Context is an http.Server's ConnContext, see Of.
func Context(ctx context.Context, nc net.Conn) context.Context {
	if c := find(nc); c != nil {
		return context.WithValue(ctx, key{}, c)
	}
	return ctx
}

// Of is the connection that a request came by; nil: one without headers.
func Of(ctx context.Context) *Conn {
	c, _ := ctx.Value(key{}).(*Conn)
	return c
}

// find looks below TLS.
func find(nc net.Conn) *Conn {
	for {
		if c, ok := nc.(*Conn); ok {
			return c
		}
		below, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		nc = below.NetConn()
	}
}
