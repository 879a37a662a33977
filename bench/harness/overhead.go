package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Wire is the number of bytes that one message takes on the TCP connection from
// A to the first relay, without TCP and IP headers.
type Wire struct {
	Size    int     `json:"size"`
	Alone   float64 `json:"bytes_alone"`   // one message under way
	Batched float64 `json:"bytes_batched"` // 128 messages under way
}

// overheadMessages is enough that keepalives do not show.
const overheadMessages = 2000

// Overhead counts the bytes of messages of the given size on one hop.
func Overhead(ctx context.Context, s System, size int) (Wire, error) {
	alone, err := wireBytes(ctx, s, size, 1)
	if err != nil {
		return Wire{}, err
	}
	batched, err := wireBytes(ctx, s, size, 128)
	return Wire{Size: size, Alone: alone, Batched: batched}, err
}

// wireBytes sends two floods of different length over counted connections and
// divides the difference, so that what opens a path does not count.
func wireBytes(ctx context.Context, s System, size, window int) (float64, error) {
	few, err := floodBytes(ctx, s, size, window, overheadMessages/10)
	if err != nil {
		return 0, err
	}
	many, err := floodBytes(ctx, s, size, window, overheadMessages)
	return (many - few) / (overheadMessages - overheadMessages/10), err
}

func floodBytes(ctx context.Context, s System, size, window int, messages uint64) (float64, error) {
	var c counter
	rate, err := Flood(ctx, s, FloodOptions{
		Relays: 1, Size: size, Window: window, Messages: messages, Via: c.via,
	})
	c.close()
	if err == nil && rate.Delivered != rate.Sent {
		err = fmt.Errorf("overhead %s: delivered %d of %d", s.Name(), rate.Delivered, rate.Sent)
	}
	return float64(c.bytes.Load()), err
}

// counter is a TCP forwarder that counts the bytes sent to its target.
type counter struct {
	target   string
	listener net.Listener
	bytes    atomic.Int64
	running  sync.WaitGroup
}

func (c *counter) via(addr string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	c.target, c.listener = addr, l
	c.running.Go(c.accept)
	return l.Addr().String(), nil
}

// accept ends when the listener is closed.
func (c *counter) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.running.Go(func() { c.forward(conn) })
	}
}

// forward ends when either side has closed.
func (c *counter) forward(client net.Conn) {
	relay, err := net.Dial("tcp", c.target)
	if err != nil {
		_ = client.Close()
		return
	}
	c.running.Go(func() {
		_, _ = io.Copy(client, relay)
		_ = errors.Join(client.Close(), relay.Close())
	})
	_, _ = io.Copy(io.MultiWriter(relay, (*byteCount)(&c.bytes)), client)
	_ = errors.Join(client.Close(), relay.Close())
}

// close waits for the connections, which the path has closed before.
func (c *counter) close() {
	if c.listener != nil {
		_ = c.listener.Close()
	}
	c.running.Wait()
}

type byteCount atomic.Int64

func (b *byteCount) Write(p []byte) (int, error) {
	(*atomic.Int64)(b).Add(int64(len(p)))
	return len(p), nil
}
