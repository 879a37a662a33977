package node

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/ws"
)

// What an upgrade comes to: it is refused, or its peer counts as somebody.
type outcome string

const (
	refused  outcome = "refused"   // 403
	local    outcome = "local"     // a peer of this machine, counted in no group
	stranger outcome = "stranger"  // public scope, counted in the group of its address
	proxied  outcome = "forwarded" // the same, at the address that a trusted proxy tells
)

// edgeCase is one row of the table of origins and hosts. PORT stands for the
// node's own.
type edgeCase struct {
	name   string
	host   string   // of the request; empty: 127.0.0.1:PORT
	header []string // further lines
	want   outcome
	warns  bool // of a proxy
}

// edgeCases are for a listener on loopback that allows https://app.example.org and
// trusts no proxy.
var edgeCases = []edgeCase{
	{"program", "", nil, local, false},
	{"program, by name", "localhost:PORT", nil, local, false},
	{"program, by a name below localhost", "mesh.localhost:PORT", nil, local, false},
	{"program, IPv6", "[::1]:PORT", nil, local, false},
	{"page of the same host", "", []string{"Origin: http://127.0.0.1:PORT"}, stranger, false},
	{"page of this machine", "localhost:PORT", []string{"Origin: http://localhost:3000"}, stranger, false},
	{"page of this machine, IPv6", "[::1]:PORT", []string{"Origin: https://[::1]:3000"}, stranger, false},
	{"page of another site", "", []string{"Origin: https://evil.example"}, refused, false},
	{"page without an origin", "", []string{"Origin: null"}, refused, false},
	{"page of a site that is allowed", "", []string{"Origin: https://app.example.org"}, stranger, false},
	{"the same, its port written", "", []string{"Origin: https://APP.example.org:443"}, stranger, false},
	{"another scheme of it", "", []string{"Origin: http://app.example.org"}, refused, false},
	{"another port of it", "", []string{"Origin: https://app.example.org:8443"}, refused, false},
	{"a name below it", "", []string{"Origin: https://x.app.example.org"}, refused, false},
	{"name made to lead here", "evil.example:PORT", []string{"Origin: http://evil.example:PORT"}, refused, false},
	{"the same by a program", "evil.example:PORT", nil, stranger, true},
	{"name that looks like loopback", "", []string{"Origin: http://localhost.evil.example"}, refused, false},
	{"address that looks like loopback", "", []string{"Origin: http://127.0.0.1.evil.example"}, refused, false},
	{"user that looks like loopback", "", []string{"Origin: http://localhost@evil.example"}, refused, false},
	{"fragment that looks like loopback", "", []string{"Origin: http://evil.example#@localhost"}, refused, false},
	{"two origins", "", []string{"Origin: http://localhost", "Origin: https://evil.example"}, refused, false},
	{"origins in one line", "", []string{"Origin: http://localhost https://evil.example"}, refused, false},
	{"empty origin", "", []string{"Origin: "}, refused, false},
	{"by a proxy", "", []string{"X-Forwarded-For: 9.9.9.9"}, stranger, true},
	{"by a proxy that says loopback", "", []string{"X-Forwarded-For: 127.0.0.1"}, stranger, true},
	{"by a proxy of the RFC", "", []string{"Forwarded: for=9.9.9.9"}, stranger, true},
	{"by nginx", "", []string{"X-Real-IP: 9.9.9.9"}, stranger, true},
	{"by a proxy that tells no client", "", []string{"Via: 1.1 cache"}, stranger, true},
	{"by a proxy, page of another site", "", []string{"X-Forwarded-For: 9.9.9.9", "Origin: https://evil.example"}, refused, false},
}

// proxiedCases are for the same listener when all of 127.0.0.0/8 is trusted.
var proxiedCases = []edgeCase{
	{"client", "mesh.example.org", []string{"X-Forwarded-For: 11.22.33.44"}, proxied, false},
	{"forged entry before it", "mesh.example.org", []string{"X-Forwarded-For: 127.0.0.1, 11.22.33.44"}, proxied, false},
	{"page of another site", "mesh.example.org", []string{"X-Forwarded-For: 11.22.33.44", "Origin: https://evil.example"}, proxied, false},
	{"client on the proxy's machine", "", []string{"X-Forwarded-For: 127.0.0.1"}, stranger, false},
	{"no client told", "", nil, stranger, false},
	{"no client told, page of another site", "", []string{"Origin: https://evil.example"}, refused, false},
	{"client that is no address", "", []string{"X-Forwarded-For: unknown"}, stranger, false},
}

// wideCases are for a listener on all addresses.
var wideCases = []edgeCase{
	{"program", "", nil, local, false},
	{"page of another site", "", []string{"Origin: https://evil.example"}, stranger, false},
	{"page without an origin", "", []string{"Origin: null"}, stranger, false},
	{"by a proxy", "", []string{"X-Forwarded-For: 9.9.9.9"}, stranger, true},
}

func TestOriginsAndHosts(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, test := range []struct {
		name  string
		cfg   Config
		cases []edgeCase
	}{
		{"loopback", Config{Listen: "127.0.0.1:0", AllowOrigins: []string{"https://app.example.org"}}, edgeCases},
		{"null allowed", Config{Listen: "127.0.0.1:0", AllowOrigins: []string{"null"}}, []edgeCase{
			{"page without an origin", "", []string{"Origin: null"}, stranger, false},
			{"page of another site", "", []string{"Origin: https://evil.example"}, refused, false},
		}},
		{"trusted proxy", Config{Listen: "127.0.0.1:0", TrustedProxies: loopback}, proxiedCases},
		{"all addresses", Config{Listen: ":0"}, wideCases},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/tls=%t", test.name, secure), func(t *testing.T) {
				cfg := test.cfg
				if secure {
					cfg.TLSCert, cfg.TLSKey = certFiles(t)
				}
				for _, c := range test.cases {
					t.Run(c.name, func(t *testing.T) { c.check(t, cfg, secure) })
				}
			})
		}
	}
}

func (c *edgeCase) check(t *testing.T, cfg Config, secure bool) {
	n := startPage(t, cfg)
	accepted := make(chan transport.Conn, 1)
	n.handler.Accept = func(conn transport.Conn) { accepted <- conn }
	status := c.upgrade(t, n, secure)
	if c.want == refused {
		if got := n.Status().Drops["foreign-origin"]; status != http.StatusForbidden || got != 1 {
			t.Errorf("got status %d and %d drops, want 403 and 1", status, got)
		}
		return
	}
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("got status %d, want 101", status)
	}
	conn := <-accepted
	defer conn.Close()
	host, group := groupsOf(conn)
	want := map[outcome]string{local: "/", stranger: "127.0.0.1/32", proxied: "11.22.33.44/32"}[c.want]
	if got := fmt.Sprintf("%v", host); got != want && (c.want != local || host.IsValid() || group.IsValid()) {
		t.Errorf("counted as %v in %v, want %s", host, group, want)
	}
	wantScope := engine.ScopePublic
	if c.want == local {
		wantScope = engine.ScopeLoopback
	}
	if got := scopeOf(conn); got != wantScope {
		t.Errorf("got scope %b, want %b", got, wantScope)
	}
	if got := n.Status().UndeclaredProxy != ""; got != c.warns {
		t.Errorf("a proxy is warned of: got %t, want %t", got, c.warns)
	}
}

// upgrade asks for a link as the case says, and returns the status of the answer.
func (c *edgeCase) upgrade(t *testing.T, n *Node, secure bool) int {
	t.Helper()
	_, port, _ := net.SplitHostPort(n.listener.Addr().String())
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", port), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	host := c.host
	if host == "" {
		host = "127.0.0.1:PORT"
	}
	lines := append([]string{
		"GET / HTTP/1.1", "Host: " + host, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol: " + ws.Subprotocol,
	}, c.header...)
	request := strings.ReplaceAll(strings.Join(lines, "\r\n"), "PORT", port) + "\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// certFiles writes a certificate and its key.
func certFiles(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "cert"), filepath.Join(dir, "key")
}

// One warning is enough for a while, however many come.
func TestEdgeWarningsAreFew(t *testing.T) {
	n := startPage(t, Config{Listen: "127.0.0.1:0"})
	accepted := make(chan transport.Conn)
	n.handler.Accept = func(conn transport.Conn) { accepted <- conn }
	events := n.Events(t.Context())
	for range 3 {
		hidden := edgeCase{header: []string{"X-Forwarded-For: 9.9.9.9"}}
		hidden.upgrade(t, n, false)
		(<-accepted).Close() // the proxy is told of by then
		page := edgeCase{header: []string{"Origin: https://evil.example"}}
		page.upgrade(t, n, false)
	}
	n.events.send(Event{Kind: Attached})
	var got []string
	for ev := range events {
		if ev.Kind == Attached {
			break
		}
		got = append(got, ev.Err)
	}
	if len(got) != 2 || !strings.Contains(got[0], "--trusted-proxy 127.0.0.1") || !strings.Contains(got[1], `"https://evil.example"`) {
		t.Errorf("got %q, want one of the proxy and one of the page", got)
	}
}
