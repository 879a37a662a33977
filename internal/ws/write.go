package ws

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// pieceBytes is how much a connection that cannot tell how far a failed write
// came is given at once: the payload of one TLS record.
const pieceBytes = 16 << 10

// writeAll writes p. As long as the peer takes something within the stall time
// it goes on.
func (c *cork) writeAll(p []byte) error {
	if c.way == nil {
		return c.writePieces(p)
	}
	defer c.SetWriteDeadline(time.Time{}) // an old deadline would fail the next attempt
	for len(p) > 0 {
		n, err := c.writeOnce(p)
		p = p[n:]
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return stalled(err, c.stall)
		}
	}
	return nil
}

// writePieces writes p to a connection that is broken once a write timed out.
func (c *cork) writePieces(p []byte) error {
	for len(p) > 0 {
		n, err := c.writeOnce(p[:min(len(p), pieceBytes)])
		if err != nil {
			return stalled(err, c.stall)
		}
		p = p[n:]
	}
	return nil
}

func (c *cork) writeOnce(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// stalled names the cause of a write that timed out.
func stalled(err error, after time.Duration) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("peer took nothing for %v: %w", after, err)
	}
	return err
}

// below returns the connection under those of TLS.
func below(conn net.Conn) net.Conn {
	for {
		t, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = t.NetConn()
	}
}

// closeNow closes the socket itself: TLS would first write its farewell, and
// wait 5 s for a peer that does not read.
func closeNow(conn net.Conn) error { return below(conn).Close() }
