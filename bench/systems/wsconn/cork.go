package wsconn

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"syscall"
)

// corkCap is the memory of a corked connection while it holds something: the
// 128 KiB of one flush and the headers of its messages.
const corkCap = 132 << 10

var corkBuffers = sync.Pool{New: func() any { return new(make([]byte, 0, corkCap)) }}

// Cork is a connection that can gather what is written, so that many messages
// leave in one system call. Hold and the two kinds of Release are called by one
// goroutine at a time; Write by any.
type Cork struct {
	net.Conn
	raw syscall.RawConn
	try func(fd uintptr) bool // bound once, so that TryRelease allocates nothing

	mu   sync.Mutex // guards the rest
	held bool
	buf  *[]byte // from the pool, nil when nothing is gathered
	sent int     // bytes of buf that are out already
	err  error   // of the last attempt
}

func newCork(conn net.Conn) (*Cork, error) {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &Cork{Conn: conn, raw: raw}
	c.try = c.attempt
	return c, nil
}

// Write gathers p while the cork holds, else writes it through.
func (c *Cork) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held {
		return c.Conn.Write(p)
	}
	if c.buf == nil {
		c.buf = corkBuffers.Get().(*[]byte)
	}
	*c.buf = append(*c.buf, p...)
	return len(p), nil
}

// Hold makes the following writes gather.
func (c *Cork) Hold() {
	c.mu.Lock()
	c.held = true
	c.mu.Unlock()
}

// Release writes what has gathered, and blocks until it is out.
func (c *Cork) Release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
	if c.buf == nil {
		return nil
	}
	_, err := c.Conn.Write((*c.buf)[c.sent:])
	c.reset()
	return err
}

// TryRelease tries once to write what has gathered and never blocks. When it
// is not done, the rest stays held and Release must follow.
func (c *Cork) TryRelease() (done bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.buf == nil {
		c.held = false
		return true, nil
	}
	c.err = nil
	if err := c.raw.Write(c.try); err != nil {
		return false, err
	}
	if c.err != nil || c.sent < len(*c.buf) {
		return false, c.err
	}
	c.held = false
	c.reset()
	return true, nil
}

// attempt is one write on the non-blocking socket.
func (c *Cork) attempt(fd uintptr) bool {
	n, err := syscall.Write(int(fd), (*c.buf)[c.sent:])
	if n > 0 {
		c.sent += n
	}
	if err != nil && err != syscall.EAGAIN && err != syscall.EINTR {
		c.err = err
	}
	return true
}

func (c *Cork) reset() {
	*c.buf, c.sent = (*c.buf)[:0], 0
	corkBuffers.Put(c.buf)
	c.buf = nil
}

// corkedWriter puts a cork below the connection that a handler hijacks.
type corkedWriter struct {
	http.ResponseWriter
	cork **Cork
}

// Hijack implements [http.Hijacker].
func (w *corkedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.ResponseWriter.(http.Hijacker).Hijack()
	if err != nil {
		return nil, nil, err
	}
	cork, err := newCork(conn)
	if err != nil {
		return nil, nil, err
	}
	*w.cork = cork
	return cork, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(cork)), nil
}
