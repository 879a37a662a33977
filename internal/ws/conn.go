package ws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// limitSlack is what the library's own read limit is above ours, in bytes:
// ours decides, since only ours tells its caller what happened.
const limitSlack = 1 << 10

// Settings are what both ends of a connection may choose. The zero value is right for
// links.
type Settings struct {
	// MaxMessage is the longest message in bytes, either way. 0: limits.MaxRecord.
	MaxMessage int
	// WriteStall is how long Flush waits for a peer that takes nothing. 0: limits.WriteStall.
	WriteStall time.Duration
}

func (s Settings) maxMessage() int {
	if s.MaxMessage > 0 {
		return s.MaxMessage
	}
	return limits.MaxRecord
}

func (s Settings) writeStall() time.Duration {
	if s.WriteStall > 0 {
		return s.WriteStall
	}
	return limits.WriteStall
}

// Conn is one WebSocket connection. Its methods keep the contract of
// transport.Conn: one goroutine receives, one sends, anybody closes.
type Conn struct {
	sock socket
	cork *cork
	max  int
	end  atomic.Pointer[ending] // nil while the connection lives

	through net.Addr // set by Dial
	probe   *probe   // of whoever sends; nil: not asked yet
	clock
}

// ending is why a connection ended: the first cause that was seen.
type ending struct{ err error }

func newConn(sock socket, c *cork, s Settings) *Conn {
	sock.setLimit(s.maxMessage() + limitSlack)
	return &Conn{sock: sock, cork: c, max: s.maxMessage()}
}

// Subprotocol is the one that was agreed on, or empty.
func (c *Conn) Subprotocol() string { return c.sock.subprotocol() }

// RemoteAddr is the address of the socket's other end.
func (c *Conn) RemoteAddr() net.Addr { return c.cork.RemoteAddr() }

// LocalAddr is the address of this machine's end of the socket, whatever a proxy before
// it said.
func (c *Conn) LocalAddr() net.Addr { return below(c.cork.Conn).LocalAddr() }

// Through is where a forward proxy was asked to lead, an IP address or a name with
// a port; nil: the connection goes by none.
func (c *Conn) Through() net.Addr { return c.through }

// Max is the longest message in bytes.
func (c *Conn) Max() int { return c.max }

// Receive is ReceiveMessage for those who accept binary messages alone. A text
// message ends the connection.
func (c *Conn) Receive(buf func() []byte) ([]byte, error) {
	t, msg, err := c.ReceiveMessage(buf)
	if err == nil && t != Binary {
		err = c.refuse(StatusUnsupported, errors.New("text message: binary ones are expected"))
	}
	if err != nil {
		return nil, err
	}
	return msg, nil
}

// ReceiveMessage waits for the next message, calls buf once for memory when
// its first frame has begun to arrive, and returns the part that it filled. It
// accepts len(memory)-1 bytes, and no more than Max. A longer message ends the
// connection with an error that is transport.ErrMessageTooBig.
func (c *Conn) ReceiveMessage(buf func() []byte) (Type, []byte, error) {
	if e := c.end.Load(); e != nil {
		return 0, nil, fmt.Errorf("ws: receive: %w", e.err)
	}
	c.cork.source.await()
	t, r, err := c.sock.next()
	if err != nil {
		return 0, nil, c.failed("receive", err)
	}
	memory := buf()
	msg, err := readAll(r, memory[:min(len(memory), c.max+1)])
	if errors.Is(err, transport.ErrMessageTooBig) {
		return 0, nil, c.refuse(StatusTooBig, err)
	}
	if err != nil {
		return 0, nil, c.failed("receive", err)
	}
	return t, msg, nil
}

// BeforeWait has f called when Receive finds that nothing more has arrived,
// before it waits: once, on the goroutine that receives, which alone may ask for
// it. f must neither block nor use the connection. To look costs nothing: it is
// the read that would wait. False: this connection cannot tell (TLS), and f is
// never called. It is not for connections that CloseWith, which reads, may end
// meanwhile.
func (c *Conn) BeforeWait(f func()) bool { return c.cork.source.beforeWait(f) }

// readAll reads r to its end. Memory that is full before the end was seen is
// too small. A connection that ends before the message does is lost, and so is
// the message.
func readAll(r io.Reader, memory []byte) ([]byte, error) {
	n := 0
	for n < len(memory) {
		k, err := r.Read(memory[n:])
		n += k
		if err == io.EOF {
			return memory[:n], nil
		}
		if errors.Is(err, errEnd) {
			return nil, errLost
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, transport.ErrMessageTooBig
}

// Send gathers one binary message.
func (c *Conn) Send(msg []byte) error { return c.SendMessage(Binary, msg) }

// SendMessage gathers one message of at most Max bytes; the bytes are copied.
// A longer one is refused with transport.ErrMessageTooBig and changes nothing.
func (c *Conn) SendMessage(t Type, msg []byte) error {
	if len(msg) > c.max {
		return fmt.Errorf("ws: send %d bytes, at most %d: %w", len(msg), c.max, transport.ErrMessageTooBig)
	}
	if err := c.sock.write(t, msg); err != nil {
		return c.failed("send", err)
	}
	return nil
}

// Flush writes everything gathered, and waits as long as the peer takes some
// of it within Settings.WriteStall.
func (c *Conn) Flush() error {
	if err := c.cork.Flush(); err != nil {
		return c.unwritten("flush", err)
	}
	return nil
}

// TryFlush writes what the socket takes at once. done tells whether that was
// everything; if not, Flush must follow. Over TLS it writes nothing.
func (c *Conn) TryFlush() (done bool, err error) {
	if done, err = c.cork.TryFlush(); err != nil {
		return false, c.unwritten("flush", err)
	}
	return done, nil
}

// unwritten is failed for what could not be written. Where the peer is gone, what
// it said last may have come and wait to be read, why it went above all: then
// Receive goes on, and finds the end behind it.
func (c *Conn) unwritten(op string, err error) error {
	if isReset(err) && c.end.Load() == nil {
		return fmt.Errorf("ws: %s: %w", op, cause(err))
	}
	return c.failed(op, err)
}

// failed ends the connection because of err, unless it ended before, and
// returns what the caller is told.
func (c *Conn) failed(op string, err error) error {
	err = cause(err)
	if errors.Is(err, net.ErrClosed) {
		err = errLost // our own Close noted its cause before
	}
	first := c.ended(err)
	if errors.Is(first, transport.ErrClosed) || errors.Is(err, errLost) {
		err = first
	}
	return fmt.Errorf("ws: %s: %w", op, err)
}

// ended notes the cause, if it is the first, shuts the connection and returns
// the first cause.
func (c *Conn) ended(err error) error {
	c.end.CompareAndSwap(nil, &ending{err})
	_ = c.cork.Close()
	return c.end.Load().err
}

// refuse tells the peer why the connection ends and ends it.
func (c *Conn) refuse(code int, err error) error {
	c.end.CompareAndSwap(nil, &ending{err})
	c.farewell(code, err.Error())
	return c.failed("receive", err)
}

// CloseWith flushes, exchanges close frames with the peer and closes. It waits
// for at most limits.ByeFlush. The reason is at most 123 bytes. A connection that
// has ended is just closed: nothing is read from it any more.
func (c *Conn) CloseWith(code int, reason string) error {
	if c.end.Load() == nil {
		c.farewell(code, reason)
	}
	return c.Close()
}

func (c *Conn) farewell(code int, reason string) {
	late := time.AfterFunc(limits.ByeFlush, guard.Func("the end of a connection", func() { _ = c.cork.Close() }, nil))
	defer late.Stop()
	_ = c.cork.Flush()
	c.sock.close(code, reason)
}

// Close ends the connection at once, without a close frame. It returns when
// nothing of it is left.
func (c *Conn) Close() error {
	c.ended(transport.ErrClosed)
	c.sock.closeNow()
	c.cork.wait()
	return nil
}
