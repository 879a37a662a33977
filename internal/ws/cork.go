package ws

import (
	"bufio"
	"net"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// cork is the connection that the library writes to. Until start it passes
// bytes through (the HTTP upgrade). Then it gathers complete frames: data
// frames until they are flushed, control frames until the way is free.
//
// Reads go by its source; deadlines and addresses are those of the connection
// below.
type cork struct {
	net.Conn
	source source
	way    *inline // writes that do not block; nil if the connection cannot
	stall  time.Duration

	mu       sync.Mutex
	idle     sync.Cond      // signalled when flushing ends; L is &mu
	helper   sync.WaitGroup // the goroutine that writes a late control frame
	framed   bool           // past the upgrade
	left     int            // bytes of a data frame that are still to come
	pending  *buffer        // gathered; nil: nothing
	data     bool           // pending holds a message, so its sender will flush
	control  int            // bytes of control frames in pending
	flushing bool           // somebody writes without holding mu
	err      error          // why nothing can be written any more
}

func newCork(conn net.Conn, stall time.Duration) *cork {
	tune(conn)
	c := &cork{Conn: conn, source: source{conn: conn}, way: newInline(conn), stall: stall}
	c.idle.L = &c.mu
	return c
}

// room returns small buffers for a library that reads and writes by c: those of
// net/http, 4 KiB each, would be an idle connection's largest part.
func (c *cork) room() *bufio.ReadWriter {
	return bufio.NewReadWriter(bufio.NewReaderSize(c, c.source.libraryRoom()), bufio.NewWriterSize(c, controlRoom))
}

// Read implements net.Conn.
func (c *cork) Read(p []byte) (int, error) { return c.source.Read(p) }

// buffered is what r has read and nobody has taken; r's memory.
func buffered(r *bufio.Reader) []byte {
	b, _ := r.Peek(r.Buffered())
	return b
}

// start begins to gather frames, and to look at those that come, first those
// that came early. It copies them.
func (c *cork) start(early []byte) {
	c.source.start(early)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.framed = true
}

// Write takes a frame or a part of one. It does not touch the network, but for
// a control frame that finds the way free. The library also writes while it reads:
// of io.EOF it must not hear here either.
func (c *cork) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.framed {
		return c.passThrough(p)
	}
	if c.err != nil {
		return 0, withoutEOF(c.err)
	}
	if c.left == 0 && len(p) > 0 && isControl(p) {
		c.addControl(p)
		return len(p), withoutEOF(c.err)
	}
	c.addData(p)
	return len(p), nil
}

func (c *cork) passThrough(p []byte) (int, error) {
	c.mu.Unlock()
	defer c.mu.Lock()
	return c.Conn.Write(p)
}

func (c *cork) addData(p []byte) {
	if len(p) == 0 {
		return
	}
	if c.left == 0 {
		c.left = frameLen(p)
		c.pending = c.pending.room(c.left) // it comes in pieces: grow once
	}
	c.left -= len(p)
	c.data = true
	c.pending = c.pending.add(p)
}

// addControl gathers one control frame and, if nobody else is going to, sees
// to it that it is written. Pongs beyond limits.PongBytes are dropped: only
// the latest ping needs an answer (RFC 6455, section 5.5.3).
func (c *cork) addControl(p []byte) {
	if c.control+len(p) > limits.PongBytes && !isClose(p) {
		return
	}
	c.control += len(p)
	c.pending = c.pending.add(p)
	if c.data || c.flushing {
		return
	}
	if c.attempt(); c.pending != nil && c.err == nil {
		c.flushing = true
		c.helper.Go(func() { guard.Do("a control frame", c.flushControl, c.broke) })
	}
}

// broke ends the connection for a panic of the helper.
func (c *cork) broke(p *guard.Panic) {
	p.Loose()
	_ = c.Close()
}

// flushControl runs on a goroutine of its own with the flushing mark set. If
// it cannot write, there is no caller to tell: it ends the connection, unless the
// peer is gone, which who receives finds behind what the peer said last.
func (c *cork) flushControl() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finish(); c.err != nil && !isReset(c.err) {
		_ = closeNow(c.Conn)
	}
}

// TryFlush writes what it can without blocking.
func (c *cork) TryFlush() (done bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.flushing {
		c.attempt()
	}
	return c.err == nil && c.pending == nil && !c.flushing, c.err
}

// Flush writes everything gathered.
func (c *cork) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.flushing && c.err == nil {
		c.idle.Wait()
	}
	c.attempt()
	c.finish()
	return c.err
}

// attempt writes once without blocking, holding mu meanwhile.
func (c *cork) attempt() {
	if c.way == nil || c.pending == nil || c.err != nil {
		return
	}
	n, err := c.way.write(c.pending.rest())
	c.pending.off += n
	if err != nil {
		c.failed(err)
	} else if len(c.pending.rest()) == 0 {
		c.take().free()
	}
}

// finish writes what is pending, and what comes meanwhile. It is called with mu
// held and lets go of it to write.
func (c *cork) finish() {
	for c.pending != nil && c.err == nil {
		c.flushing = true
		out := c.take()
		c.mu.Unlock()
		err := c.writeAll(out.rest())
		c.mu.Lock()
		out.free()
		c.failed(err)
	}
	c.flushing = false
	c.idle.Broadcast()
}

// take removes the pending buffer.
func (c *cork) take() *buffer {
	out := c.pending
	c.pending, c.data, c.control = nil, false, 0
	return out
}

// failed notes the first error. It is called with mu held.
func (c *cork) failed(err error) {
	if c.err == nil {
		c.err = err
	}
}

// Close ends the connection and what waits for it, without waiting itself.
func (c *cork) Close() error {
	c.mu.Lock()
	c.failed(transport.ErrClosed)
	c.idle.Broadcast()
	c.mu.Unlock()
	return closeNow(c.Conn)
}

// wait returns when the cork runs no goroutine any more. Call it after Close.
func (c *cork) wait() { c.helper.Wait() }
