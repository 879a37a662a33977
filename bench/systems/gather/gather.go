// Package gather puts length-prefixed messages on a byte stream so that many
// leave in one write, and takes them off it again.
package gather

import (
	"encoding/binary"
	"io"
	"net"
	"sync"

	"github.com/peermesh/peermesh/bench/harness"
)

const (
	// prefix is the length of a frame, 4 bytes, big-endian.
	prefix = 4
	// queueBound is the most a sender may have gathered, in bytes: the bound
	// that the sealed floor has.
	queueBound = 256 << 10
	// readBuffer is how much a reader takes in one system call.
	readBuffer = 64 << 10
)

// Writer is the sending half of an end: what is sent while a write is under
// way leaves with the next one.
type Writer struct {
	conn io.Writer

	mu          sync.Mutex // guards the rest
	work, space sync.Cond
	pending     []byte
	closed      bool
}

// New returns a writer to conn; [Writer.Run] has to be started.
func New(conn io.Writer) *Writer {
	g := &Writer{conn: conn}
	g.work.L, g.space.L = &g.mu, &g.mu
	return g
}

// Send queues msg and waits for room as long as that takes.
func (g *Writer) Send(msg []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.pending)+prefix+len(msg) > queueBound && !g.closed {
		g.space.Wait()
	}
	if g.closed {
		return net.ErrClosed
	}
	g.pending = binary.BigEndian.AppendUint32(g.pending, uint32(len(msg)))
	g.pending = append(g.pending, msg...)
	g.work.Signal()
	return nil
}

// Run is the writer's goroutine.
func (g *Writer) Run() {
	var out []byte
	for {
		g.mu.Lock()
		for len(g.pending) == 0 && !g.closed {
			g.work.Wait()
		}
		if g.closed {
			g.mu.Unlock()
			return
		}
		out, g.pending = g.pending, out[:0]
		g.space.Signal()
		g.mu.Unlock()
		if _, err := g.conn.Write(out); err != nil {
			g.Close()
			return
		}
	}
}

// Close ends the writer and wakes whoever waits. The connection is closed apart.
func (g *Writer) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.work.Signal()
	g.space.Signal()
}

// Receive hands each message to deliver until the connection ends.
func Receive(conn io.Reader, deliver harness.Handler) {
	_ = Frames(conn, func(batch []byte) error {
		for len(batch) > 0 {
			end := prefix + int(binary.BigEndian.Uint32(batch))
			deliver(batch[prefix:end])
			batch = batch[end:]
		}
		return nil
	})
}

// Frames reads until the connection ends and passes on what is whole.
func Frames(conn io.Reader, use func(batch []byte) error) error {
	buf, have := make([]byte, readBuffer), 0
	for {
		n, err := conn.Read(buf[have:])
		if err != nil {
			return err
		}
		have += n
		whole, need := wholeFrames(buf[:have])
		if whole > 0 {
			if err := use(buf[:whole]); err != nil {
				return err
			}
		}
		have = copy(buf, buf[whole:have])
		if need > len(buf) {
			buf = append(buf, make([]byte, need-len(buf))...)
		}
	}
}

// wholeFrames returns how many leading bytes of b are whole frames, and how long
// the next frame is if that is known.
func wholeFrames(b []byte) (whole, need int) {
	for len(b)-whole >= prefix {
		need = prefix + int(binary.BigEndian.Uint32(b[whole:]))
		if len(b)-whole < need {
			return whole, need
		}
		whole += need
	}
	return whole, 0
}
