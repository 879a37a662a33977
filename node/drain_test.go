package node

import (
	"bufio"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A node that leaves hands its peers over: a leaf whose only home it was is found at
// another before the port closes.
func TestDrainHandsPeersOver(t *testing.T) {
	serving := func(bootstrap ...string) *Node {
		return startPage(t, Config{Listen: "127.0.0.1:0", WebRTC: WebRTCOff, Bootstrap: bootstrap})
	}
	a := serving()
	b := serving(a.URLs()...)
	ready(t, b)
	leaf := startPage(t, Config{Bootstrap: a.URLs(), Leaf: true, Homes: 1, WebRTC: WebRTCOff})
	ready(t, leaf)
	a.Drain()
	a.Drain() // no more than once
	ctx := within(t, amply)
	for linkedTo(leaf, a.ID()) || !linkedTo(leaf, b.ID()) || !leaf.Status().Attached {
		_, changed := leaf.state.look()
		select {
		case <-changed:
		case <-time.After(time.Millisecond): // links change apart from the state
		case <-ctx.Done():
			t.Fatalf("got the peers %+v, want the other relay alone", leaf.Peers())
		}
	}
	if err := a.Shutdown(within(t, amply)); err != nil {
		t.Errorf("shutdown after it: got %v", err)
	}
}

// The port of a node that drains answers, until it is shut down.
func TestDrainKeepsThePort(t *testing.T) {
	n := startPage(t, Config{Listen: "127.0.0.1:0", WebRTC: WebRTCOff})
	other := startPage(t, Config{Bootstrap: n.URLs(), WebRTC: WebRTCOff})
	ready(t, other)
	n.Drain()
	at := "http://" + n.listener.Addr().String()
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/healthz", 503}, {"HEAD", "/healthz", 503}, {"OPTIONS", "/healthz", 503}, {"OPTIONS", "*", 503},
		{"GET", "/readyz", 503}, {"GET", "/", 503}, {"GET", "/x", 404},
	} {
		path := test.path
		if path == "*" {
			path = ""
		}
		req, err := http.NewRequest(test.method, at+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.path == "*" {
			req.URL.Opaque = "*"
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != test.status || test.status == 503 && test.method == "GET" && string(body) != "leaving\n" {
			t.Errorf("%s %s: got %d %q, want %d", test.method, test.path, resp.StatusCode, body, test.status)
		}
		if test.status == 503 && !resp.Close {
			t.Errorf("%s %s: got a connection that is kept, want it closed", test.method, test.path)
		}
	}
	late := startPage(t, Config{WebRTC: WebRTCOff})
	if err := late.Join(within(t, time.Second), n.URLs()...); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a link with it: got %v, want 503", err)
	}
	if err := n.Shutdown(within(t, amply)); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(at + "/healthz"); err == nil {
		t.Error("after the end: got an answer, want none")
	}
}

func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		want := func(n *Node, when string, status int, says string) {
			t.Helper()
			got := ask(n, "GET", "/readyz")
			if got.Code != status || !strings.Contains(got.Body.String(), says) {
				t.Errorf("%s: got %d %q, want %d and %q in it", when, got.Code, got.Body, status, says)
			}
			if health := ask(n, "GET", "/healthz"); health.Code != 200 {
				t.Errorf("%s: got /healthz %d, want 200", when, health.Code)
			}
		}
		a := m.listen("a", Config{})
		want(a.Node, "alone by configuration", 200, "waits for others")
		b := m.start("b", Config{Bootstrap: []string{"mem://c"}})
		leaf := m.start("leaf", Config{Bootstrap: []string{"mem://c"}, Leaf: true})
		want(b, "a bootstrap that does not answer", 503, "no link")
		want(leaf, "the same of a leaf", 503, "no link")
		c := m.listen("c", Config{})
		ready(t, b, leaf)
		want(b, "linked", 200, "ready")
		want(leaf, "an attached leaf", 200, "ready")
		c.stop()
		time.Sleep(time.Second)
		want(b, "when the link has gone", 503, "no link")
		if err := a.Join(within(t, time.Second), "mem://c"); err == nil {
			t.Fatal("joined a node that has ended")
		}
		want(a.Node, "told to join", 503, "no link")
	})
}

// watchedLog keeps what a node logs.
type watchedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *watchedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// What balancers send to find out whether a port serves is answered, and nothing is
// logged of it, counted as a fault or told.
func TestHealthChecksOfBalancers(t *testing.T) {
	for _, secure := range []bool{false, true} {
		log := new(watchedLog)
		cfg := Config{Listen: "127.0.0.1:0", WebRTC: WebRTCOff, Logger: slog.New(slog.NewTextHandler(log, nil))}
		scheme := "plain"
		if secure {
			cfg.TLSCert, cfg.TLSKey = certFiles(t)
			scheme = "TLS"
		}
		n := startPage(t, cfg)
		said := toldOfFiles(t, n)
		said() // that the certificate ends within the hour
		log.mu.Lock()
		log.text.Reset()
		log.mu.Unlock()
		connect := func() net.Conn {
			c, err := net.Dial("tcp", n.listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			_ = c.SetDeadline(time.Now().Add(amply))
			return c
		}
		for _, test := range []struct{ name, request, status string }{
			{"haproxy's default", "OPTIONS / HTTP/1.0\r\n\r\n", "204"},
			{"of the server as a whole", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "204"},
			{"the same in 1.0", "OPTIONS * HTTP/1.0\r\n\r\n", "204"},
			{"without headers", "GET /healthz HTTP/1.0\r\n\r\n", "200"},
			{"of the first page", "GET / HTTP/1.0\r\n\r\n", "200"},
			{"head", "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "200"},
			{"head of the first page", "HEAD / HTTP/1.0\r\n\r\n", "200"},
			{"readiness", "GET /readyz HTTP/1.1\r\nHost: 10.0.0.1\r\nConnection: close\r\n\r\n", "200"},
			{"a host that RFC 9112 wants refused", "GET /healthz HTTP/1.1\r\n\r\n", "400"},
		} {
			t.Run(scheme+" "+test.name, func(t *testing.T) {
				c := connect()
				if secure {
					c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
				}
				if _, err := io.WriteString(c, test.request); err != nil {
					t.Fatal(err)
				}
				line, err := bufio.NewReader(c).ReadString('\n')
				if err != nil || !strings.Contains(line, " "+test.status+" ") {
					t.Errorf("got %q, %v, want status %s", line, err, test.status)
				}
			})
		}
		for range 20 {
			connect().Close() // and nothing else
		}
		if secure {
			c := tls.Client(connect(), &tls.Config{InsecureSkipVerify: true})
			if err := c.Handshake(); err != nil {
				t.Error(err)
			}
			c.Close()
		}
		s := n.Status()
		for reason, count := range s.Drops {
			if count > 0 {
				t.Errorf("%s: got %d drops as %s, want none", scheme, count, reason)
			}
		}
		log.mu.Lock()
		if got := log.text.String(); got != "" {
			t.Errorf("%s: got the log %q, want nothing", scheme, got)
		}
		log.mu.Unlock()
	}
}
