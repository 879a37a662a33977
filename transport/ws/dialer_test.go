package ws_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	internalws "github.com/peermesh/peermesh/internal/ws"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/ws"
)

// mute accepts connections and answers with what it was given, or not at all.
func mute(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var open []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			open = append(open, c)
			_, _ = io.WriteString(c, answer)
		}
		for _, c := range open {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}

// closedPort is a host:port where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// closing accepts connections and closes them, as a server with too many does.
func closing(t *testing.T, reset bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1<<16))
			if reset {
				_ = c.(*net.TCPConn).SetLinger(0)
			}
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func TestDialErrors(t *testing.T) {
	h, _ := acceptor()
	ca := newAuthority(t)
	secure := func(host string, notAfter time.Time) string {
		certFile, keyFile := ca.files(t, host, notAfter)
		return serveTLS(t, ws.NewServer(h), certFile, keyFile)
	}
	later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	plain := serve(t, ws.NewServer(h))
	answer := func(handler http.HandlerFunc) string { return serve(t, ws.NewServer(handler)) }
	trusting := ca.trusted()
	cases := []struct {
		name, url, stage, says string
		tls                    *tls.Config
		slow                   bool // the server lets the dial wait
	}{
		{"http scheme", "http://" + plain, transport.StageParse, "ws://", nil, false},
		{"no host", "ws:///mesh", transport.StageParse, "no host", nil, false},
		{"port zero", "ws://127.0.0.1:0", transport.StageParse, "65535", nil, false},
		{"port too high", "ws://127.0.0.1:99999", transport.StageParse, "65535", nil, false},
		{"unknown name", "ws://name.invalid:1", transport.StageResolve, `"name.invalid"`, nil, false},
		{"nobody listens", "ws://" + closedPort(t), transport.StageConnect, "nothing listens", nil, false},
		{"TLS to a plain port", "wss://" + plain, transport.StageTLS, "use ws", trusting, false},
		{"unknown authority", "wss://" + secure("127.0.0.1", later), transport.StageTLS, "unknown authority", &tls.Config{}, false},
		{"other name", "wss://" + secure("other.test", later), transport.StageTLS, "another name", trusting, false},
		{"expired", "wss://" + secure("127.0.0.1", before), transport.StageTLS, "clock", trusting, false},
		{"TLS never answered", "wss://" + mute(t, ""), transport.StageTLS, "no TLS", trusting, true},
		{"plain to a TLS port", "ws://" + secure("127.0.0.1", later), transport.StageUpgrade, "wss", nil, false},
		{"never answered", "ws://" + mute(t, ""), transport.StageUpgrade, "no answer", nil, true},
		{"not HTTP", "ws://" + mute(t, "SSH-2.0-OpenSSH\r\n"), transport.StageUpgrade, "HTTP server", nil, false},
		{"closed with an end", "ws://" + closing(t, false), transport.StageUpgrade, "it is full or refuses", nil, false},
		{"closed with a reset", "ws://" + closing(t, true), transport.StageUpgrade, "it is full or refuses", nil, false},
		{"closed before TLS", "wss://" + closing(t, true), transport.StageTLS, "it is full or refuses", trusting, false},
		{"endless header", "ws://" + mute(t, "HTTP/1.1 101 x\r\n"+strings.Repeat("X: y\r\n", 5000)), transport.StageUpgrade, "HTTP server", nil, false},
		{"not found", "ws://" + answer(http.NotFound) + "/here", transport.StageUpgrade, `"/here"`, nil, false},
		{"redirect", "ws://" + answer(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "ws://elsewhere.test/", http.StatusFound)
		}), transport.StageUpgrade, "ws://elsewhere.test/", nil, false},
		{"busy", "ws://" + answer(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}), transport.StageUpgrade, "busy", nil, false},
		{"a web page", "ws://" + answer(func(http.ResponseWriter, *http.Request) {}), transport.StageUpgrade, "200", nil, false},
		{"a false upgrade", "ws://" + mute(t, "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), transport.StageUpgrade, "no WebSocket upgrade", nil, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := &ws.Dialer{TLSConfig: c.tls}
			if c.slow {
				d.HandshakeTimeout = time.Second // long enough to get to that stage
			}
			_, err := d.Dial(context.Background(), parse(t, c.url+"#fragment"))
			var de *transport.DialError
			if !errors.As(err, &de) {
				t.Fatalf("got %v, want a DialError", err)
			}
			if de.Stage != c.stage || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got stage %s, %v; want stage %s and a text with %q", de.Stage, err, c.stage, c.says)
			}
			if strings.Contains(err.Error(), "failed to WebSocket") || strings.Contains(de.URL.Reveal(), "#") {
				t.Errorf("got %v: other words or more of the URL than wanted", err)
			}
		})
	}
}

func TestDialTimeoutIsOne(t *testing.T) {
	d := &ws.Dialer{HandshakeTimeout: 50 * time.Millisecond}
	_, err := d.Dial(context.Background(), parse(t, "ws://"+mute(t, "")))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want one that is DeadlineExceeded", err)
	}
}

func TestDialCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := (&ws.Dialer{}).Dial(ctx, parse(t, "ws://"+mute(t, "")))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want one that is Canceled", err)
	}
}

// The context of the dial does not bound the pipe.
func TestPipeOutlivesDialContext(t *testing.T) {
	h, accepted := acceptor()
	ctx, cancel := context.WithCancel(context.Background())
	a, err := (&ws.Dialer{}).Dial(ctx, parse(t, "ws://"+serve(t, ws.NewServer(h))))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	cancel()
	b := keep(t, accepted)
	if err := errors.Join(a.Send([]byte("x")), a.Flush()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Receive(func() []byte { return make([]byte, 10) }); err != nil {
		t.Errorf("Receive after the dial's context ended: got %v, want no error", err)
	}
}

// A server without our subprotocol is told from one without WebSocket.
func TestDialSubprotocol(t *testing.T) {
	for name, picked := range map[string]string{"none picked": "", "another picked": "chat"} {
		t.Run(name, func(t *testing.T) {
			host := serve(t, ws.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Set("Sec-WebSocket-Protocol", "peermesh.0")
				if picked != "" {
					w.Header().Set("Sec-WebSocket-Protocol", picked)
				}
				h, _ := acceptor()
				h.ServeHTTP(w, r)
			})))
			_, err := (&ws.Dialer{}).Dial(context.Background(), parse(t, "ws://"+host))
			var de *transport.DialError
			if !errors.As(err, &de) || de.Stage != transport.StageSubprotocol {
				t.Errorf("got %v, want a DialError at stage subprotocol", err)
			}
		})
	}
}

// ofVersion is a server that picks no subprotocol and closes with a reason, as
// the nodes of every version do.
func ofVersion(reason string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := internalws.Accept(w, r, internalws.AcceptOptions{Subprotocols: []string{"peermesh.1"}})
		if err == nil {
			_ = c.CloseWith(internalws.StatusProtocol, reason)
		}
	})
}

// A dial of a node of another version names both.
func TestDialAnotherVersion(t *testing.T) {
	for _, c := range []struct{ name, reason, theirs string }{
		{"version 1", "this node speaks peermesh.1", "peermesh.1"},
		{"a later one", "this node speaks peermesh.31", "peermesh.31"},
		{"no version", "go away", ""},
		{"a name that is none of ours", "this node speaks xpeermesh.1x", ""},
		{"a number without end", "peermesh.11111111111", ""},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := serve(t, ws.NewServer(ofVersion(c.reason)))
			_, err := (&ws.Dialer{}).Dial(context.Background(), parse(t, "ws://"+host))
			var de *transport.DialError
			if !errors.As(err, &de) || de.Stage != transport.StageSubprotocol {
				t.Fatalf("got %v, want a DialError at stage subprotocol", err)
			}
			var ve *transport.VersionError
			if told := errors.As(err, &ve); told != (c.theirs != "") || told && (ve.Ours != ws.Subprotocol || ve.Theirs != c.theirs) {
				t.Errorf("got %v, want both versions, %q and %q", err, ws.Subprotocol, c.theirs)
			}
		})
	}
}

// Control sees the resolved address and can refuse it.
func TestDialControl(t *testing.T) {
	h, _ := acceptor()
	host := serve(t, ws.NewServer(h))
	refused := errors.New("not that address")
	var seen string
	d := &ws.Dialer{Control: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		seen = address
		return refused
	}}
	_, err := d.Dial(context.Background(), parse(t, "ws://"+host))
	var de *transport.DialError
	if !errors.Is(err, refused) || !errors.As(err, &de) || de.Stage != transport.StageConnect {
		t.Errorf("got %v, want the refusal at stage connect", err)
	}
	if seen != host {
		t.Errorf("Control saw %q, want %q", seen, host)
	}
}

// Proxies of the environment are not used. (net/http reads them once, so a
// proxy that were used would show as a failing dial: nothing listens there.)
func TestNoProxyFromEnvironment(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://"+closedPort(t))
	t.Setenv("HTTPS_PROXY", "http://"+closedPort(t))
	h, accepted := acceptor()
	dial(t, &ws.Dialer{}, "ws://"+serve(t, ws.NewServer(h)))
	keep(t, accepted)
}
