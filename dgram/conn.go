package dgram

import (
	"context"
	"errors"
	"math"
	"net"
	"os"
	"reflect"
	"syscall"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/node"
)

// Addr is the address of a port of a node: the ID that proved itself, and the
// port. It is comparable, so it may be the key of a map, and its String is
// stable and unique.
type Addr = node.Addr

// MTU is the largest datagram in bytes that every path takes, over any relays
// and carriers; there is none that takes more. Beyond it WriteTo returns an
// error that is a syscall.EMSGSIZE. Later versions of the mesh may take less,
// but never less than 1,452 bytes, the most that QUIC sends.
const MTU = limits.MaxMessage

// WriteWait is how long WriteTo waits for room in the queue of the first link
// when no write deadline is set.
const WriteWait = limits.DatagramWait

// PacketConn is a port of a node as a [net.PacketConn]. Its methods may be
// called from any goroutine.
type PacketConn struct {
	n     *node.Node
	owned bool // n ends with the PacketConn
	port  *node.PacketPort
	local net.Addr
	read  *deadline
	write *deadline
	froms addrs
	stats counters
}

var _ net.PacketConn = (*PacketConn)(nil)

// Listen opens a port of a running node; 0 takes a free one. Close closes the
// port and leaves the node running. The error is what [node.Node.OpenPort] says,
// or syscall.EINVAL without a node.
func Listen(n *node.Node, port uint16) (*PacketConn, error) {
	if n == nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: invalid("no node given")}
	}
	p, err := n.OpenPacketPort(port)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: Addr{ID: n.ID(), Port: port}, Err: err}
	}
	return &PacketConn{n: n, port: p, local: p.Addr(), read: newDeadline(), write: newDeadline()}, nil
}

// ListenConfig starts a node and opens a port of it. It does not wait for a
// link: what is sent before there is one waits for it, for a while (see the
// package's text). Close ends the node, after it has written what it had queued.
func ListenConfig(cfg node.Config, port uint16) (*PacketConn, error) {
	n, err := node.New(cfg)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	c, err := Listen(n, port)
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	c.owned = true
	return c, nil
}

const network = "peermesh" // what Addr.Network returns

// Node is the node below, for what a PacketConn has no word for: its ID, URLs,
// links and events, and whether it is Ready.
func (c *PacketConn) Node() *node.Node { return c.n }

// LocalAddr returns the node's ID and the port, an [Addr].
func (c *PacketConn) LocalAddr() net.Addr { return c.local }

// ReadFrom waits for a datagram, copies it to b and returns its length and the
// [Addr] it came from, which its session has proven. What does not fit into b is
// lost without an error, and counted, see [Stats]. Errors are [*net.OpError] with
// net.ErrClosed, after Close or the end of the node, or
// os.ErrDeadlineExceeded, a timeout.
func (c *PacketConn) ReadFrom(b []byte) (n int, from net.Addr, err error) {
	for {
		s := c.read.look()
		if err := s.err(); err != nil {
			return 0, nil, c.fail("read", nil, err)
		}
		size, addr, err := c.port.Read(b, s.passed)
		switch {
		case err == nil:
			n := min(size, len(b))
			c.stats.read(size, n)
			return n, c.froms.intern(addr), nil
		case !errors.Is(err, node.ErrTimeout):
			return 0, nil, c.fail("read", nil, net.ErrClosed)
		} // else the deadline passed, and perhaps it has moved since
	}
}

// WriteTo sends b as one datagram to an [Addr] or *Addr; b is copied. Without a write
// deadline it waits [WriteWait] at most for room in the queue of the first link;
// a datagram that finds none, or no way, is dropped, counted (see [Stats]) and
// not an error, as on UDP. With a deadline it waits for as long as that allows.
//
// Errors are [*net.OpError] with net.ErrClosed, os.ErrDeadlineExceeded (a
// timeout), syscall.EMSGSIZE for more than [MTU] bytes, or syscall.EINVAL for an
// address of another network, a nil one, or one without an ID. b was not sent then.
func (c *PacketConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	to, err := target(addr)
	if err != nil {
		return 0, c.fail("write", printable(addr), err)
	}
	for {
		s := c.write.look()
		if err := s.err(); err != nil {
			return 0, c.fail("write", addr, err)
		}
		wait := WriteWait
		if s.armed {
			wait = math.MaxInt64 // the deadline ends it
		}
		err := c.port.Write(b, to, wait, s.passed)
		switch {
		case err == nil:
			c.stats.wrote(len(b))
			return len(b), nil
		case errors.Is(err, node.ErrClosed):
			return 0, c.fail("write", addr, net.ErrClosed)
		case !errors.Is(err, node.ErrTimeout):
			return 0, c.fail("write", addr, err)
		}
	}
}

// err is why no call may begin, or nil.
func (s state) err() error {
	switch {
	case s.closed:
		return net.ErrClosed
	case s.over:
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (c *PacketConn) fail(op string, addr net.Addr, err error) error {
	return &net.OpError{Op: op, Net: network, Source: c.local, Addr: addr, Err: err}
}

// target is where a datagram goes.
func target(addr net.Addr) (Addr, error) {
	to, ok := addr.(Addr)
	if !ok {
		at, isPointer := addr.(*Addr)
		if !isPointer || at == nil {
			return Addr{}, errAddress
		}
		to = *at
	}
	if to.ID.IsZero() {
		return Addr{}, errAddress
	}
	return to, nil
}

// printable is addr unless it is a nil pointer, of which a [net.OpError] would ask
// the text.
func printable(addr net.Addr) net.Addr {
	if v := reflect.ValueOf(addr); v.Kind() == reflect.Pointer && v.IsNil() {
		return nil
	}
	return addr
}

var errAddress error = invalid("not the address of a node: want a dgram.Addr with an ID")

// invalid is syscall.EINVAL, as of a UDPConn that is given another network's
// address, with words that help.
type invalid string

func (e invalid) Error() string { return string(e) }
func (invalid) Unwrap() error   { return syscall.EINVAL }

// Close closes the port and wakes all calls that wait, which then return
// net.ErrClosed, as a second Close does. What has arrived and was not read is
// lost, and counted, see [Stats]. A node of [ListenConfig] is shut down: it writes what its links' queues
// hold, for a second at most. What still waits for a session is lost.
func (c *PacketConn) Close() error {
	if !c.read.end() {
		return c.fail("close", nil, net.ErrClosed)
	}
	c.write.end()
	err := c.port.Close()
	if !c.owned {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limits.ByeFlush)
	defer cancel()
	if gone := c.n.Shutdown(ctx); !errors.Is(gone, node.ErrTimeout) {
		err = errors.Join(err, gone)
	} // else a peer does not read; the node has ended all the same
	return err
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *PacketConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline sets when ReadFrom calls end, those that wait already
// included. The zero time: never.
func (c *PacketConn) SetReadDeadline(t time.Time) error { return c.set(c.read, t) }

// SetWriteDeadline sets when WriteTo calls end, those that wait already
// included. The zero time: after [WriteWait], with a drop.
func (c *PacketConn) SetWriteDeadline(t time.Time) error { return c.set(c.write, t) }

func (c *PacketConn) set(d *deadline, t time.Time) error {
	if !d.set(t) {
		return c.fail("set", nil, net.ErrClosed)
	}
	return nil
}

// SetReadBuffer sets how many bytes may wait for ReadFrom, at most 8 MiB; 256 KiB
// without it. A datagram counts with 36 bytes more than it has, and one may wait
// in any case. What finds no room is dropped and counted.
func (c *PacketConn) SetReadBuffer(bytes int) error {
	if err := c.checkBuffer(bytes); err != nil {
		return err
	}
	c.port.SetQueue(bytes)
	return nil
}

// SetWriteBuffer does nothing: a PacketConn has no outgoing queue of its own but
// that of the first link, which has a fixed size. It is there for programs that
// insist on setting one.
func (c *PacketConn) SetWriteBuffer(bytes int) error { return c.checkBuffer(bytes) }

func (c *PacketConn) checkBuffer(bytes int) error {
	switch {
	case c.read.look().closed:
		return c.fail("set", nil, net.ErrClosed)
	case bytes < 0:
		return c.fail("set", nil, syscall.EINVAL)
	}
	return nil
}
