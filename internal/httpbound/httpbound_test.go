package httpbound

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// serve runs a server until the test ends and returns its host:port.
func serve(t *testing.T, srv *Server) string {
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
	return Options{Conns: conns, Header: 4 << 10, HeaderTime: 20 * time.Second, Read: 20 * time.Second, Write: 20 * time.Second}
}

// Who opens connections and sends half a request keeps nobody out: the oldest
// of them go for those who come.
func TestTheOldestThatWaitsMakesRoom(t *testing.T) {
	const most = 3
	var refused atomic.Int64
	o := options(most)
	o.Refused = func() { refused.Add(1) }
	srv := NewServer(http.NotFoundHandler(), o)
	host := serve(t, srv)
	var slow []net.Conn
	for range most {
		c := dial(t, host)
		if _, err := io.WriteString(c, "GET / "); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, c)
	}
	for range 2 {
		if status, err := get(dial(t, host)); status != http.StatusNotFound {
			t.Errorf("one connection more: got %d, %v, want an answer", status, err)
		}
	}
	for _, c := range slow[:2] {
		if _, err := c.Read(make([]byte, 1)); err == nil || isTimeout(err) {
			t.Errorf("the two oldest: got %v, want them closed", err)
		}
	}
	if _, err := io.WriteString(slow[2], "HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Error(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(slow[2]), nil); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("the youngest: got %v, %v, want its answer", resp, err)
	}
	if got := refused.Load(); got != 2 || srv.Open() != most {
		t.Errorf("got %d refused and %d open, want 2 and %d", got, srv.Open(), most)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// A request that is being answered is not cut off: then the new one goes.
func TestAnswersAreNotCutOff(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	host := serve(t, NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		begun <- struct{}{}
		<-end
	}), options(1)))
	busy, answer := dial(t, host), make(chan error, 1)
	go func() {
		_, err := get(busy)
		answer <- err
	}()
	<-begun
	if status, err := get(dial(t, host)); err == nil {
		t.Errorf("one connection more: got %d, want none", status)
	}
	close(end)
	if err := <-answer; err != nil {
		t.Errorf("the first: got %v, want its answer", err)
	}
}

// conns of a network that this machine is not in.
type fakeConn struct {
	net.Conn
	from   string
	closed bool
}

func (c *fakeConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}
func (c *fakeConn) Close() error { c.closed = true; return nil }

func TestSources(t *testing.T) {
	o := Options{Conns: 7, PerSource: 2, Exempt: []netip.Prefix{netip.MustParsePrefix("::ffff:192.0.2.0/120")}}
	for _, test := range []struct {
		name    string
		from    []string
		closed  []int // of them
		forgets bool
	}{
		{"one address", []string{"198.51.100.1:1", "198.51.100.1:2", "198.51.100.1:3", "198.51.100.1:4"}, []int{0, 1}, false},
		{"its neighbour", []string{"198.51.100.1:1", "198.51.100.1:2", "198.51.100.2:1"}, nil, false},
		{"written as IPv6", []string{"198.51.100.1:1", "[::ffff:198.51.100.1]:2", "198.51.100.1:3"}, []int{0}, false},
		{"one /64", []string{"[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1"}, []int{0}, false},
		{"two of them", []string{"[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8:0:1::]:1"}, nil, false},
		{"loopback", []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "[::1]:1", "[::1]:2", "[::1]:3"}, nil, false},
		{"a proxy", []string{"192.0.2.9:1", "192.0.2.9:2", "192.0.2.9:3"}, nil, false},
		{"another goes first", []string{"198.51.100.9:1", "198.51.100.1:1", "198.51.100.1:2", "198.51.100.1:3"}, []int{1}, false},
		{"in all", []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4", "127.0.0.1:5", "127.0.0.1:6", "127.0.0.1:7", "127.0.0.1:8"}, []int{0}, false},
		{"those that ended", []string{"198.51.100.1:1", "198.51.100.1:2", "198.51.100.1:3"}, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			conns := newConns(o)
			var all []*fakeConn
			for _, from := range test.from {
				c := &fakeConn{from: from}
				all = append(all, c)
				if conns.changed(c, http.StateNew); test.forgets {
					conns.changed(c, http.StateClosed)
				}
			}
			for i, c := range all {
				if want := slices.Contains(test.closed, i); c.closed != want {
					t.Errorf("%s: got closed %t, want %t", c.from, c.closed, want)
				}
				conns.changed(c, http.StateClosed)
			}
			if conns.count() != 0 || len(conns.bySource) != 0 || len(conns.byConn) != 0 {
				t.Errorf("at the end: got %d, %v left, want nothing", conns.count(), conns.bySource)
			}
		})
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
	t.Run("a header that never comes", func(t *testing.T) {
		o := options(4)
		o.HeaderTime = 50 * time.Millisecond
		c := dial(t, serve(t, NewServer(http.NotFoundHandler(), o)))
		_, _ = io.WriteString(c, "GET / ")
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Errorf("got %v, want the end of the connection", err)
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
