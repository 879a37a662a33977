package ws

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// frame makes a frame as the library would, unmasked or with a zero mask.
func frame(opcode byte, masked bool, payload []byte) []byte {
	b := []byte{0x80 | opcode, 0}
	switch n := len(payload); {
	case n < 126:
		b[1] = byte(n)
	case n <= 0xffff:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if masked {
		b[1] |= maskBit
		b = append(b, 0, 0, 0, 0)
	}
	return append(b, payload...)
}

func TestFrameHead(t *testing.T) {
	cases := []struct {
		name           string
		opcode         byte
		size           int
		control, close bool
	}{
		{"empty", 2, 0, false, false},
		{"short", 2, 125, false, false},
		{"two bytes of length", 2, 126, false, false},
		{"longest with two", 1, 0xffff, false, false},
		{"eight bytes of length", 2, 0x10000, false, false},
		{"continuation", 0, 5, false, false},
		{"ping", 9, 125, true, false},
		{"pong", 10, 0, true, false},
		{"close", 8, 2, true, true},
	}
	for _, c := range cases {
		for _, masked := range []bool{false, true} {
			b := frame(c.opcode, masked, make([]byte, c.size))
			if got := frameLen(b); got != len(b) {
				t.Errorf("%s, masked %v: got length %d, want %d", c.name, masked, got, len(b))
			}
			if isControl(b) != c.control || isClose(b) != c.close {
				t.Errorf("%s: got control %v, close %v; want %v, %v", c.name, isControl(b), isClose(b), c.control, c.close)
			}
		}
	}
}

func TestBuffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b *buffer
		var want []byte
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			p := bytes.Repeat([]byte{byte(len(want))}, rapid.IntRange(0, 40<<10).Draw(t, "size"))
			b = b.add(p)
			want = append(want, p...)
			n := rapid.IntRange(0, len(want)).Draw(t, "written")
			b.off += n
			want = want[n:]
			if !bytes.Equal(b.rest(), want) {
				t.Fatalf("got %d bytes, want %d", len(b.rest()), len(want))
			}
		}
		b.free()
	})
}

// Memory that is larger than any batch is not kept.
func TestBufferSizes(t *testing.T) {
	cases := map[string]struct{ need, want int }{
		"little":          {10, 4 << 10},
		"a small one":     {4 << 10, 4 << 10},
		"a record":        {20 << 10, 32 << 10},
		"a batch":         {limits.LinkBatch + 1000, 144 << 10},
		"more than pools": {200 << 10, 200 << 10},
	}
	for name, c := range cases {
		b := newBuffer(c.need)
		if cap(b.b) != c.want {
			t.Errorf("%s: got room for %d bytes, want %d", name, cap(b.b), c.want)
		}
		b.b = append(b.b, 1)
		b.free()
		if pooled := len(b.b) == 0; pooled != (c.want <= 144<<10) {
			t.Errorf("%s: kept for the next one: %v", name, pooled)
		}
	}
}

// taker is a connection that takes what its script says.
type taker struct {
	net.Conn
	mu     sync.Mutex
	got    []byte
	writes int
	script []int // bytes to take before each timeout; afterwards everything
}

func (c *taker) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	n, err := len(p), error(nil)
	if len(c.script) > 0 {
		n, err = min(n, c.script[0]), os.ErrDeadlineExceeded
		c.script = c.script[1:]
	}
	c.got = append(c.got, p[:n]...)
	return n, err
}

func (c *taker) SetWriteDeadline(time.Time) error { return nil }
func (c *taker) Close() error                     { return nil }

func (c *taker) bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.got)
}

// Whatever is written in whatever pieces and flushed whenever, frames come out
// whole: messages in their order, and each control frame somewhere between.
func TestFramesStayWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		conn := &taker{}
		c := newCork(conn, time.Second)
		c.start(nil)
		var data, control []byte
		for i := range rapid.IntRange(1, 20).Draw(t, "frames") {
			switch rapid.SampledFrom([]string{"data", "pong", "flush", "try"}).Draw(t, "what") {
			case "data":
				payload := bytes.Repeat([]byte{byte(i)}, rapid.IntRange(0, 70_000).Draw(t, "size"))
				f := frame(2, rapid.Bool().Draw(t, "masked"), payload)
				data = append(data, f...)
				writePieces(t, c, f)
			case "pong":
				f := frame(10, false, []byte{byte(i)})
				control = append(control, f...)
				writePieces(t, c, f)
			case "flush":
				if err := c.Flush(); err != nil {
					t.Fatal(err)
				}
			case "try":
				if _, err := c.TryFlush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		c.wait()
		gotData, gotControl := split(t, conn.bytes())
		if !bytes.Equal(gotData, data) || !bytes.Equal(gotControl, control) {
			t.Fatalf("got %d bytes of messages and %d of control, want %d and %d",
				len(gotData), len(gotControl), len(data), len(control))
		}
	})
}

// writePieces writes a frame as the library does: 4 KiB at a time.
func writePieces(t *rapid.T, c *cork, f []byte) {
	for len(f) > 0 {
		n := min(len(f), 4096)
		if _, err := c.Write(f[:n]); err != nil {
			t.Fatal(err)
		}
		f = f[n:]
	}
}

// split parses frames and sorts them into messages and control.
func split(t *rapid.T, b []byte) (data, control []byte) {
	for len(b) > 0 {
		n := frameLen(b)
		if n > len(b) {
			t.Fatalf("a frame of %d bytes in %d", n, len(b))
		}
		if isControl(b) {
			control = append(control, b[:n]...)
		} else {
			data = append(data, b[:n]...)
		}
		b = b[n:]
	}
	return data, control
}

func TestWriteAll(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 100_000)
	cases := []struct {
		name   string
		way    *inline
		script []int
		fails  bool
	}{
		{"at once", &inline{}, nil, false},
		{"progress before each deadline", &inline{}, []int{1, 50_000, 1}, false},
		{"no progress", &inline{}, []int{500, 0}, true},
		{"cannot tell, at once", nil, nil, false},
		{"cannot tell, broken by a deadline", nil, []int{500}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conn := &taker{script: c.script}
			k := &cork{Conn: conn, way: c.way, stall: time.Second}
			err := k.writeAll(big)
			if (err != nil) != c.fails || c.fails && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("got %v, want ErrDeadlineExceeded: %v", err, c.fails)
			}
			if !c.fails && len(conn.got) != len(big) {
				t.Errorf("got %d bytes written, want %d", len(conn.got), len(big))
			}
		})
	}
}

// A pong waits behind the message that is being gathered, and the next Flush
// takes both.
func TestPongBehindMessage(t *testing.T) {
	conn := &taker{}
	c := newCork(conn, time.Second)
	c.start(nil)
	msg, pong := frame(2, false, []byte("message")), frame(10, false, nil)
	for _, f := range [][]byte{msg, pong} {
		if _, err := c.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	c.wait() // nobody was sent to write
	if got := conn.bytes(); len(got) != 0 {
		t.Errorf("got %x before Flush, want nothing", got)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if got, want := conn.bytes(), append(msg, pong...); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	if conn.writes != 1 {
		t.Errorf("got %d writes, want 1 for everything gathered", conn.writes)
	}
}

// Pongs that cannot leave are bounded; a close frame is never dropped.
func TestControlIsBounded(t *testing.T) {
	c := newCork(&taker{}, time.Second)
	c.start(nil)
	if _, err := c.Write(frame(2, false, nil)); err != nil { // holds the pongs back
		t.Fatal(err)
	}
	for i := range 1000 {
		pong := frame(10, false, make([]byte, max(0, 125-i)))
		if n, err := c.Write(pong); n != len(pong) || err != nil {
			t.Fatalf("got %d, %v; want %d written", n, err, len(pong))
		}
	}
	farewell := frame(8, false, []byte("\x03\xe8"))
	if _, err := c.Write(farewell); err != nil {
		t.Fatal(err)
	}
	got := c.pending.rest()
	if len(got) > limits.PongBytes+100 {
		t.Errorf("got %d bytes held, want at most %d", len(got), limits.PongBytes)
	}
	if !bytes.HasSuffix(got, farewell) {
		t.Error("the close frame was dropped")
	}
}

func TestClosedCork(t *testing.T) {
	c := newCork(&taker{}, time.Second)
	c.start(nil)
	_ = c.Close()
	if _, err := c.Write(frame(2, false, nil)); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Write: got %v, want ErrClosed", err)
	}
	if err := c.Flush(); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Flush: got %v, want ErrClosed", err)
	}
	if done, err := c.TryFlush(); done || !errors.Is(err, transport.ErrClosed) {
		t.Errorf("TryFlush: got %v, %v, want ErrClosed", done, err)
	}
}
