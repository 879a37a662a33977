package httpbound

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
)

// conns are the connections of one server that are not hijacked. Any goroutine.
type conns struct {
	most, perSource int
	exempt          []netip.Prefix
	refused         func()

	mu       sync.Mutex
	inOrder  list.List // of *conn, the oldest first
	byConn   map[net.Conn]*list.Element
	bySource map[netip.Prefix]int
}

// conn is one connection.
type conn struct {
	net.Conn
	source  netip.Prefix // zero: not bounded by itself
	waiting bool         // no whole request has come, or all are answered
}

func newConns(o Options) *conns {
	c := &conns{
		most: o.Conns, perSource: o.PerSource, refused: o.Refused,
		byConn: make(map[net.Conn]*list.Element), bySource: make(map[netip.Prefix]int),
	}
	for _, p := range o.Exempt {
		if p.Addr().Is4In6() && p.Bits() >= 96 { // ::ffff:10.0.0.0/104 is 10.0.0.0/8
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		c.exempt = append(c.exempt, p)
	}
	if c.perSource == 0 {
		c.perSource = c.most
	}
	if c.refused == nil {
		c.refused = func() {}
	}
	return c
}

// changed is an http.Server's ConnState.
func (c *conns) changed(nc net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if closed := c.enter(&conn{nc, c.sourceOf(socketAddr(nc)), true}); closed != nil {
			cut(closed)
			c.refused()
		}
	case http.StateActive, http.StateIdle:
		c.mu.Lock()
		if e, ok := c.byConn[nc]; ok {
			e.Value.(*conn).waiting = state == http.StateIdle
		}
		c.mu.Unlock()
	case http.StateHijacked, http.StateClosed:
		c.mu.Lock()
		c.remove(nc)
		c.mu.Unlock()
	}
}

// enter takes in a new connection and returns the one that is to be closed for
// it, which may be the new one itself; nil: none.
func (c *conns) enter(added *conn) (closed net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	crowded := added.source.IsValid() && c.bySource[added.source] >= c.perSource
	if crowded || c.inOrder.Len() >= c.most {
		if closed = c.oldest(added.source, crowded); closed == nil {
			return added.Conn
		}
		c.remove(closed)
	}
	c.byConn[added.Conn] = c.inOrder.PushBack(added)
	if added.source.IsValid() {
		c.bySource[added.source]++
	}
	return closed
}

// oldest is the connection that waits longest, of one source alone or of all;
// nil: none waits.
func (c *conns) oldest(source netip.Prefix, alone bool) net.Conn {
	for e := c.inOrder.Front(); e != nil; e = e.Next() {
		if o := e.Value.(*conn); o.waiting && (!alone || o.source == source) {
			return o.Conn
		}
	}
	return nil
}

// remove forgets a connection, if it is not forgotten already.
func (c *conns) remove(nc net.Conn) {
	e, ok := c.byConn[nc]
	if !ok {
		return
	}
	delete(c.byConn, nc)
	source := c.inOrder.Remove(e).(*conn).source
	if c.bySource[source]--; c.bySource[source] <= 0 {
		delete(c.bySource, source)
	}
}

func (c *conns) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inOrder.Len()
}

// sourceOf is whom a connection counts for; the zero Prefix: nobody. Loopback is
// a whole test network, or a proxy on this machine, and who is on this machine
// has easier ways to do harm.
func (c *conns) sourceOf(addr net.Addr) netip.Prefix {
	if addr == nil {
		return netip.Prefix{}
	}
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip := at.Addr().Unmap().WithZone("")
	if ip.IsLoopback() || slices.ContainsFunc(c.exempt, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return netip.Prefix{}
	}
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	source, _ := ip.Prefix(bits) // of a valid address and length
	return source
}

// socketAddr is the other end of the socket below nc. What nc itself tells may be
// another address, and may be a matter of waiting.
func socketAddr(nc net.Conn) net.Addr {
	for at := nc; ; {
		if s, ok := at.(interface{ SocketAddr() net.Addr }); ok {
			return s.SocketAddr()
		}
		below, ok := at.(interface{ NetConn() net.Conn })
		if !ok {
			return nc.RemoteAddr()
		}
		at = below.NetConn()
	}
}

// cut ends a connection at once: the end of a TLS connection that says goodbye
// may wait for a client that does not read.
func cut(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	_ = nc.Close() // the server finds it closed
}
