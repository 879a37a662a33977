//go:build !nowebrtc

package webrtc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// What is handed to the library and not yet acknowledged by the peer: what the
// network holds (the congestion window) and a little to be sent next. More
// would wait here, behind each other, instead of in the link's queue, where what
// matters goes first.
const (
	unsent   = limits.SocketUnsent // bytes to be sent next
	mostHeld = 512 << 10           // bytes in all: with twice as much, buffers on the way overflow on a busy machine and cost seconds
	batch    = 16 << 10            // bytes
)

// stallTick is how often a waiting Flush looks whether the peer takes anything.
const stallTick = limits.WriteStall / 10

var errStalled = fmt.Errorf("peer took nothing for %v: %w", limits.WriteStall, os.ErrDeadlineExceeded)

// Send implements transport.Conn. The library copies the message and begins
// to send it at once.
func (c *Conn) Send(msg []byte) error {
	if c.ended() {
		return c.because(io.EOF)
	}
	if len(msg) > maxMessage {
		return fmt.Errorf("%w: %d bytes, at most %d", transport.ErrMessageTooBig, len(msg), maxMessage)
	}
	if _, err := c.raw.Write(msg); err != nil {
		return c.because(io.EOF)
	}
	return nil
}

// TryFlush implements transport.Conn.
func (c *Conn) TryFlush() (done bool, err error) {
	if c.ended() {
		return false, c.because(io.EOF)
	}
	held := c.raw.BufferedAmount()
	return held <= unsent || held <= c.room(), nil
}

// room is how many bytes the library may hold now.
func (c *Conn) room() uint64 {
	window := uint64(c.attempt.pc.SCTP().Stats().CongestionWindow)
	return min(window+unsent, mostHeld)
}

// Flush implements transport.Conn.
func (c *Conn) Flush() error {
	done, err := c.TryFlush()
	if done || err != nil {
		return err
	}
	enough := c.room() - unsent/2
	c.raw.SetBufferedAmountLowThreshold(enough)
	look := time.NewTicker(stallTick)
	defer look.Stop()
	least, since := c.raw.BufferedAmount(), time.Now()
	for amount := least; amount > enough; amount = c.raw.BufferedAmount() {
		if amount < least {
			least, since = amount, time.Now()
		}
		if time.Since(since) >= limits.WriteStall {
			return c.because(errStalled)
		}
		select {
		case <-c.done:
			return c.because(io.EOF)
		case <-c.low:
		case <-look.C:
		}
	}
	return nil
}

// wakeFlush is called by the library when little is left to send.
func (c *Conn) wakeFlush() {
	select {
	case c.low <- struct{}{}:
	default:
	}
}

// Close implements transport.Conn. It waits, limits.CloseLinger at most, until
// the peer has what was flushed.
func (c *Conn) Close() error {
	c.closing.Do(func() {
		c.lost(transport.ErrClosed)
		c.attempt.endpoint.bounded(func() {
			if errors.Is(c.because(nil), transport.ErrClosed) && c.raw.BufferedAmount() > 0 {
				c.linger()
			}
		})
		c.attempt.release()
	})
	return nil
}

// linger closes the channel behind what is under way, and waits until all of
// it is acknowledged or the peer has closed its side as well, which it does
// when it has read all. It reads and drops what the peer sent meanwhile.
func (c *Conn) linger() {
	c.recv.Lock() // the receiver has left
	defer c.recv.Unlock()
	c.raw.OnBufferedAmountLow(guard.Func("the end of a link over WebRTC", func() { _ = c.raw.SetReadDeadline(time.Now()) }, c.attempt.broke))
	c.raw.SetBufferedAmountLowThreshold(0)
	_ = c.raw.Close()
	late := time.Now().Add(limits.CloseLinger)
	defer func() { _ = c.raw.SetReadDeadline(time.Time{}) }() // ends the library's timer
	room := make([]byte, maxMessage+1)
	for {
		_ = c.raw.SetReadDeadline(late) // before looking: all may be acknowledged right after
		if c.raw.BufferedAmount() == 0 || !time.Now().Before(late) {
			return
		}
		if _, err := c.raw.Read(room); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}
