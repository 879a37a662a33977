package node

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/proxy/proxytest"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/transport"
)

// A node joins by way of a proxy, and a peer that it knows by one speaks for public
// addresses alone, wherever the proxy is.
func TestJoinThroughAProxy(t *testing.T) {
	for _, kind := range []string{"http", "socks5"} {
		t.Run(kind, func(t *testing.T) {
			relay := startPage(t, Config{Listen: "127.0.0.1:0", WebRTC: WebRTCOff})
			start := map[string]func(testing.TB, proxytest.Options) *proxytest.Proxy{"http": proxytest.HTTP, "socks5": proxytest.SOCKS5}[kind]
			p := start(t, proxytest.Options{User: "u", Password: "hidden", Lead: func(string) string { return relay.listener.Addr().String() }})
			n := startPage(t, Config{Bootstrap: []string{"ws://mesh.test:8080"}, Proxy: kind + "://u:hidden@" + p.Address, WebRTC: WebRTCOff})
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			if err := n.Ready(ctx); err != nil {
				t.Fatal(err)
			}
			if asked := p.Asked(); !slices.Contains(asked, "mesh.test:8080") {
				t.Errorf("got the proxy asked for %q, want mesh.test:8080", asked)
			}
			for _, l := range n.live.all() {
				if got := scopeOf(l.conn); got != engine.ScopePublic {
					t.Errorf("scope of a peer behind a proxy: got %v, want public", got)
				}
			}
			for _, peer := range n.Peers() {
				if peer.Address != "mesh.test:8080" {
					t.Errorf("got the peer's address %q, want what the proxy was asked for", peer.Address)
				}
			}
		})
	}
}

// A name that a proxy resolves is looked at again as one address is: later each time, and
// not at once.
func TestLooksThroughAProxy(t *testing.T) {
	relay := startPage(t, Config{Listen: "127.0.0.1:0", WebRTC: WebRTCOff})
	p := proxytest.HTTP(t, proxytest.Options{Lead: func(string) string { return relay.listener.Addr().String() }})
	const at = "ws://mesh.test:8080"
	n := startPage(t, Config{Bootstrap: []string{at}, Proxy: "http://" + p.Address, WebRTC: WebRTCOff})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := n.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	asked := len(p.Asked())
	target := &engine.Target{TargetSpec: engine.TargetSpec{URL: at, Name: true}}
	if _, err := n.dialTarget(t.Context(), target, true); !errors.Is(err, transport.ErrNoAddress) || len(p.Asked()) != asked {
		t.Errorf("a look right after the link: got %v and %d asks of the proxy, want none", err, len(p.Asked())-asked)
	}
	all := []netip.Addr{{}}
	now := time.Now()
	for pause := limits.NameLookFew / 2; pause <= limits.NameLookAgain; pause *= 2 {
		if got := n.names.order(at, all, true, now.Add(pause/2)); len(got) > 0 {
			t.Errorf("within %v: got a look, want none", pause/2)
		}
		now = now.Add(2 * pause)
		if got := n.names.order(at, all, true, now); len(got) != 1 {
			t.Errorf("after %v: got no look, want one", pause)
		}
		n.names.judged(at, netip.Addr{}, reason.Duplicate, now)
	}
}

func TestProxyThatRefusesIsNamed(t *testing.T) {
	p := proxytest.HTTP(t, proxytest.Options{User: "u", Password: "right"})
	n := startPage(t, Config{Bootstrap: []string{"wss://mesh.test"}, Proxy: "http://u:hidden@" + p.Address})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for ev := range n.Events(ctx) {
		if ev.Kind != Retry {
			continue
		}
		if !strings.Contains(ev.Err, "407") || strings.Contains(ev.Err, "hidden") {
			t.Errorf("got %q, want 407 and no password", ev.Err)
		}
		break
	}
	b := n.Status().Bootstraps
	if len(b) != 1 || b[0].Stage != transport.StageProxy || !strings.Contains(b[0].LastError, "user or the password") {
		t.Errorf("got %+v, want stage proxy and what it refused", b)
	}
}

func TestMistakenProxy(t *testing.T) {
	err := Config{Proxy: "ftp://u:hidden@host:1"}.Check()
	if err == nil || strings.Contains(err.Error(), "hidden") || !strings.Contains(err.Error(), "config: Proxy: ") {
		t.Errorf("got %v, want a mistake without the password", err)
	}
	t.Setenv("HTTPS_PROXY", "ftp://u:hidden@host:1") // not of the config: who dials is told
	if err := (Config{}).Check(); err != nil {
		t.Errorf("got %v, want none", err)
	}
	if err := (Config{Proxy: NoProxy}).Check(); err != nil {
		t.Errorf("off: got %v, want none", err)
	}
}

// What a peer told of is dialled through a proxy where it is public, beside it where it
// means something here, and not at all where nobody can check what it means.
func TestLearntURLsBehindAProxy(t *testing.T) {
	for _, kind := range []string{"http", "socks5", "socks5h"} {
		start := proxytest.HTTP
		if kind != "http" {
			start = proxytest.SOCKS5
		}
		p := start(t, proxytest.Options{Lead: func(string) string { return "127.0.0.1:1" }})
		n := startPage(t, Config{Proxy: kind + "://" + p.Address})
		accepted, port := countAccepts(t, "tcp4")
		all := engine.ScopePublic | engine.ScopePrivate | engine.ScopeLoopback
		for _, test := range []struct {
			url    string
			scopes engine.Scopes
			asked  []string
			direct int64
		}{
			{"ws://93.184.215.14:" + port, engine.ScopePublic, []string{"93.184.215.14:" + port}, 0},
			{"wss://93.184.215.14:" + port, all, []string{"93.184.215.14:" + port}, 0},
			{"ws://[2606:2800:21f:cb07::1]:" + port, engine.ScopePublic, []string{"[2606:2800:21f:cb07::1]:" + port}, 0},
			{"ws://10.0.0.1:" + port, engine.ScopePublic, nil, 0},
			{"ws://169.254.169.254", all, nil, 0},
			{"ws://[64:ff9b::a9fe:a9fe]:" + port, engine.ScopePublic, nil, 0},
			{"ws://intranet.invalid:" + port, engine.ScopePublic, nil, 0},
			{"ws://127.0.0.1:" + port, engine.ScopePublic, nil, 0},
			{"ws://127.0.0.1:" + port, all, nil, 1},
		} {
			before, dialled := len(p.Asked()), accepted()
			c, err := n.dialTarget(t.Context(), &engine.Target{TargetSpec: engine.TargetSpec{URL: secret.URL(test.url), Scopes: test.scopes}}, false)
			if err == nil {
				c.Close()
			}
			if got := p.Asked()[before:]; !slices.Equal(got, test.asked) || accepted()-dialled != test.direct {
				t.Errorf("%s %s: got the proxy asked for %q and %d direct dials (%v), want %q and %d", kind, test.url, got, accepted()-dialled, err, test.asked, test.direct)
			}
		}
	}
}

// None of the ways to write an address that is not public has a proxy asked for it.
func TestHostileURLsBehindAProxy(t *testing.T) {
	everyNameIsLoopback(t)
	for _, kind := range []string{"http", "socks5", "socks5h"} {
		start := proxytest.HTTP
		if kind != "http" {
			start = proxytest.SOCKS5
		}
		accepted, port := countAccepts(t, "tcp4")
		p := start(t, proxytest.Options{Lead: func(string) string { return "127.0.0.1:" + port }})
		n := startPage(t, Config{Proxy: kind + "://" + p.Address})
		for _, spelling := range hostile {
			at := strings.ReplaceAll(spelling, "PORT", port)
			c, err := n.dialTarget(t.Context(), &engine.Target{TargetSpec: engine.TargetSpec{URL: secret.URL(at), Scopes: engine.ScopePublic.Told()}}, false)
			if err == nil {
				c.Close()
			}
			if e := (*transport.DialError)(nil); !errors.As(err, &e) {
				t.Errorf("%s: got %v, want a DialError", at, err)
			}
		}
		if asked := p.Asked(); len(asked) > 0 || accepted() > 0 {
			t.Errorf("%s: got the proxy asked for %q and %d dials, want none", kind, asked, accepted())
		}
	}
}

func TestProxiesByScope(t *testing.T) {
	choose, err := Proxies("http://proxy.test:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		at   string
		want bool
	}{{"", true}, {"93.184.215.14", true}, {"10.0.0.1", false}, {"100.64.0.1", false}, {"fd00::1", false}, {"127.0.0.1", false}} {
		at := netip.Addr{}
		if test.at != "" {
			at = netip.MustParseAddr(test.at)
		}
		got, err := choose(&url.URL{Scheme: "ws", Host: "a.test"}, at)
		if err != nil || (got != nil) != test.want {
			t.Errorf("%s: got %v, %v, want a proxy: %t", test.at, got, err, test.want)
		}
	}
}
