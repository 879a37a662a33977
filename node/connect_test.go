package node

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

func TestURLsAreToldWhereTheyMeanSomething(t *testing.T) {
	urls := []string{"ws://127.0.0.1:1", "ws://10.0.0.1:1", "ws://8.8.8.8:1", "wss://name:1", "ws://[fe80::1%25eth0]:1", "ws://[::ffff:127.0.0.1]:1", "ws://0.0.0.0:1"}
	for _, test := range []struct {
		name string
		of   engine.Scopes
		want []string
	}{
		{"public", engine.ScopePublic, []string{"ws://8.8.8.8:1", "wss://name:1"}},
		{"private", engine.ScopePrivate, []string{"ws://10.0.0.1:1", "ws://8.8.8.8:1", "wss://name:1"}},
		{"loopback", engine.ScopeLoopback, []string{"ws://127.0.0.1:1", "ws://8.8.8.8:1", "wss://name:1", "ws://[::ffff:127.0.0.1]:1"}},
		{"link-local", engine.ScopeLinkLocal, []string{"ws://8.8.8.8:1", "wss://name:1", "ws://[fe80::1%25eth0]:1"}},
	} {
		if got := (told{test.of.Told()}).allowed(urls); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// leafOf starts a leaf with one home.
func leafOf(t *testing.T, home *Node, cfg Config) *Node {
	t.Helper()
	cfg.Leaf, cfg.Homes, cfg.Bootstrap = true, 1, home.URLs()
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	ready(t, n)
	return n
}

// onPort is a leaf that others can dial.
var onPort = Config{Listen: "127.0.0.1:0"}

func connected(t *testing.T, a, b *Node) {
	t.Helper()
	if err := a.Connect(within(t, amply), b.ID()); err != nil {
		t.Fatal(err)
	}
	if !linkedTo(a, b.ID()) {
		t.Error("no link")
	}
	box := newInbox()
	b.Handle(box)
	if err := a.Send(within(t, amply), b.ID(), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := a.Connect(within(t, time.Second), b.ID()); err != nil {
		t.Errorf("once more: got %v, want no error", err)
	}
}

func TestConnectByTheMeshsRecord(t *testing.T) {
	home := relayOn(t, Config{})
	other := relayOn(t, Config{Bootstrap: home.URLs()})
	awaitPeer(t, other, home.ID())
	awaitPeer(t, home, other.ID())
	connected(t, leafOf(t, home, Config{}), other)
}

func TestConnectByAskingForURLs(t *testing.T) {
	home := relayOn(t, Config{})
	connected(t, leafOf(t, home, Config{}), leafOf(t, home, onPort))
}

func TestConnectByBeingDialled(t *testing.T) {
	home := relayOn(t, Config{})
	connected(t, leafOf(t, home, onPort), leafOf(t, home, Config{}))
}

func TestConnectToWhoCannotDialEither(t *testing.T) {
	home := relayOn(t, Config{})
	a, b := leafOf(t, home, Config{}), leafOf(t, home, Config{WebRTC: WebRTCOff})
	err := a.Connect(within(t, amply), b.ID())
	var e *ConnectError
	if !errors.As(err, &e) || e.Stage != ConnectNegotiate || e.ID != b.ID() || !errors.Is(err, ErrRefused) {
		t.Errorf("got %v, want a refusal at the stage %s", err, ConnectNegotiate)
	}
}

func TestConnectErrors(t *testing.T) {
	home := relayOn(t, Config{})
	alone, closed := relayOn(t, Config{}), relayOn(t, Config{})
	closed.Close()
	a := leafOf(t, home, Config{})
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	nobody := routing.ID{1, 2, 3}
	for _, test := range []struct {
		name  string
		n     *Node
		ctx   context.Context
		to    routing.ID
		stage string
		want  error
	}{
		{"to itself", a, within(t, time.Second), a.ID(), ConnectNegotiate, reason.OwnID},
		{"without a link", alone, within(t, time.Second), nobody, ConnectNegotiate, ErrNotConnected},
		{"of a closed node", closed, within(t, time.Second), nobody, ConnectNegotiate, ErrClosed},
		{"with a context that ended", a, ended, nobody, ConnectNegotiate, context.Canceled},
		{"to nobody", a, within(t, amply), nobody, ConnectLookup, ErrNoRoute},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.n.Connect(test.ctx, test.to)
			var e *ConnectError
			if !errors.As(err, &e) || e.Stage != test.stage || !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v at the stage %s", err, test.want, test.stage)
			}
		})
	}
}

// However many ask, a node dials only so often on others' word.
func TestLinkAsksAreLimited(t *testing.T) {
	accepted, port := countAccepts(t, "tcp4")
	n := dialling(t)
	n.cfg.PublicURLs = nil
	n.linkAsks = newLinkAsks(nil)
	for n.linkAsks.mayDial(routing.ID{1}) {
	}
	got, _ := n.answerAsk(within(t, time.Second), routing.ID{1}, &wire.ConnectAsk{Kind: wire.ConnectLink, URLs: []string{"ws://127.0.0.1:" + port}})
	if got.Kind != wire.ConnectNoWay || got.Reason != uint8(reason.RateLimited) || accepted() != 0 {
		t.Errorf("got %v and %d connects, want %d for %v and none", got, accepted(), wire.ConnectNoWay, reason.RateLimited)
	}
}

// One URL that leads nowhere does not hide the next.
func TestConnectTriesEachURL(t *testing.T) {
	_, dead := countAccepts(t, "tcp4")
	home := relayOn(t, Config{})
	b := leafOf(t, home, onPort)
	a := leafOf(t, home, Config{})
	c := engine.Contact{ID: b.ID(), URLs: append([]string{"ws://127.0.0.1:" + dead, "ws://u@127.0.0.1"}, b.URLs()...), Scopes: engine.AllScopes}
	if err := a.reach(within(t, amply), c, false, true); err != nil || !linkedTo(a, b.ID()) {
		t.Errorf("got %v, want a link", err)
	}
}
