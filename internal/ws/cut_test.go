package ws

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// bareEnds returns an end and the bare connection of the other one.
func bareEnds(t *testing.T, dialled, secure bool) (raw net.Conn, c *Conn) {
	t.Helper()
	a, b := pair(t, Settings{}, secure)
	if dialled {
		return b.cork.Conn, a
	}
	return a.cork.Conn, b
}

// everyEnd runs f for both ends of a connection, over TCP and over TLS.
func everyEnd(t *testing.T, f func(t *testing.T, dialled, secure bool)) {
	for _, dialled := range []bool{false, true} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("dialled=%v,tls=%v", dialled, secure), func(t *testing.T) { f(t, dialled, secure) })
		}
	}
}

// unfinished is frame without its FIN bit.
func unfinished(opcode byte, masked bool, payload []byte) []byte {
	b := frame(opcode, masked, payload)
	b[0] &^= 0x80
	return b
}

// cuts are the beginnings of a stream that ends inside a message or a frame.
func cuts(masked bool) map[string][]byte {
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	headOf := func(f []byte, payload int) []byte { return f[:len(f)-payload] }
	small, medium, large := make([]byte, 100), make([]byte, 1000), make([]byte, 40_000)
	first := unfinished(2, masked, small)
	all := map[string][]byte{
		"one byte of a head":                   {0x82},
		"behind a head":                        headOf(frame(2, masked, small), len(small)),
		"behind a head with 2 bytes of length": headOf(frame(2, masked, medium), len(medium)),
		"in the payload":                       headOf(frame(2, masked, medium), 1),
		"in a long payload":                    headOf(frame(2, masked, large), len(large)/2),
		"behind the head of a first fragment":  headOf(first, len(small)),
		"behind a first fragment":              first,
		"behind an empty first fragment":       unfinished(2, masked, nil),
		"behind a long first fragment":         unfinished(2, masked, large),
		"behind a second fragment":             join(first, unfinished(0, masked, small)),
		"one byte behind a first fragment":     join(first, []byte{0x80}),
		"behind the head of a last fragment":   join(first, headOf(frame(0, masked, small), len(small))),
		"in the head of a last fragment":       join(first, frame(0, masked, medium)[:3]),
		"in the payload of a last fragment":    join(first, headOf(frame(0, masked, medium), 1)),
		"behind a ping between fragments":      join(first, frame(9, masked, small)),
		"in a ping between fragments":          join(first, headOf(frame(9, masked, small), len(small))),
		"in a pong between fragments":          join(first, headOf(frame(10, masked, small), 1)),
		"behind the head of a close":           headOf(frame(8, masked, []byte("\x03\xe8bye")), 5),
		"in the payload of a close":            headOf(frame(8, masked, []byte("\x03\xe8bye")), 1),
		"in a close between fragments":         join(first, headOf(frame(8, masked, []byte("\x03\xe8bye")), 5)),
	}
	for n := range 3 { // each length of a head that is cut in the middle
		f := frame(2, masked, [][]byte{small, medium, make([]byte, 0x10000)}[n])
		for at := 2; !hasHead(f[:at]); at++ {
			all[fmt.Sprintf("%d bytes of head %d", at, n)] = f[:at]
		}
	}
	return all
}

// cutBy ends what a bare connection sends: as TCP ends, or as TLS does.
func cutBy(raw net.Conn, farewell bool) error {
	if farewell {
		return raw.(*tls.Conn).CloseWrite()
	}
	return below(raw).(*net.TCPConn).CloseWrite()
}

// A connection that ends inside a message is lost: what has come of the message is
// none, however the connection ends and at which end it is read.
func TestEndInsideAMessageIsNoMessage(t *testing.T) {
	everyEnd(t, func(t *testing.T, dialled, secure bool) {
		for name, bytes := range cuts(!dialled) {
			for _, farewell := range []bool{false, true}[:1+btoi(secure)] {
				t.Run(fmt.Sprintf("%s,farewell=%v", name, farewell), func(t *testing.T) {
					raw, c := bareEnds(t, dialled, secure)
					whole := []byte("whole")
					if _, err := raw.Write(append(frame(2, !dialled, whole), bytes...)); err != nil {
						t.Fatal(err)
					}
					if err := cutBy(raw, farewell); err != nil {
						t.Fatal(err)
					}
					if msg, err := c.Receive(inRoom(limits.MaxRecord)); err != nil || string(msg) != string(whole) {
						t.Fatalf("the message before: got %q, %v, want %q", msg, err, whole)
					}
					for range 2 {
						if msg, err := c.Receive(inRoom(limits.MaxRecord)); !errors.Is(err, io.EOF) {
							t.Fatalf("got a message of %d bytes and %v, want the end of the connection", len(msg), err)
						}
					}
				})
			}
		}
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A connection that ends between two messages ends with io.EOF itself where that
// can be told from a broken one.
func TestEndBetweenMessages(t *testing.T) {
	everyEnd(t, func(t *testing.T, dialled, secure bool) {
		raw, c := bareEnds(t, dialled, secure)
		if err := cutBy(raw, secure); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Receive(inRoom(10)); !errors.Is(err, io.EOF) || errors.Is(err, errLost) {
			t.Errorf("got %v, want io.EOF and not that the connection was lost", err)
		}
	})
}

// readCounter counts the reads of a connection.
type readCounter struct {
	net.Conn
	n *int
}

func (c readCounter) Read(p []byte) (int, error) {
	*c.n++
	return c.Conn.Read(p)
}

// rawReads counts those of a source that reads by the socket itself.
type rawReads struct {
	syscall.RawConn
	n *int
}

func (c rawReads) Read(f func(fd uintptr) bool) error {
	*c.n++
	return c.RawConn.Read(f)
}

// unread is how many bytes have come that the library has not taken.
func (s *source) unread() int {
	if s.ahead == nil {
		return 0
	}
	return len(s.ahead.rest())
}

// After an error of the library nothing is read any more, whatever the peer sends
// behind it and whoever asks: the connection is closed.
func TestNothingIsReadAfterAnError(t *testing.T) {
	everyEnd(t, func(t *testing.T, dialled, secure bool) {
		masked := !dialled
		first := unfinished(2, masked, []byte("first"))
		for name, breach := range map[string][]byte{
			"reserved bits":                append([]byte{0xf2}, frame(2, masked, []byte("x"))[1:]...),
			"unknown opcode":               frame(3, masked, []byte("x")),
			"continuation of nothing":      frame(0, masked, []byte("x")),
			"a message inside a message":   append(bytes.Clone(first), frame(2, masked, []byte("x"))...),
			"reserved bits in a message":   append(append(bytes.Clone(first), 0xf0), frame(0, masked, []byte("x"))[1:]...),
			"long ping":                    frame(9, masked, make([]byte, 126)),
			"long ping inside a message":   append(bytes.Clone(first), frame(9, masked, make([]byte, 126))...),
			"close with half a status":     frame(8, masked, []byte{3}),
			"close":                        frame(8, masked, []byte("\x03\xe8bye")),
			"close inside a message":       append(bytes.Clone(first), frame(8, masked, []byte("\x03\xe8bye"))...),
			"fragmented ping in a message": append(bytes.Clone(first), unfinished(9, masked, []byte("x"))...),
		} {
			t.Run(name, func(t *testing.T) {
				raw, c := bareEnds(t, dialled, secure)
				reads := 0
				if s := &c.cork.source; s.raw != nil {
					s.raw = rawReads{s.raw, &reads}
				} else {
					s.conn = readCounter{Conn: s.conn, n: &reads}
				}
				if _, err := raw.Write(append(breach, frame(2, masked, []byte("more"))...)); err != nil {
					t.Fatal(err)
				}
				msg, err := c.Receive(inRoom(limits.MaxRecord))
				if err == nil || errors.Is(err, transport.ErrClosed) {
					t.Fatalf("got %q, %v, want an error", msg, err)
				}
				before, unread := reads, c.cork.source.unread()
				for range 2 {
					if msg, err := c.Receive(inRoom(limits.MaxRecord)); err == nil {
						t.Errorf("after an error: got %q, want none", msg)
					}
				}
				_ = c.CloseWith(StatusNormal, "")
				if now := c.cork.source.unread(); reads != before || now != unread {
					t.Errorf("after an error: got %d reads, and %d of %d bytes that had come taken, want none", reads-before, unread-now, unread)
				}
				if err := c.Send([]byte("x")); err == nil {
					err = c.Flush()
					if err == nil {
						t.Error("after an error: got a message flushed, want the connection closed")
					}
				}
			})
		}
	})
}

// Where a connection fails with io.EOF in writing, the library does not hear of it: it
// answers pings while it reads, and would take that for the end of the message.
func TestLibraryNeverHearsOfEOF(t *testing.T) {
	c := newCork(&ender{}, 0)
	c.start(nil)
	c.err = fmt.Errorf("write: %w", io.EOF)
	for _, f := range [][]byte{frame(10, false, nil), frame(2, false, nil)} {
		if _, err := c.Write(f); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("write: got %v, want an error that is not io.EOF", err)
		}
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("read: got %v, want an error that is not io.EOF", err)
	}
}

// ender is a connection that has ended.
type ender struct{ net.Conn }

func (*ender) Read([]byte) (int, error) { return 0, fmt.Errorf("read: %w", io.EOF) }
