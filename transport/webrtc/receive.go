//go:build !nowebrtc

package webrtc

import (
	"errors"
	"io"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// Receive implements transport.Conn. It waits with no memory at all: reading
// into none fails once a message is complete, and leaves it there.
func (c *Conn) Receive(buf func() []byte) ([]byte, error) {
	c.recv.Lock()
	defer c.recv.Unlock()
	first := !c.spoken.Load()
	if first {
		c.heeded.Store(true)
	}
	if _, err := c.raw.Read(nil); !errors.Is(err, io.ErrShortBuffer) {
		return nil, c.because(io.EOF)
	}
	if err := c.deaf(); err != nil {
		return nil, err
	}
	room := buf()
	// What is complete may be a message of the channel's own protocol, which anybody
	// can send: the library takes it here, and goes on to wait.
	n, err := c.raw.Read(room)
	if first && err == nil {
		c.spoken.Store(true)
	}
	switch {
	case errors.Is(err, io.ErrShortBuffer), err == nil && n >= len(room):
		err = c.because(transport.ErrMessageTooBig)
		_ = c.raw.Close()
		return nil, err
	case err != nil:
		return nil, c.because(io.EOF)
	}
	return room[:n], nil
}

// deaf returns why nothing more is received, even of what has arrived: nil if
// the pipe is whole, or was ended by the other side.
func (c *Conn) deaf() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(c.cause, transport.ErrClosed) || errors.Is(c.cause, transport.ErrMessageTooBig) {
		return c.cause
	}
	return nil
}

// listen ends a pipe whose peer fills the library's memory before it has said its
// first message: who that is, nobody knows yet. To a receiver a message that is whole
// comes within a look, so two of them find it not whole.
func (c *Conn) listen() {
	ice := c.attempt.pc.SCTP().Transport().ICETransport()
	look := time.NewTicker(limits.UnprovenLook)
	defer look.Stop()
	for over := 0; over < 2; {
		select {
		case <-c.done:
			return
		case <-c.attempt.over:
			return
		case <-look.C:
		}
		if c.spoken.Load() {
			return
		}
		// What comes for bytes sent are acknowledgements.
		if s := ice.Stats(); c.heeded.Load() && s.BytesReceived > s.BytesSent+limits.UnprovenBytes {
			over++
		}
	}
	c.lost(errFlood)
}
