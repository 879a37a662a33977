package node

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"
)

// ask makes a request to h as a client at an address would, whatever the path.
func ask(h http.Handler, method, target string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func startPage(t *testing.T, cfg Config) *Node {
	t.Helper()
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func TestPagesOfThePort(t *testing.T) {
	n := startPage(t, Config{Listen: "127.0.0.1:0"})
	for _, test := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/", 200, "peermesh --port 0 --bootstrap ws://example.com\n"},
		{"HEAD", "/", 200, ""},
		{"GET", "/healthz", 200, "ok\n"},
		{"POST", "/", 405, "GET"},
		{"PUT", "/healthz", 405, "GET"},
		{"GET", "/status.json", 404, "/ says how to join"},
		{"DELETE", "/x", 404, "no such page"},
		{"GET", "/../etc/passwd", 404, "no such page"},
	} {
		got := ask(n, test.method, test.path)
		if got.Code != test.status || !strings.Contains(got.Body.String(), test.says) {
			t.Errorf("%s %s: got %d %q, want %d and %q in it", test.method, test.path, got.Code, got.Body, test.status, test.says)
		}
		if test.status == 405 && got.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: got Allow %q, want GET, HEAD", test.method, test.path, got.Header().Get("Allow"))
		}
	}
}

func TestPageSaysTheURLOfItsReader(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	proxied := Config{MaxLeaves: 1, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}} // httptest's client is 192.0.2.1
	for _, test := range []struct {
		name, target string
		cfg          Config
		change       []func(*http.Request)
		want, not    string
	}{
		{"host and port", "/", Config{MaxLeaves: 1}, []func(*http.Request){host("10.0.0.7:8080")}, "--bootstrap ws://10.0.0.7:8080\n", ""},
		{"TLS", "https://mesh.test/", Config{MaxLeaves: 1}, nil, "--bootstrap wss://mesh.test\n", ""},
		{"behind a proxy", "/", proxied, []func(*http.Request){header("X-Forwarded-Proto", "https"), header("X-Forwarded-Host", "mesh.test")}, "--bootstrap wss://mesh.test\n", ""},
		{"behind a proxy that takes a path off", "/", proxied, []func(*http.Request){header("X-Forwarded-Prefix", "/mesh")}, "--bootstrap ws://example.com/mesh/\n", ""},
		{"a path that a shell would read", "/", proxied, []func(*http.Request){header("X-Forwarded-Prefix", "/$(x)")}, "no address", "$("},
		{"behind nobody's proxy", "/", Config{MaxLeaves: 1}, []func(*http.Request){header("X-Forwarded-Proto", "https")}, "--bootstrap ws://example.com\n", ""},
		{"a public URL", "/", Config{MaxLeaves: 1, PublicURLs: []string{"wss://mesh.test/x"}}, []func(*http.Request){host("mesh.test")}, "--bootstrap wss://mesh.test/x\n", ""},
		{"a host that a shell would read", "/", Config{MaxLeaves: 1}, []func(*http.Request){host("x;rm -rf ~")}, "no address", "rm -rf"},
		{"such a host, and a public URL", "/", Config{MaxLeaves: 1, PublicURLs: []string{"wss://mesh.test"}}, []func(*http.Request){host("$(x)")}, "--bootstrap wss://mesh.test\n", "$("},
		{"a closed mesh", "/", Config{MaxLeaves: 1, NetworkKey: make([]byte, 32)}, nil, "--bootstrap ws://example.com --network-key FILE\n", "0000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := startPage(t, test.cfg)
			got := ask(n, "GET", test.target, test.change...).Body.String()
			if !strings.Contains(got, test.want) || test.not != "" && strings.Contains(got, test.not) {
				t.Errorf("got %q, want %q in it and not %q", got, test.want, test.not)
			}
			if strings.Contains(got, n.ID().String()) {
				t.Errorf("got %q, want no ID", got)
			}
		})
	}
}

// What the page of a mounted node says can be dialled: with a slash at its end
// where the server would send the dialler from the path without one to that.
func TestPageBelowAPath(t *testing.T) {
	n := startPage(t, Config{MaxLeaves: 1})
	mux := http.NewServeMux()
	mux.Handle("/stripped/", http.StripPrefix("/stripped", n))
	mux.Handle("/below/", n)
	mux.Handle("GET example.com/exact", n)
	mux.Handle("/healthz", n)
	for path, want := range map[string]string{
		"/stripped/":        "--bootstrap ws://example.com/stripped/\n",
		"/below/":           "--bootstrap ws://example.com/below/\n",
		"/exact":            "--bootstrap ws://example.com/exact\n",
		"/stripped/healthz": "ok\n",
		"/below/healthz":    "ok\n",
		"/healthz":          "ok\n",
		"/below/other":      "no such page",
	} {
		if got := ask(mux, "GET", path).Body.String(); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q in it", path, got, want)
		}
	}
}

func TestHealthOfANodeThatLeaves(t *testing.T) {
	n := startPage(t, Config{MaxLeaves: 1})
	n.Close()
	if got := ask(n, "GET", "/healthz"); got.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d %q, want 503", got.Code, got.Body)
	}
}

// Requests leave nothing behind, whatever they ask for and whether or not
// anybody reads the answers.
func TestTenThousandRequestsOfThePort(t *testing.T) {
	n := startPage(t, Config{Listen: "127.0.0.1:0"})
	at := n.listener.Addr().String()
	before := runtime.NumGoroutine()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	const count = 10_000
	_ = c.SetDeadline(time.Now().Add(60 * time.Second))
	go func() {
		for i := range count {
			path := []string{"/", "/healthz", "/none"}[i%3]
			last := ""
			if i == count-1 {
				last = "Connection: close\r\n"
			}
			_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, at, last)
		}
	}()
	all, err := io.ReadAll(c)
	if got := strings.Count(string(all), "HTTP/1.1 "); err != nil || got != count {
		t.Errorf("answers: got %d, %v, want %d", got, err, count)
	}
	_ = c.Close()
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("goroutines: got %d, want %d as before", runtime.NumGoroutine(), before)
		}
	}
	if s := n.Status(); len(s.Peers) != 0 || len(s.Drops) != 0 {
		t.Errorf("got %d peers and drops %v, want none", len(s.Peers), s.Drops)
	}
}
