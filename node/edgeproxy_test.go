package node

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/ws"
)

// behindProxy leads to a node and says first before each connection, as a proxy of the PROXY
// protocol does. It returns the proxy's host:port.
func behindProxy(t *testing.T, n *Node, first string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	lead := func(near net.Conn) {
		defer near.Close()
		far, err := net.Dial("tcp", n.listener.Addr().String())
		if err != nil {
			return
		}
		defer far.Close()
		_, _ = io.WriteString(far, first)
		wg.Go(func() {
			_, _ = io.Copy(far, near)
			_ = far.(*net.TCPConn).CloseWrite()
		})
		_, _ = io.Copy(near, far)
	}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { lead(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		n.Close() // ends what it leads to
		wg.Wait()
	})
	return l.Addr().String()
}

const proxyHeader1 = "PROXY TCP4 11.22.33.44 127.0.0.1 1234 80\r\n"

// A trusted proxy's PROXY header says who the client is, before TLS too, and X-Forwarded
// headers behind it count only as far as they do of that client.
func TestProxyHeaderOfATrustedProxy(t *testing.T) {
	const v2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x0b\x16\x21\x2c\x7f\x00\x00\x01\x04\xd2\x00\x50" // the same in version 2
	for _, secure := range []bool{false, true} {
		for _, c := range []struct {
			name, header string
			lines        string // of the request
			host         string // counted as
			scope        engine.Scopes
		}{
			{"version 1", proxyHeader1, "", "11.22.33.44/32", engine.ScopePublic},
			{"version 2", v2, "", "11.22.33.44/32", engine.ScopePublic},
			{"none", "", "", "127.0.0.1/32", engine.ScopePublic}, // of the proxy itself
			{"of the proxy itself", "PROXY UNKNOWN\r\n", "", "127.0.0.1/32", engine.ScopePublic},
			{"client on the proxy's machine", "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", "", "127.0.0.1/32", engine.ScopePublic},
			{"client on the proxy's LAN", "PROXY TCP4 10.1.2.3 10.0.0.1 1 2\r\n", "", "10.1.2.3/32", engine.ScopePrivate},
			{"both headers", proxyHeader1, "X-Forwarded-For: 11.22.33.44\r\n", "11.22.33.44/32", engine.ScopePublic},
			{"client that says loopback", proxyHeader1, "X-Forwarded-For: 127.0.0.1\r\n", "11.22.33.44/32", engine.ScopePublic},
			{"a trusted proxy before it", "PROXY TCP4 127.0.0.9 127.0.0.1 1 2\r\n", "X-Forwarded-For: 9.9.9.9\r\n", "9.9.9.9/32", engine.ScopePublic},
		} {
			t.Run(fmt.Sprintf("%s/tls=%t", c.name, secure), func(t *testing.T) {
				cfg := Config{Listen: "127.0.0.1:0", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
				if secure {
					cfg.TLSCert, cfg.TLSKey = certFiles(t)
				}
				n := startPage(t, cfg)
				accepted := make(chan transport.Conn, 1)
				n.handler.Accept = func(conn transport.Conn) { accepted <- conn }
				status, text := rawUpgrade(t, n, secure, c.header, c.lines)
				if status != http.StatusSwitchingProtocols {
					t.Fatalf("got %d %s, want 101", status, text)
				}
				conn := <-accepted
				defer conn.Close()
				if host, _ := groupsOf(conn); host.String() != c.host || scopeOf(conn) != c.scope {
					t.Errorf("counted as %v with scope %b, want %s and %b", host, scopeOf(conn), c.host, c.scope)
				}
				if s := n.Status(); s.Drops[reason.ProxyHeader.String()] != 0 || s.UndeclaredProxy != "" && !strings.Contains(c.lines, "127.0.0.1") {
					t.Errorf("got drops %v, undeclared proxy %q, want none", s.Drops, s.UndeclaredProxy)
				}
			})
		}
	}
}

// rawUpgrade asks for a link behind a PROXY header.
func rawUpgrade(t *testing.T, n *Node, secure bool, header, lines string) (status int, text string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", n.listener.Addr().String(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, header)
	if secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: mesh.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: "+ws.Subprotocol+"\r\n"+lines+"\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp.StatusCode, ""
	}
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// A PROXY header of nobody's proxy is refused, counted and told now and then, and the
// client is told why.
func TestProxyHeaderOfNobodysProxy(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%t", secure), func(t *testing.T) {
			cfg, scheme := Config{Listen: "127.0.0.1:0"}, "ws"
			if secure {
				cfg.TLSCert, cfg.TLSKey = certFiles(t)
				scheme = "wss"
			}
			n := startPage(t, cfg)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			events := n.Events(ctx)
			u := &url.URL{Scheme: scheme, Host: behindProxy(t, n, proxyHeader1)}
			d := &ws.Dialer{TLSConfig: &tls.Config{InsecureSkipVerify: true}}
			const times = 3
			for range times {
				_, err := d.Dial(context.Background(), u)
				var de *transport.DialError
				if !errors.As(err, &de) || de.Stage != transport.StageUpgrade || !strings.Contains(err.Error(), "sends PROXY protocol headers") || !strings.Contains(err.Error(), "--trusted-proxy") {
					t.Errorf("got %v, want the PROXY header named", err)
				}
			}
			if status, text := rawUpgrade(t, n, secure, proxyHeader1, ""); status != http.StatusBadRequest || !strings.Contains(text, "--trusted-proxy") {
				t.Errorf("got %d %q, want 400 and what to do", status, text)
			}
			s := n.Status()
			if s.Drops["proxy-header"] != times+1 || s.UndeclaredProxy != "127.0.0.1" {
				t.Errorf("got drops %v, undeclared proxy %q, want %d and the proxy", s.Drops, s.UndeclaredProxy, times+1)
			}
			wantOneWarning(t, n, events, "proxy-header", "--trusted-proxy 127.0.0.1")
		})
	}
}

// wantOneWarning reads the events up to now.
func wantOneWarning(t *testing.T, n *Node, events iter.Seq[Event], why, says string) {
	t.Helper()
	n.events.send(Event{Kind: Attached})
	var got []string
	for ev := range events {
		if ev.Kind == Attached {
			break
		}
		if ev.Kind == Refused && ev.Reason == why {
			got = append(got, ev.Err)
		}
	}
	if len(got) != 1 || !strings.Contains(got[0], says) {
		t.Errorf("got the warnings %q, want one with %q", got, says)
	}
}

// A trusted proxy that sends what is no header is told of.
func TestWrongProxyHeader(t *testing.T) {
	n := startPage(t, Config{Listen: "127.0.0.1:0", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	events := n.Events(t.Context())
	c, err := net.Dial("tcp", behindProxy(t, n, "PROXY of all things\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if b, _ := io.ReadAll(c); strings.Contains(string(b), "200") {
		t.Errorf("got %q, want no page", b)
	}
	if got := n.Status().Drops["proxy-header"]; got != 1 {
		t.Errorf("got %d drops, want 1", got)
	}
	wantOneWarning(t, n, events, "proxy-header", "no PROXY protocol header")
}

// Trusted proxies that say nothing hold the places of connections no longer than any
// other client, and the port goes on meanwhile.
func TestSilentTrustedProxies(t *testing.T) {
	n := startPage(t, Config{Listen: "127.0.0.1:0", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	var all []net.Conn
	for range limits.HTTPConns + 20 {
		c, err := net.Dial("tcp", n.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		all = append(all, c)
	}
	status, _ := rawUpgrade(t, n, false, proxyHeader1, "")
	if status != http.StatusSwitchingProtocols {
		t.Errorf("got %d, want 101 beside %d silent connections", status, len(all))
	}
	if got := n.connections(); got > limits.HTTPConns {
		t.Errorf("got %d connections, want at most %d", got, limits.HTTPConns)
	}
	_ = all[len(all)-1].SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := all[len(all)-1].Read(make([]byte, 1)); err == nil || isTimeoutError(err) {
		t.Errorf("the last silent one: got %v, want it closed", err)
	}
}

func isTimeoutError(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// An upgrade that a proxy took off is told as that, by both ends.
func TestUpgradeTakenOff(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%t", secure), func(t *testing.T) {
			cfg, scheme := Config{Listen: "127.0.0.1:0"}, "http"
			if secure {
				cfg.TLSCert, cfg.TLSKey = certFiles(t)
				scheme = "https"
			}
			n := startPage(t, cfg)
			events := n.Events(t.Context())
			carrier := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			defer carrier.CloseIdleConnections()
			proxy := httptest.NewServer(&httputil.ReverseProxy{Transport: carrier, Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&url.URL{Scheme: scheme, Host: n.listener.Addr().String()})
				r.Out.Header.Del("Upgrade")
				r.Out.Header.Del("Connection")
			}})
			defer proxy.Close()
			u := &url.URL{Scheme: "ws", Host: strings.TrimPrefix(proxy.URL, "http://")}
			const times = 3
			for range times {
				_, err := new(ws.Dialer).Dial(context.Background(), u)
				var de *transport.DialError
				if !errors.As(err, &de) || de.Stage != transport.StageUpgrade || !strings.Contains(err.Error(), "took the Upgrade header off") || !strings.Contains(err.Error(), "426") {
					t.Errorf("got %v, want 426 and what it means", err)
				}
			}
			if got := n.Status().Drops["stripped-upgrade"]; got != times {
				t.Errorf("got %d drops, want %d", got, times)
			}
			wantOneWarning(t, n, events, "stripped-upgrade", "takes it off")
			if got := ask(n, "GET", "/"); got.Code != http.StatusOK {
				t.Errorf("the page: got %d, want 200", got.Code)
			}
		})
	}
}
