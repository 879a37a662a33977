package testnet

import (
	"context"
	"net/url"
	"sync/atomic"
	"syscall"

	"github.com/peermesh/peermesh/transport"
)

// dialer is how one node of a Net dials: by the real carrier, where no fault
// forbids it. What it opens can be broken later. Since every link has one side
// that dialled it, a Net holds all links among its nodes by their dialled ends.
type dialer struct {
	carrier transport.Dialer
	faults  *faults
	lines   *lines
	owner   *member
}

// Dial implements transport.Dialer.
func (d *dialer) Dial(ctx context.Context, u *url.URL) (transport.Conn, error) {
	if d.faults.between(d.owner, u.Host) == LinkCut {
		return nil, unreachable(u)
	}
	inner, err := d.carrier.Dial(ctx, u)
	if err != nil {
		return nil, err
	}
	to := d.faults.node(u.Host)
	if out, in := d.lines.path(d.owner, to), d.lines.path(to, d.owner); out != nil || in != nil {
		inner = shape(inner, out, in)
	}
	c := &conn{Conn: inner, faults: d.faults, owner: d.owner, host: u.Host}
	if !d.faults.hold(c) {
		_ = inner.Close() // the network was cut while we dialled
		return nil, unreachable(u)
	}
	return c, nil
}

func unreachable(u *url.URL) error {
	return &transport.DialError{URL: transport.URL(u.String()), Stage: transport.StageConnect, Err: syscall.ENETUNREACH}
}

// conn is the dialled end of a pipe between two nodes of a Net.
type conn struct {
	transport.Conn
	faults *faults
	owner  *member
	host   string // that was dialled
	silent atomic.Bool
}

// Receive implements transport.Conn. Nothing arrives on a silent pipe, until it
// ends.
func (c *conn) Receive(buf func() []byte) ([]byte, error) {
	msg, err := c.Conn.Receive(buf)
	if err != nil || !c.silent.Load() {
		return msg, err
	}
	lost := make([]byte, c.Max()+1)
	for {
		if _, err := c.Conn.Receive(func() []byte { return lost }); err != nil {
			return nil, err
		}
	}
}

// Send implements transport.Conn. What is sent on a silent pipe is lost.
func (c *conn) Send(msg []byte) error {
	if c.silent.Load() {
		return nil
	}
	return c.Conn.Send(msg)
}

// Line implements transport.Liner.
func (c *conn) Line() (transport.Line, bool) {
	if l, ok := c.Conn.(transport.Liner); ok {
		return l.Line()
	}
	return transport.Line{}, false
}

// Close implements transport.Conn.
func (c *conn) Close() error {
	c.faults.release(c)
	return c.Conn.Close()
}

// suffer makes the pipe behave as its fault wants. A pipe that lost messages is
// of no use any more, since what is on it is numbered: it ends when it could
// speak again.
func (c *conn) suffer(f Fault) {
	switch {
	case f == LinkSilent:
		c.silent.Store(true)
	case f == LinkCut || c.silent.Load():
		_ = c.Conn.Close()
	}
}
