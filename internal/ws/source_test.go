package ws

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// sizes are of messages around each length of a head and each size of a buffer.
var sizes = []int{0, 1, 9, 10, 125, 126, readAhead - 15, readAhead - 14, readAhead, 2 * readAhead, limits.MaxRecord}

// Messages arrive whole in whatever pieces their bytes come, and between them
// the library holds nothing, nor the source more than has come.
func TestFramesInPieces(t *testing.T) {
	var stream []byte
	for i, size := range sizes {
		stream = append(stream, frame(9, true, []byte("ping"))...)
		stream = append(stream, frame(2, true, bytes.Repeat([]byte{byte(i)}, size))...)
	}
	for _, piece := range []int{1, 7, 1000, readAhead, len(stream)} {
		t.Run(fmt.Sprint(piece), func(t *testing.T) {
			raw, c := rawPair(t, Settings{}, false)
			go func() { _, _ = io.Copy(io.Discard, raw) }() // the pongs
			go func() {
				for rest := stream; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
					if _, err := raw.Write(rest[:min(piece, len(rest))]); err != nil {
						return
					}
				}
			}()
			for i, size := range sizes {
				msg, err := c.Receive(inRoom(limits.MaxRecord))
				if err != nil || !bytes.Equal(msg, bytes.Repeat([]byte{byte(i)}, size)) {
					t.Fatalf("message %d: got %d bytes, %v, want %d", i, len(msg), err, size)
				}
				if c.cork.source.left != 0 {
					t.Fatalf("after message %d: got %d bytes of a frame not read, want none", i, c.cork.source.left)
				}
			}
			if c.cork.source.ahead != nil {
				t.Error("idle: got a buffer held, want none")
			}
		})
	}
}

// What a client sends together with its request is not lost.
func TestFramesBehindTheRequest(t *testing.T) {
	for _, size := range []int{10, 2 * readAhead} {
		u, _, conns := server(t, AcceptOptions{}, false)
		raw, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		request := "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
		if _, err := raw.Write(append([]byte(request), frame(2, true, make([]byte, size))...)); err != nil {
			t.Fatal(err)
		}
		c := <-conns
		defer c.Close()
		if msg, err := c.Receive(inRoom(limits.MaxRecord)); err != nil || len(msg) != size {
			t.Errorf("got %d bytes, %v, want %d", len(msg), err, size)
		}
	}
}

// A connection that ends inside a head, or says an impossible length, ends in
// our words.
func TestBrokenHeads(t *testing.T) {
	cases := map[string]struct {
		sent []byte
		want error
	}{
		"nothing":           {nil, io.EOF},
		"half a head":       {[]byte{0x82}, errLost},
		"a negative length": {[]byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, nil},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			raw, c := rawPair(t, Settings{}, false)
			if _, err := raw.Write(test.sent); err != nil {
				t.Fatal(err)
			}
			if err := raw.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Receive(inRoom(10)); err == nil || !errors.Is(err, test.want) && test.want != nil {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// Who closes with a farewell reads the peer's while somebody receives.
func TestCloseWithWhileReceiving(t *testing.T) {
	a, b := pair(t, Settings{}, false)
	ended := make(chan error, 2)
	for _, c := range []*Conn{a, b} {
		go func() {
			_, err := c.Receive(inRoom(10))
			ended <- err
		}()
	}
	if err := a.CloseWith(StatusNormal, "bye"); err != nil {
		t.Errorf("CloseWith: got %v, want no error", err)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, io.EOF) && !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Receive: got %v, want its end", err)
		}
	}
}

// A connection is busy after many short waits in a row, and idle again after one
// that was long. What comes without a wait says nothing.
func TestBusyAfterShortWaits(t *testing.T) {
	var s source
	wait := func(d time.Duration) {
		s.waits()
		s.since = s.since.Add(-d)
		s.waits() // the poller may call for nothing
		s.waited()
	}
	for range busyWaits - 1 {
		wait(0)
	}
	s.waited()
	if s.short >= busyWaits {
		t.Errorf("after %d short waits: got busy, want idle", busyWaits-1)
	}
	for range 2 * busyWaits {
		wait(0)
	}
	if s.short < busyWaits {
		t.Error("after many short waits: got idle, want busy")
	}
	if wait(limits.IdleTick); s.short >= busyWaits {
		t.Error("after a long wait: got busy, want idle")
	}
}
