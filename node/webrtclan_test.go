//go:build !nowebrtc

package node

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/transport/v4/vnet"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/webrtc"
	"github.com/peermesh/peermesh/transport/ws"
)

// elsewhere is a carrier whose peer has another address than it really has.
type elsewhere struct {
	transport.Conn
	addr net.Addr
}

func (e elsewhere) RemoteAddr() net.Addr { return e.addr }

// seemingly dials WebSockets on loopback, and has the peers at another address.
type seemingly string

func (s seemingly) Dial(ctx context.Context, u *url.URL) (transport.Conn, error) {
	at := *u
	at.Scheme = "ws"
	conn, err := new(ws.Dialer).Dial(ctx, &at)
	if err != nil {
		return nil, err
	}
	return elsewhere{conn, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(string(s)))}, nil
}

// aLAN are the sockets of a LAN without a server and without a way out, one for
// each address. Those with one address are on one host.
func aLAN(t *testing.T, hosts ...string) []*webrtc.Endpoint {
	t.Helper()
	lan, err := vnet.NewRouter(&vnet.RouterConfig{
		CIDR: "192.168.1.0/24", LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled},
	})
	if err != nil {
		t.Fatal(err)
	}
	ends := make([]*webrtc.Endpoint, 0, len(hosts))
	nets := make(map[string]*vnet.Net)
	for _, ip := range hosts {
		if nets[ip] == nil {
			host, err := vnet.NewNet(&vnet.NetConfig{StaticIPs: []string{ip}})
			if err == nil {
				err = lan.AddNet(host)
			}
			if err != nil {
				t.Fatal(err)
			}
			nets[ip] = host
		}
		end, err := webrtc.New(webrtc.Config{Net: nets[ip]})
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	if err := lan.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lan.Stop() })
	return ends
}

// onLAN is a leaf with those sockets and two homes, one of which is on this machine
// and the other seems to be on its LAN. Without sockets it is on the machine's network.
func onLAN(t *testing.T, sockets *webrtc.Endpoint, here, there *Node, cfg Config) *Node {
	t.Helper()
	cfg.Leaf, cfg.Homes, cfg.Dialers = true, 2, map[string]transport.Dialer{"lan": seemingly("192.168.1.1:8080")}
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if sockets != nil {
		before := n.rtc.endpoint
		n.rtc.endpoint = sockets // no link yet: nobody looks at it
		before.Close()
	}
	// The one on the LAN comes first: nobody there may tell of addresses on loopback, so
	// that only this test leads to the other.
	for _, u := range []string{strings.Replace(there.URLs()[0], "ws:", "lan:", 1), here.URLs()[0]} {
		if err := n.Join(within(t, 10*time.Second), u); err != nil {
			t.Fatal(err)
		}
	}
	ready(t, n)
	if got := n.believed().scopes; got != engine.ScopePublic {
		t.Fatalf("believed: got %04b, want what both links may tell, %04b", got, engine.ScopePublic)
	}
	return n
}

// Two nodes on one LAN meet there whatever other links they have, without a server,
// also if one of them keeps its private addresses to itself.
func TestConnectOnOneLAN(t *testing.T) {
	first, second := twoRelays(t)
	for name, hide := range map[string][2]bool{
		"both tell": {false, false}, "who asks hides": {true, false}, "who is asked hides": {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			ends := aLAN(t, "192.168.1.7", "192.168.1.8")
			a := onLAN(t, ends[0], first, second, Config{WebRTCHidePrivate: hide[0]})
			b := onLAN(t, ends[1], first, second, Config{WebRTCHidePrivate: hide[1]})
			connected(t, a, b)
			if p := peerInfo(t, a, b.ID()); p.Transport != rtcKind || !strings.HasPrefix(p.Address, "192.168.1.8:") {
				t.Errorf("got %+v, want a link over WebRTC on the LAN", p)
			}
		})
	}
}

// A node that keeps its private addresses to itself says nothing of them, neither in
// an offer nor in an answer.
func TestPrivateAddressesAreHidden(t *testing.T) {
	first, second := twoRelays(t)
	for _, hide := range []bool{false, true} {
		n := onLAN(t, aLAN(t, "192.168.1.7")[0], first, second, Config{WebRTCHidePrivate: hide})
		offer, err := n.rtc.endpoint.Offer(within(t, 5*time.Second), n.iceSetup())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(offer.Description(), "192.168.1.7"); got == hide {
			t.Errorf("hide %v: got the address told: %v", hide, got)
		}
		offer.Close()
	}
}

// Who has a link to the LAN and one to its own machine dials on a stranger's word
// neither there nor here.
func TestMixedLinksSpeakForNobody(t *testing.T) {
	accepted, port := countAccepts(t, "tcp4")
	first, second := twoRelays(t)
	n := onLAN(t, nil, first, second, Config{})
	ask := wire.ConnectAsk{Kind: wire.ConnectLinkBack}
	for _, spelling := range []string{"ws://127.0.0.1:PORT", "ws://[::ffff:127.0.0.1]:PORT", "ws://localhost:PORT", "lan://192.168.1.1:PORT", "lan://127.0.0.1:PORT"} {
		ask.URLs = append(ask.URLs, strings.ReplaceAll(spelling, "PORT", port))
	}
	if got, _ := n.answerAsk(within(t, 5*time.Second), routing.ID{1}, &ask); got.Kind != wire.ConnectNoWay || accepted() != 0 {
		t.Errorf("got %v and %d connects, want %d and none", got, accepted(), wire.ConnectNoWay)
	}
	take := n.iceSetup().Take
	for _, addr := range []string{"127.0.0.1", "::1", "192.168.1.9", "10.0.0.1", "fd00::9", "169.254.169.254", "fd00:ec2::254", "fe80::1"} {
		if take(netip.MustParseAddr(addr)) {
			t.Errorf("%s: got it tried on the links' word", addr)
		}
	}
	if !take(netip.MustParseAddr("8.8.8.8")) {
		t.Error("8.8.8.8: got it refused")
	}
}

// A page on this machine links over WebRTC as a program does: the link's addresses are
// both of this machine, and its word is good for public URLs alone.
func TestAPeerOverWebRTCSpeaksForNoScope(t *testing.T) {
	for _, test := range []struct {
		name, own, other string // hosts
		seen             string // the peer's address
		scope            engine.Scopes
	}{
		{"on this machine", "192.168.1.7", "192.168.1.7", "127.0.0.1:", engine.ScopeLoopback},
		{"on this LAN", "192.168.1.7", "192.168.1.8", "192.168.1.8:", engine.ScopePrivate},
	} {
		t.Run(test.name, func(t *testing.T) {
			accepted, port := countAccepts(t, "tcp4")
			ends := aLAN(t, test.own, test.other)
			first, second := twoRelays(t)
			a, b := leafOf(t, first, Config{}), leafOf(t, second, Config{})
			for i, n := range []*Node{a, b} {
				before := n.rtc.endpoint
				n.rtc.endpoint = ends[i] // no attempt yet: nobody looks at it
				before.Close()
			}
			connected(t, a, b)
			if p := peerInfo(t, a, b.ID()); p.Transport != rtcKind || !strings.HasPrefix(p.Address, test.seen) {
				t.Fatalf("got %+v, want a link over WebRTC with %s", p, test.seen)
			}
			for _, l := range a.live.all() {
				if l.conn.Kind() != rtcKind {
					continue
				}
				if got := addressScope(l.conn); got != test.scope {
					t.Errorf("scope of its address: got %04b, want %04b", got, test.scope)
				}
				if got := origin(l.conn, new(link.Remote), source{}).Scope; got != engine.ScopePublic {
					t.Errorf("scope of its word: got %04b, want public alone", got)
				}
			}
			ask := wire.ConnectAsk{Kind: wire.ConnectLinkBack, URLs: []string{"ws://127.0.0.1:" + port, "ws://localhost:" + port}}
			if got, _ := a.answerAsk(within(t, amply), routing.ID{1}, &ask); got.Kind != wire.ConnectNoWay || accepted() != 0 {
				t.Errorf("asked to dial this machine: got %v and %d connects, want %d and none", got, accepted(), wire.ConnectNoWay)
			}
		})
	}
}
