package node

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/ws"
)

// hostile are ways to write an address that is not public, PORT for the port of
// a listener on 127.0.0.1.
var hostile = []string{
	"ws://127.0.0.1:PORT",
	"ws://127.0.0.2:PORT",
	"ws://127.255.255.254:PORT",
	"ws://127.1:PORT",
	"ws://127.0.1:PORT",
	"ws://127.000.000.001:PORT",
	"ws://0177.0.0.1:PORT",
	"ws://0x7f.0.0.1:PORT",
	"ws://0x7f000001:PORT",
	"ws://017700000001:PORT",
	"ws://2130706433:PORT",
	"ws://4294967297:PORT",
	"ws://0:PORT",
	"ws://0.0.0.0:PORT",
	"ws://127.0.0.1.:PORT",
	"ws://localhost:PORT",
	"ws://LOCALHOST:PORT",
	"ws://localhost.:PORT",
	"ws://localhost.localdomain:PORT",
	"ws://innocent.example:PORT", // its name server says 127.0.0.1
	"ws://127.0.0.1.nip.example:PORT",
	"ws://①②⑦.⓪.⓪.①:PORT",
	"ws://127。0。0。1:PORT",
	"ws://[::1]:PORT",
	"ws://[0:0:0:0:0:0:0:1]:PORT",
	"ws://[::]:PORT",
	"ws://[::1%25lo]:PORT",
	"ws://[::ffff:127.0.0.1]:PORT",
	"ws://[::ffff:7f00:1]:PORT",
	"ws://[::ffff:7f00:1%25lo]:PORT",
	"ws://[0:0:0:0:0:ffff:7f00:0001]:PORT",
	"ws://[::127.0.0.1]:PORT",
	"ws://[::ffff:0:127.0.0.1]:PORT",
	"ws://[64:ff9b::7f00:1]:PORT",
	"ws://[2002:7f00:1::]:PORT",
	"ws://8.8.8.8@127.0.0.1:PORT",
	"ws://8.8.8.8:80@127.0.0.1:PORT/",
	"ws://user:password@localhost:PORT",
	"ws://127.0.0.1:PORT#8.8.8.8",
	"ws://127.0.0.1:PORT?@8.8.8.8",
	"wss://127.0.0.1:PORT",
	"wss://localhost:PORT",
	"ws://10.0.0.1:PORT",
	"ws://192.168.1.1:PORT",
	"ws://172.16.0.1:PORT",
	"ws://100.100.100.200:PORT",
	"ws://169.254.169.254:PORT",
	"ws://169.254.169.254",
	"ws://[fd00:ec2::254]:PORT",
	"ws://[fe80::1%25lo]:PORT",
	"ws://255.255.255.255:PORT",
	"ws://[::ffff:0:0]:PORT",
	"ws://[::ffff:a9fe:a9fe]:PORT",
	"ws://[64:ff9b::a9fe:a9fe]:PORT",
	"ws://[64:ff9b:1::7f00:1]:PORT",
	"ws://[2002:a9fe:a9fe::1]:PORT",
	"ws://[2001:0:7f00:1::1]:PORT",
	"ws://[fe80::5efe:7f00:1%25lo]:PORT",
	"ws://[fd20:ce::254]:PORT",
	"ws://169.254.170.2:PORT",
	"ws://168.63.129.16:PORT",
	"ws://192.0.0.192:PORT",
	"ws://2852039166:PORT",
	"ws://0xa9fea9fe:PORT",
	"ws://0251.0376.0251.0376:PORT",
	"ws://224.0.0.1:PORT",
	"ws://[ff02::1%25lo]:PORT",
	"ws://metadata.google.internal:PORT",
	"ws://127.0.0.1:PORT\\@8.8.8.8",
	"ws://127.0.0.1%00.example:PORT",
	"ws://127.0.0.1\t:PORT",
	"http://127.0.0.1:PORT",
	"gopher://127.0.0.1:PORT",
	"ws://:PORT",
	"ws://127.0.0.1:0",
	"ws://127.0.0.1:65536",
	"//127.0.0.1:PORT",
	"ws:127.0.0.1:PORT",
	"127.0.0.1:PORT",
	"",
}

func TestHostileURLsAreNotDialled(t *testing.T) {
	everyNameIsLoopback(t)
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			accepted, port := countAccepts(t, network)
			n := dialling(t)
			for _, spelling := range hostile {
				url := strings.ReplaceAll(spelling, "PORT", port)
				conn, err := n.dialTarget(t.Context(), &engine.Target{TargetSpec: engine.TargetSpec{URL: secret.URL(url), Scopes: engine.ScopePublic.Told()}}, false)
				if err == nil {
					conn.Close()
				}
				if e := (*transport.DialError)(nil); !errors.As(err, &e) {
					t.Errorf("%s: got %v, want a DialError", url, err)
				}
			}
			if got := accepted(); got != 0 {
				t.Errorf("connects to the listener: got %d, want 0", got)
			}
			conn, err := n.dialTarget(t.Context(), &engine.Target{TargetSpec: engine.TargetSpec{URL: secret.URL("ws://localhost.:" + port), Scopes: engine.ScopeLoopback}}, false)
			if err == nil {
				conn.Close()
			}
			if got := accepted(); network == "tcp4" && got != 1 {
				t.Errorf("connects when a loopback link tells: got %d, want 1", got)
			}
		})
	}
}

// Who may speak for a scope has its addresses dialled, and no more of a URL than
// leads to a node; a redirect leads nowhere.
func TestLearntURLIsDialledWithoutItsQuery(t *testing.T) {
	asked := make(chan string, 1)
	accepted, port := countAccepts(t, "tcp4")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.RequestURI
		http.Redirect(w, r, "http://127.0.0.1:"+port, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	at := strings.Replace(server.URL, "http:", "ws:", 1)
	for _, test := range []struct {
		scopes engine.Scopes
		want   string
	}{{engine.ScopeLoopback, "/mesh"}, {0, "/mesh?reboot=1"}} { // 0: the user's own
		_, err := dialling(t).dialTarget(t.Context(), &engine.Target{TargetSpec: engine.TargetSpec{URL: secret.URL(at + "/mesh?reboot=1#x"), Scopes: test.scopes}}, false)
		if err == nil {
			t.Errorf("scopes %b: got a link", test.scopes)
		}
		if got := <-asked; got != test.want {
			t.Errorf("scopes %b: asked for %q, want %q", test.scopes, got, test.want)
		}
	}
	if got := accepted(); got != 0 {
		t.Errorf("connects to where the redirect leads: got %d, want 0", got)
	}
}

// Metadata services are dialled on nobody's word.
func TestMetadataIsNobodysToTell(t *testing.T) {
	for _, addr := range []string{"169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "::ffff:169.254.169.254"} {
		ctx := onlyTo(context.Background(), engine.AllScopes)
		if err := transport.CheckAddress(ctx, net.JoinHostPort(addr, "80")); !errors.Is(err, errScope) {
			t.Errorf("%s: got %v, want %v", addr, err, errScope)
		}
	}
}

func TestRefusalSaysWhy(t *testing.T) {
	_, port := countAccepts(t, "tcp4")
	_, err := dialling(t).dialTarget(t.Context(), &engine.Target{TargetSpec: engine.TargetSpec{URL: secret.URL("ws://127.0.0.1:" + port), Scopes: engine.ScopePublic}}, false)
	var e *transport.DialError
	if !errors.As(err, &e) || e.Stage != transport.StageConnect || !errors.Is(err, transport.ErrAddress) || !errors.Is(err, errScope) {
		t.Errorf("got %v, want %v at the stage connect", err, errScope)
	}
}

// The user's own URLs lead where they lead.
func TestOwnURLIsDialled(t *testing.T) {
	accepted, port := countAccepts(t, "tcp4")
	_, err := dialling(t).dialTarget(t.Context(), &engine.Target{TargetSpec: engine.TargetSpec{URL: secret.URL("ws://127.0.0.1:" + port)}}, false)
	if err == nil || accepted() != 1 {
		t.Errorf("got %v and %d connects, want an upgrade that fails and one connect", err, accepted())
	}
}

// dialling is as much of a node as dials.
func dialling(t *testing.T) *Node {
	d := &ws.Dialer{HandshakeTimeout: 2 * time.Second}
	n := &Node{dialers: dialers{"ws": d, "wss": d}}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	t.Cleanup(n.cancel)
	return n
}

// countAccepts listens on loopback, ends each connection at once, and returns
// how many there were.
func countAccepts(t *testing.T, network string) (accepted func() int64, port string) {
	t.Helper()
	host := map[string]string{"tcp4": "127.0.0.1", "tcp6": "::1"}[network]
	l, err := net.Listen(network, net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skipf("no loopback for %s here; enable that family to have it tested: %v", network, err)
	}
	var count atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			count.Add(1)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return count.Load, port
}

// everyNameIsLoopback makes a name server of this test answer every question:
// each name has the address 127.0.0.1.
func everyNameIsLoopback(t *testing.T) {
	t.Helper()
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(loopbackAnswer(b[:n]), from)
		}
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp4", server.LocalAddr().String())
	}}
	t.Cleanup(func() { net.DefaultResolver = before; server.Close(); <-done })
}

// loopbackAnswer answers a question for an A record with 127.0.0.1, any other
// with nothing (RFC 1035, section 4.1).
func loopbackAnswer(query []byte) []byte {
	const header = 12
	end := header
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the last label, type, class
	if end > len(query) {
		return nil
	}
	answer := append([]byte(nil), query[:end]...)
	answer[2], answer[3] = 0x81, 0x80
	clear(answer[6:header])
	if binary.BigEndian.Uint16(query[end-4:]) == 1 {
		answer[7] = 1
		answer = append(answer, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
	}
	return answer
}

// What somebody told of stays what it is on its way through the engine.
func TestHostileContactIsNotDialled(t *testing.T) {
	accepted, port := countAccepts(t, "tcp4")
	n := relayOn(t, Config{})
	for i, spelling := range []string{"ws://127.0.0.1:PORT", "ws://[::ffff:7f00:1]:PORT", "ws://0.0.0.0:PORT", "ws://localhost:PORT", "ws://u:p@127.0.0.1:PORT"} {
		c := engine.Contact{ID: routing.ID{1, byte(i)}, URLs: []string{strings.ReplaceAll(spelling, "PORT", port)}, Scopes: engine.ScopePublic}
		if err := n.reach(within(t, 5*time.Second), c, false, false); err == nil {
			t.Errorf("%s: got a link", spelling)
		}
	}
	if got := accepted(); got != 0 {
		t.Errorf("connects: got %d, want 0", got)
	}
}
