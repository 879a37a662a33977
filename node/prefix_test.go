package node

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/peermesh/peermesh/transport/ws"
)

// Behind a proxy that keeps a prefix or takes it off, that tells of it or does not, the
// page and /healthz are below the prefix, the page tells the URL that works, and it
// works.
func TestPrefixes(t *testing.T) {
	for _, test := range []struct {
		name          string
		strip, prefix bool // X-Forwarded-Prefix is sent
		public        bool // the node has the URL
		trusted       bool
		host          bool // the proxy leaves the Host as it is
		serves        bool
	}{
		{"kept, public URL", false, false, true, false, false, true},
		{"kept, public URL, told", false, true, true, true, true, true},
		{"kept, public URL, told by nobody's proxy", false, true, true, false, true, true},
		{"kept, told", false, true, false, true, true, true},
		{"kept, nothing told", false, false, false, true, true, false},
		{"kept, told by nobody's proxy", false, true, false, false, true, false},
		{"taken off, public URL", true, false, true, false, false, true},
		{"taken off, public URL, told", true, true, true, true, true, true},
		{"taken off, told", true, true, false, true, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var n *Node
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
					p.SetURL(&url.URL{Scheme: "http", Host: n.listener.Addr().String()})
					if test.host {
						p.Out.Host = p.In.Host
					}
					p.SetXForwarded()
					if test.strip {
						p.Out.URL.Path = strings.TrimPrefix(p.Out.URL.Path, "/mesh")
					}
					if test.prefix {
						p.Out.Header.Set("X-Forwarded-Prefix", "/mesh/")
					}
				}}).ServeHTTP(w, r)
			}))
			defer proxy.Close()
			at := strings.Replace(proxy.URL, "http", "ws", 1) + "/mesh/"
			cfg := Config{Listen: "127.0.0.1:0", WebRTC: WebRTCOff}
			if test.public {
				cfg.PublicURLs = []string{at}
			}
			if test.trusted {
				cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			}
			n = startPage(t, cfg)
			for path, says := range map[string]string{"/mesh/": "--bootstrap " + at + "\n", "/mesh": "--bootstrap " + strings.TrimSuffix(at, "/"), "/mesh/healthz": "ok\n"} {
				status, text := get(t, proxy.URL+path)
				if served := status == http.StatusOK && strings.Contains(text, says); served != test.serves {
					t.Errorf("%s: got %d %q, want it served with %q: %t", path, status, text, says, test.serves)
				}
				if !test.serves && !strings.Contains(text, "--public-url") {
					t.Errorf("%s: got %q, want what to do", path, text)
				}
			}
			if status, _ := get(t, proxy.URL+"/mesh/other"); status != http.StatusNotFound {
				t.Errorf("another page: got %d, want 404", status)
			}
			if got := ask(n, "GET", "/healthz"); got.Code != http.StatusOK {
				t.Errorf("beside the proxy: got %d, want 200", got.Code)
			}
			u, err := url.Parse(at)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := new(ws.Dialer).Dial(context.Background(), u)
			if err != nil {
				t.Fatal(err) // links are made at any path
			}
			conn.Close()
		})
	}
}

func get(t *testing.T, at string) (int, string) {
	t.Helper()
	resp, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	var b strings.Builder
	if err := resp.Write(&b); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.String()
}

// The page tells the public URL that is most like the one of its reader.
func TestPageTellsThePublicURLThatFits(t *testing.T) {
	n := startPage(t, Config{MaxLeaves: 1, PublicURLs: []string{"wss://a.test", "wss://b.test/one/", "wss://b.test/two/", "ws://b.test/two/three"}})
	for _, test := range []struct{ target, want string }{
		{"http://a.test/", "wss://a.test"},
		{"http://127.0.0.1:8080/", "wss://a.test"},
		{"http://b.test/two/", "wss://b.test/two/"},
		{"http://b.test/two/three", "ws://b.test/two/three"},
		{"http://b.test/", "wss://b.test/one/"},
		{"http://B.TEST/one/", "wss://b.test/one/"},
	} {
		if got := ask(n, "GET", test.target); !strings.Contains(got.Body.String(), "--bootstrap "+test.want+"\n") {
			t.Errorf("%s: got %d %q, want %s", test.target, got.Code, got.Body, test.want)
		}
	}
}
