package ws_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/proxy/proxytest"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/ws"
)

// always chooses one proxy.
func always(t *testing.T, text string) func(*url.URL, netip.Addr) (*url.URL, error) {
	via := parse(t, text)
	return func(*url.URL, netip.Addr) (*url.URL, error) { return via, nil }
}

// proxied is a server of pipes for the name mesh.test, behind a proxy that leads there
// whatever it is asked for.
func proxied(t *testing.T, secure bool) (accepted <-chan transport.Conn, o proxytest.Options, d *ws.Dialer) {
	h, accepted := acceptor()
	ca := newAuthority(t)
	d = &ws.Dialer{TLSConfig: ca.trusted()}
	host := ""
	if secure {
		cert, key := ca.files(t, "mesh.test", time.Now().Add(time.Hour))
		host = serveTLS(t, ws.NewServer(h), cert, key)
	} else {
		host = serve(t, ws.NewServer(h))
	}
	certFile, keyFile := ca.files(t, "127.0.0.1", time.Now().Add(time.Hour))
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return accepted, proxytest.Options{
		Lead: func(string) string { return host }, TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
	}, d
}

// Each kind of proxy leads to ws and to wss. It is asked for the name, which it
// resolves, and the peer's address proves nothing.
func TestDialThroughAProxy(t *testing.T) {
	for _, scheme := range []string{"ws", "wss"} {
		accepted, o, d := proxied(t, scheme == "wss")
		overTLS := o
		o.TLS = nil
		named := o
		named.User, named.Password = "us er", "p:a@ss"
		for _, test := range []struct {
			name string
			p    *proxytest.Proxy
			via  string
		}{
			{"http", proxytest.HTTP(t, o), "http://"},
			{"http with a user", proxytest.HTTP(t, named), "http://us%20er:p%3Aa%40ss@"},
			{"https", proxytest.HTTP(t, overTLS), "https://"},
			{"socks5", proxytest.SOCKS5(t, o), "socks5://"},
			{"socks5 with a user", proxytest.SOCKS5(t, named), "socks5://us%20er:p%3Aa%40ss@"},
			{"socks5h", proxytest.SOCKS5(t, o), "socks5h://"},
		} {
			t.Run(scheme+" by "+test.name, func(t *testing.T) {
				opened := 0
				d := *d
				d.Proxy, d.Tunnelled = always(t, test.via+test.p.Address), func(*url.URL) { opened++ }
				a := dial(t, &d, scheme+"://mesh.test:8080/x")
				b := keep(t, accepted)
				if err := errors.Join(a.Send([]byte("hello")), a.Flush()); err != nil {
					t.Fatal(err)
				}
				got, err := b.Receive(func() []byte { return make([]byte, 10) })
				if string(got) != "hello" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
				if asked := test.p.Asked(); !slices.Equal(asked, []string{"mesh.test:8080"}) || opened != 1 {
					t.Errorf("got %q asked for and %d ways opened, want mesh.test:8080 once", asked, opened)
				}
				if !transport.IsIndirect(a) || a.RemoteAddr().String() != "mesh.test:8080" {
					t.Errorf("got address %v, indirect %t, want the name, which proves nothing", a.RemoteAddr(), transport.IsIndirect(a))
				}
			})
		}
	}
}

func TestRefusedByAProxy(t *testing.T) {
	refusing := func(status int) string { return proxytest.HTTP(t, proxytest.Options{Status: status}).Address }
	socks := func(reply int) string { return proxytest.SOCKS5(t, proxytest.Options{Status: reply}).Address }
	secret := proxytest.Options{User: "u", Password: "right"}
	ca := newAuthority(t)
	certFile, keyFile := ca.files(t, "127.0.0.1", time.Now().Add(time.Hour))
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, via, says string
		status          int
	}{
		{"a user is wanted", "http://" + proxytest.HTTP(t, secret).Address, "wants a user and a password", 407},
		{"another password", "http://u:hidden@" + proxytest.HTTP(t, secret).Address, "refuses the user or the password", 407},
		{"forbidden", "http://u:hidden@" + refusing(403), "does not let this machine go to mesh.test:443", 403},
		{"bad gateway", "http://" + refusing(502), "does not reach mesh.test:443", 502},
		{"unavailable", "http://" + refusing(503), "does not reach mesh.test:443", 503},
		{"no CONNECT", "http://" + refusing(405), "allow CONNECT", 405},
		{"another status", "http://" + refusing(418), "refuses the way", 418},
		{"nobody listens", "http://u:hidden@127.0.0.1:1", "nothing listens there; check host and port, and that the proxy runs", 0},
		{"no such name", "http://u:hidden@proxy.invalid:1", `no address for the proxy's name "proxy.invalid"`, 0},
		{"no HTTP", "http://" + mute(t, "SSH-2.0-OpenSSH\r\n"), "no HTTP proxy", 0},
		{"closes", "http://" + closing(t, false), "closed the connection without an answer", 0},
		{"talks of itself", "http://" + mute(t, "HTTP/1.1 200 ok\r\n\r\nHTTP/1.1 101 x\r\n"), "said more", 0},
		{"silent", "http://" + mute(t, ""), "no answer within", 0},
		{"plain, not TLS", "https://" + mute(t, "HTTP/1.1 400 x\r\n\r\n"), "does not speak TLS", 0},
		{"unknown authority", "https://" + proxytest.HTTP(t, proxytest.Options{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}).Address, "unknown authority", 0},
		{"SOCKS, a user is wanted", "socks5://" + proxytest.SOCKS5(t, secret).Address, "wants a user and a password", 0},
		{"SOCKS, another password", "socks5://u:hidden@" + proxytest.SOCKS5(t, secret).Address, "refuses the user or the password", 0},
		{"SOCKS, not allowed", "socks5://u@" + socks(2), "does not let this machine go to mesh.test:443", 0},
		{"SOCKS, refused", "socks5://" + socks(5), "does not reach mesh.test:443", 0},
		{"SOCKS, away", "socks5h://" + socks(4), "does not reach mesh.test:443", 0},
		{"no SOCKS", "socks5://" + mute(t, "HTTP/1.1 400 x\r\n\r\n"), "no SOCKS5 proxy", 0},
		{"SOCKS, silent", "socks5://" + mute(t, ""), "no answer within", 0},
		{"SOCKS, closes", "socks5://" + closing(t, false), "closed the connection without an answer", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &ws.Dialer{Proxy: always(t, test.via)}
			if strings.Contains(test.name, "silent") {
				d.HandshakeTimeout = 200 * time.Millisecond
			}
			_, err := d.Dial(context.Background(), parse(t, "wss://mesh.test"))
			var de *transport.DialError
			if !errors.As(err, &de) || de.Stage != transport.StageProxy {
				t.Fatalf("got %v, want a DialError of stage proxy", err)
			}
			var refused *transport.ProxyError
			if !errors.As(err, &refused) || refused.Status != test.status || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want status %d and %q", err, test.status, test.says)
			}
			if strings.Contains(err.Error(), "hidden") || !strings.Contains(err.Error(), strings.Split(test.via, "://")[0]+"://") {
				t.Errorf("got %v, want the proxy named without its password", err)
			}
		})
	}
}

// A way that is open and then fails is no matter of the proxy.
func TestStagesBehindAProxy(t *testing.T) {
	accepted, o, _ := proxied(t, true)
	_ = accepted
	o.TLS = nil
	p := proxytest.HTTP(t, o)
	d := &ws.Dialer{Proxy: always(t, "http://"+p.Address)}
	_, err := d.Dial(context.Background(), parse(t, "wss://mesh.test"))
	var de *transport.DialError
	if !errors.As(err, &de) || de.Stage != transport.StageTLS {
		t.Errorf("got %v, want stage tls", err)
	}
	_, err = d.Dial(context.Background(), parse(t, "ws://mesh.test"))
	if !errors.As(err, &de) || de.Stage != transport.StageUpgrade {
		t.Errorf("got %v, want stage upgrade", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Dial(ctx, parse(t, "ws://mesh.test")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of the context", err)
	}
	d.Proxy = func(*url.URL, netip.Addr) (*url.URL, error) { return nil, errors.New("no proxy like that") }
	_, err = d.Dial(context.Background(), parse(t, "ws://mesh.test"))
	if !errors.As(err, &de) || de.Stage != transport.StageProxy {
		t.Errorf("got %v, want stage proxy", err)
	}
}

// What a peer told of goes by a proxy as an address that was checked here, and by none
// where the proxy cannot be asked for one.
func TestRestrictedDialThroughAProxy(t *testing.T) {
	accepted, o, _ := proxied(t, false)
	o.TLS = nil
	public := func(a netip.Addr) error {
		if a.IsLoopback() || a.IsPrivate() {
			return errors.New("not a peer's to tell of")
		}
		return nil
	}
	ctx := transport.WithAddressCheck(context.Background(), public)
	for _, test := range []struct {
		name, scheme, target string
		asked                string // "": nothing
	}{
		{"an address", "http", "ws://93.184.215.14:8080/x", "93.184.215.14:8080"},
		{"an address, SOCKS", "socks5", "ws://93.184.215.14", "93.184.215.14:80"},
		{"an address, SOCKS with names", "socks5h", "ws://93.184.215.14", "93.184.215.14:80"},
		{"IPv6", "http", "ws://[2606:2800:21f:cb07::1]:81", "[2606:2800:21f:cb07::1]:81"},
		{"mapped", "http", "ws://[::ffff:93.184.215.14]", "93.184.215.14:80"},
		{"loopback", "http", "ws://127.0.0.1:8080", ""},
		{"mapped loopback", "socks5", "ws://[::ffff:127.0.0.1]:8080", ""},
		{"private", "socks5h", "ws://10.0.0.1", ""},
		{"a name that is loopback here", "http", "ws://localhost:8080", ""},
		{"a name that only the proxy may resolve", "socks5h", "ws://localhost:8080", ""},
		{"a name that nobody knows here", "http", "ws://intranet.invalid", ""},
		{"a number that resolvers read", "http", "ws://2130706433:80", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			start := proxytest.HTTP
			if test.scheme != "http" {
				start = proxytest.SOCKS5
			}
			p := start(t, o)
			d := &ws.Dialer{Proxy: always(t, test.scheme+"://"+p.Address)}
			c, err := d.Dial(ctx, parse(t, test.target))
			asked := p.Asked()
			if test.asked == "" {
				if err == nil || len(asked) > 0 {
					t.Fatalf("got %v, asked for %q, want nothing dialled", err, asked)
				}
				return
			}
			if err != nil || !slices.Equal(asked, []string{test.asked}) {
				t.Fatalf("got %v, asked for %q, want %q", err, asked, test.asked)
			}
			_ = c.Close()
			keep(t, accepted)
			if c.RemoteAddr().String() != test.asked || !transport.IsIndirect(c) {
				t.Errorf("got address %v, want %s, which proves nothing", c.RemoteAddr(), test.asked)
			}
		})
	}
}

// The chooser is asked with each address that a restricted dial may connect to, and may
// leave the proxy out.
func TestRestrictedDialBesideAProxy(t *testing.T) {
	h, accepted := acceptor()
	host := serve(t, ws.NewServer(h))
	p := proxytest.HTTP(t, proxytest.Options{})
	via := parse(t, "http://"+p.Address)
	var asked []netip.Addr // one after the other: there is one address
	d := &ws.Dialer{Proxy: func(_ *url.URL, at netip.Addr) (*url.URL, error) {
		asked = append(asked, at)
		if at.IsLoopback() {
			return nil, nil
		}
		return via, nil
	}}
	ctx := transport.WithAddressCheck(context.Background(), func(netip.Addr) error { return nil })
	c, err := d.Dial(ctx, parse(t, "ws://"+host))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	keep(t, accepted)
	if transport.IsIndirect(c) || len(p.Asked()) > 0 || len(asked) != 2 || !asked[1].IsLoopback() {
		t.Errorf("got indirect %t, proxy asked for %q, chooser for %v; want a direct dial", transport.IsIndirect(c), p.Asked(), asked)
	}
}

// A name with many addresses has a proxy asked for few.
func TestAddressesOfANameAreBounded(t *testing.T) {
	everyNameIs(t, 2*limits.DialAddresses)
	p := proxytest.HTTP(t, proxytest.Options{Status: 502, Lead: func(string) string { return closedPort(t) }})
	var tries atomic.Int64
	d := &ws.Dialer{Proxy: func(_ *url.URL, at netip.Addr) (*url.URL, error) {
		if at.IsValid() {
			tries.Add(1)
		}
		return parse(t, "http://"+p.Address), nil
	}}
	ctx := transport.WithAddressCheck(context.Background(), func(netip.Addr) error { return nil })
	_, err := d.Dial(ctx, parse(t, "ws://many.example"))
	var refused *transport.ProxyError
	if tries.Load() != limits.DialAddresses || !errors.As(err, &refused) {
		t.Errorf("got %d tries and %v, want %d and what the proxy said", tries.Load(), err, limits.DialAddresses)
	}
}
