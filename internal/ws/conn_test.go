package ws

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// readFrame reads one short frame from a server.
func readFrame(t *testing.T, c net.Conn) []byte {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 2)
	if _, err := io.ReadFull(c, head); err != nil {
		t.Fatal(err)
	}
	b := append(head, make([]byte, frameLen(head)-2)...)
	if _, err := io.ReadFull(c, b[2:]); err != nil {
		t.Fatal(err)
	}
	return b
}

// A ping is answered although nobody flushes, over TCP and TLS.
func TestPongLeavesAtOnce(t *testing.T) {
	for name, secure := range map[string]bool{"TCP": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			raw, c := rawPair(t, Settings{}, secure)
			ended := make(chan error)
			go func() {
				_, err := c.Receive(inRoom(10))
				ended <- err
			}()
			for _, text := range []string{"one", "two"} {
				if _, err := raw.Write(frame(9, true, []byte(text))); err != nil {
					t.Fatal(err)
				}
				if got, want := readFrame(t, raw), frame(10, false, []byte(text)); !bytes.Equal(got, want) {
					t.Errorf("got %q, want the pong %q", got, want)
				}
			}
			_ = c.Close()
			if err := <-ended; !errors.Is(err, transport.ErrClosed) {
				t.Errorf("Receive: got %v, want ErrClosed", err)
			}
		})
	}
}

// A peer that floods pings and reads nothing neither blocks the receiver nor
// the sender, and makes neither hold much.
func TestPingFlood(t *testing.T) {
	for name, secure := range map[string]bool{"TCP": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			raw, c := rawPair(t, Settings{WriteStall: time.Minute}, secure)
			go func() {
				flood := bytes.Repeat(frame(9, true, make([]byte, 125)), 1000)
				for range 20 { // 2.6 MB, answered with the same: more than the sockets hold
					if _, err := raw.Write(flood); err != nil {
						return
					}
				}
				_, _ = raw.Write(frame(2, true, []byte("end")))
			}()
			msg, err := c.Receive(inRoom(10))
			if err != nil || string(msg) != "end" {
				t.Fatalf("Receive: got %q, %v, want %q", msg, err, "end")
			}
			if err := c.Send([]byte("x")); err != nil {
				t.Fatalf("Send: got %v, want no error", err)
			}
			c.cork.mu.Lock()
			defer c.cork.mu.Unlock()
			if c.cork.control > limits.PongBytes {
				t.Errorf("got %d bytes of pongs held, want at most %d", c.cork.control, limits.PongBytes)
			}
		})
	}
}

// A peer that takes nothing ends the connection, and everybody is told why.
func TestStall(t *testing.T) {
	for name, secure := range map[string]bool{"TCP": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			const stall = 50 * time.Millisecond
			_, c := rawPair(t, Settings{WriteStall: stall}, secure)
			received := make(chan error)
			go func() {
				_, err := c.Receive(inRoom(10))
				received <- err
			}()
			for range 256 { // 16 MiB, more than the sockets take
				if err := c.Send(make([]byte, limits.MaxRecord)); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Flush(); !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "took nothing") {
				t.Errorf("Flush: got %v, want ErrDeadlineExceeded", err)
			}
			if err := <-received; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Receive: got %v, want ErrDeadlineExceeded", err)
			}
			if err := c.Send(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Send afterwards: got %v, want ErrDeadlineExceeded", err)
			}
		})
	}
}

// After a Flush that had to wait, TryFlush still works: no deadline is left.
func TestTryFlushAfterBlockedFlush(t *testing.T) {
	t.Parallel()
	const stall = 2 * time.Second // b is never busy with something else for so long
	a, b := pair(t, Settings{WriteStall: stall}, false)
	const count = 256
	for range count {
		if err := a.Send(make([]byte, limits.MaxRecord)); err != nil {
			t.Fatal(err)
		}
	}
	received := make(chan error)
	go func() {
		room := inRoom(limits.MaxRecord)
		for range count {
			if _, err := b.Receive(room); err != nil {
				received <- err
				return
			}
		}
		received <- nil
	}()
	if err := errors.Join(a.Flush(), <-received); err != nil {
		t.Fatal(err)
	}
	// An old deadline would have passed once this timer has.
	<-time.After(stall + stall/2)
	if err := a.Send([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if done, err := a.TryFlush(); !done || err != nil {
		t.Errorf("TryFlush: got %v, %v, want it done", done, err)
	}
}

func TestCloseStatus(t *testing.T) {
	cases := []struct {
		name   string
		code   int
		reason string
		want   error
	}{
		{"normal", StatusNormal, "", io.EOF},
		{"policy", StatusPolicy, "not you", io.EOF},
		{"too big", StatusTooBig, "", transport.ErrMessageTooBig},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a, b := pair(t, Settings{}, false)
			if err := b.Send([]byte("last")); err != nil { // CloseWith flushes it
				t.Fatal(err)
			}
			closed := make(chan error)
			go func() { closed <- b.CloseWith(c.code, c.reason) }()
			if msg, err := a.Receive(inRoom(10)); err != nil || string(msg) != "last" {
				t.Fatalf("got %q, %v, want what was gathered before CloseWith", msg, err)
			}
			_, err := a.Receive(inRoom(10))
			var ce *CloseError
			if !errors.As(err, &ce) || ce.Code != c.code || ce.Reason != c.reason || !errors.Is(err, c.want) {
				t.Errorf("got %v, want status %d %q that is %v", err, c.code, c.reason, c.want)
			}
			if err := <-closed; err != nil {
				t.Errorf("CloseWith: got %v, want no error", err)
			}
		})
	}
}

// Who goes away without reading everything resets the connection: what it said last
// is read all the same, also by who has found out by writing.
func TestLastWordsAfterFailedFlush(t *testing.T) {
	a, b := pair(t, Settings{}, false)
	if err := errors.Join(b.Send([]byte("last")), b.Flush(), a.Send([]byte("never read")), a.Flush()); err != nil {
		t.Fatal(err)
	}
	b.Close()
	var err error
	for err == nil { // until the reset has come
		err = errors.Join(a.Send([]byte("to nobody")), a.Flush())
	}
	if msg, err := a.Receive(inRoom(10)); err != nil || string(msg) != "last" {
		t.Errorf("got %q, %v, want what came before the end", msg, err)
	}
	if _, err := a.Receive(inRoom(10)); err == nil {
		t.Error("got no error behind it")
	}
}

// CloseWith does not wait long for a peer that does not answer.
func TestCloseWithMutePeer(t *testing.T) {
	_, c := rawPair(t, Settings{}, false)
	began := time.Now()
	_ = c.CloseWith(StatusNormal, "")
	if took := time.Since(began); took > 5*limits.ByeFlush {
		t.Errorf("took %v, want about %v", took, limits.ByeFlush)
	}
}

func TestMessageTypes(t *testing.T) {
	a, b := pair(t, Settings{}, false)
	if err := errors.Join(a.SendMessage(Text, []byte("words")), a.SendMessage(Binary, []byte{1}), a.Flush()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []Type{Text, Binary} {
		if got, _, err := b.ReceiveMessage(inRoom(10)); got != want || err != nil {
			t.Errorf("got type %d, %v, want %d", got, err, want)
		}
	}
	if err := errors.Join(a.SendMessage(Text, []byte("words")), a.Flush()); err != nil {
		t.Fatal(err)
	}
	peer := make(chan error)
	go func() {
		_, err := a.Receive(inRoom(10))
		peer <- err
	}()
	if _, err := b.Receive(inRoom(10)); err == nil {
		t.Error("Receive of a text message: got no error, want one")
	}
	var ce *CloseError
	if err := <-peer; !errors.As(err, &ce) || ce.Code != StatusUnsupported {
		t.Errorf("the sender of a text message got %v, want status %d", err, StatusUnsupported)
	}
}

// Messages longer than a record pass if both ends say so.
func TestMaxMessage(t *testing.T) {
	const size = 1 << 20
	a, b := pair(t, Settings{MaxMessage: size}, false)
	if err := a.Send(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	flushed := make(chan error)
	go func() { flushed <- a.Flush() }()
	if msg, err := b.Receive(inRoom(size)); err != nil || len(msg) != size {
		t.Errorf("got %d bytes, %v, want %d", len(msg), err, size)
	}
	if err := <-flushed; err != nil {
		t.Error(err)
	}
	if err := a.Send(make([]byte, size+1)); !errors.Is(err, transport.ErrMessageTooBig) {
		t.Errorf("got %v, want ErrMessageTooBig", err)
	}
}

func TestAcceptWithoutHijacker(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if _, err := Accept(w, r, AcceptOptions{}); !errors.Is(err, http.ErrNotSupported) || w.Code != http.StatusNotImplemented {
		t.Errorf("got %v and status %d, want ErrNotSupported and 501", err, w.Code)
	}
}
