package httpbound

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// serve runs a server until the test ends and returns its host:port.
func serve(t *testing.T, srv *http.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	t.Cleanup(func() {
		_ = srv.Close()
		<-ended
	})
	return l.Addr().String()
}

func dial(t *testing.T, host string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// get makes a request on c and returns the status, or the error.
func get(c net.Conn) (int, error) {
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func options(conns int) Options {
	return Options{Conns: conns, Header: 4 << 10, Read: 20 * time.Second, Write: 20 * time.Second}
}

func TestConnectionsAreBounded(t *testing.T) {
	const most = 3
	host := serve(t, NewServer(http.NotFoundHandler(), options(most)))
	var open []net.Conn
	for range most {
		c := dial(t, host)
		if status, err := get(c); status != http.StatusNotFound {
			t.Fatalf("connection within the bound: got %d, %v, want an answer", status, err)
		}
		open = append(open, c)
	}
	if status, err := get(dial(t, host)); err == nil {
		t.Errorf("one connection more: got status %d, want none", status)
	}
	_ = open[0].Close()
	for deadline := time.Now().Add(20 * time.Second); ; { // until the server has seen the end of the first
		if status, _ := get(dial(t, host)); status == http.StatusNotFound {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("after one has gone: got no answer, want one")
		}
	}
}

func TestHijackedConnectionsDoNotCount(t *testing.T) {
	host := serve(t, NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, "HTTP/1.1 204 x\r\n\r\n")
	}), options(1)))
	for i := range 5 {
		if status, err := get(dial(t, host)); status != http.StatusNoContent {
			t.Fatalf("connection %d: got %d, %v, want 204", i, status, err)
		}
	}
}

func TestRequestsAreBounded(t *testing.T) {
	t.Run("header", func(t *testing.T) {
		c := dial(t, serve(t, NewServer(http.NotFoundHandler(), options(4))))
		go io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("y", 64<<10)+"\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("got %v, %v, want status 431", resp, err)
		}
	})
	t.Run("a body that never comes", func(t *testing.T) {
		o := options(4)
		o.Read = 50 * time.Millisecond
		c := dial(t, serve(t, NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
		}), o)))
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Errorf("got %v, want the end of the connection", err)
		}
	})
}
