package mem

import (
	"fmt"
	"net"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// Faults are what befalls the messages that one end sends. The zero value is a
// perfect link.
type Faults struct {
	// Drop, if set, is asked for each message as it is sent; true loses it.
	// It is called on the sender's goroutine and must not keep msg.
	Drop func(msg []byte) bool
	// Delay is how long each flushed batch takes to arrive. Order is kept.
	Delay time.Duration
}

// Conn is one end of a pipe in memory. It implements transport.Conn.
type Conn struct {
	out, in  *half
	remote   net.Addr
	faults   Faults
	gathered *batch // owned by the sending goroutine; nil: nothing
}

// Pipe returns the two ends of a new pipe.
func Pipe() (a, b *Conn) {
	ab, ba := newHalf(), newHalf()
	return &Conn{out: ab, in: ba}, &Conn{out: ba, in: ab}
}

// SetFaults sets what befalls the messages sent by this end. Call it before
// the first of them, or on the goroutine that sends.
func (c *Conn) SetFaults(f Faults) { c.faults = f }

// Receive implements transport.Conn.
func (c *Conn) Receive(buf func() []byte) ([]byte, error) {
	b, err := c.in.head()
	if err != nil {
		return nil, fmt.Errorf("mem: receive: %w", err)
	}
	msg, memory := b.next(), buf()
	if len(msg) >= len(memory) {
		c.breach(transport.ErrMessageTooBig)
		return nil, fmt.Errorf("mem: receive %d bytes into %d: %w", len(msg), len(memory), transport.ErrMessageTooBig)
	}
	n := copy(memory, msg)
	c.in.pop(b)
	return memory[:n], nil
}

// Send implements transport.Conn.
func (c *Conn) Send(msg []byte) error {
	if len(msg) > c.Max() {
		return fmt.Errorf("mem: send %d bytes, at most %d: %w", len(msg), c.Max(), transport.ErrMessageTooBig)
	}
	if err := c.out.check(); err != nil {
		return fmt.Errorf("mem: send: %w", err)
	}
	if c.faults.Drop != nil && c.faults.Drop(msg) {
		return nil
	}
	if c.gathered == nil {
		c.gathered = newBatch()
	}
	c.gathered.add(msg)
	return nil
}

// Flush implements transport.Conn.
func (c *Conn) Flush() error {
	_, err := c.flush(true)
	return err
}

// TryFlush implements transport.Conn: everything goes or nothing.
func (c *Conn) TryFlush() (done bool, err error) { return c.flush(false) }

func (c *Conn) flush(wait bool) (done bool, err error) {
	if c.gathered == nil {
		err = c.out.check()
		done = err == nil
	} else if done, err = c.out.push(c.gathered, c.faults.Delay, wait); done {
		c.gathered = nil
	}
	if err != nil {
		return false, fmt.Errorf("mem: flush: %w", err)
	}
	return done, nil
}

// Max implements transport.Conn: the same as on a WebSocket, limits.MaxRecord.
func (c *Conn) Max() int { return limits.MaxRecord }

// Binding implements transport.Conn: there is none.
func (c *Conn) Binding() []byte { return nil }

// Kind implements transport.Conn.
func (c *Conn) Kind() string { return "mem" }

// RemoteAddr implements transport.Conn: the Addr of the other end in its
// Network, or nil.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Close implements transport.Conn. What the peer has not received yet, it
// still can.
func (c *Conn) Close() error {
	c.out.change(func(h *half) { h.sendGone = true })
	c.in.change(func(h *half) { h.recvGone = true })
	return nil
}

// Stall stops both directions: nothing arrives, senders fill their queues, as
// when the wire is cut and nobody has noticed. Resume ends it.
func (c *Conn) Stall() { c.each(func(h *half) { h.stalled = true }) }

// Resume lets what has been sent arrive.
func (c *Conn) Resume() { c.each(func(h *half) { h.stalled = false }) }

// Break ends the pipe for both ends, as a reset connection does: what is under
// way is lost, and all calls fail with an error that is io.EOF.
func (c *Conn) Break() { c.breach(errBroken) }

func (c *Conn) breach(err error) { c.each(func(h *half) { h.fail(err) }) }

func (c *Conn) each(do func(*half)) {
	c.out.change(do)
	c.in.change(do)
}

var _ transport.Conn = (*Conn)(nil)
