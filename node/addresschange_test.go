//go:build !nowebrtc

package node

import (
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/logging"
	"github.com/pion/transport/v4/vnet"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/webrtc"
)

// moving is a virtual network on which one host changes its address: what it sends
// from the address that it has not, and what is sent there, is lost.
type moving struct {
	*vnet.Router
	gone atomic.Pointer[string] // the address that leads nowhere
}

func newMoving(t *testing.T, gone string) *moving {
	t.Helper()
	r, err := vnet.NewRouter(&vnet.RouterConfig{
		CIDR: "192.168.1.0/24", LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := &moving{Router: r}
	m.gone.Store(&gone)
	r.AddChunkFilter(func(c vnet.Chunk) bool {
		at := func(a net.Addr) bool { return strings.HasPrefix(a.String(), *m.gone.Load()+":") }
		return !at(c.SourceAddr()) && !at(c.DestinationAddr())
	})
	return m
}

// leaf is a leaf of the relay, on a host with these addresses.
func (m *moving) leaf(t *testing.T, mesh *mesh, ips ...string) *Node {
	t.Helper()
	host, err := vnet.NewNet(&vnet.NetConfig{StaticIPs: ips})
	if err == nil {
		err = m.AddNet(host)
	}
	if err != nil {
		t.Fatal(err)
	}
	end, err := webrtc.New(webrtc.Config{Net: host})
	if err != nil {
		t.Fatal(err)
	}
	n := alone(t, Config{Leaf: true, Homes: 1, Dialers: map[string]transport.Dialer{"mem": mesh.net.Dialer(ips[0])}})
	before := n.rtc.endpoint
	n.rtc.endpoint = end // no link yet: nobody looks at it
	before.Close()
	if err := n.Join(within(t, amply), "mem://relay"); err != nil {
		t.Fatal(err)
	}
	ready(t, n)
	return n
}

// talking are two nodes of which one sends the other messages, so many that the pair
// is worth a link of its own.
type talking struct {
	from, to *Node
	sent     int
	slowest  time.Duration
}

// until sends until ok says so. Each message has to be acknowledged.
func (p *talking) until(t *testing.T, what string, most time.Duration, ok func(out, in *PeerInfo) bool) {
	t.Helper()
	const size, pause = limits.HotBytes / 8, 100 * time.Millisecond
	for began := time.Now(); !ok(rtcLink(p.from, p.to), rtcLink(p.to, p.from)); time.Sleep(pause) {
		if time.Since(began) > most {
			t.Fatalf("%s: not after %v and %d messages", what, most, p.sent)
		}
		asked := time.Now()
		if err := p.from.Send(within(t, most), p.to.ID(), make([]byte, size)); err != nil {
			t.Fatalf("%s: message %d: %v", what, p.sent, err)
		}
		p.sent++
		p.slowest = max(p.slowest, time.Since(asked))
	}
}

// rtcLink is the link over WebRTC with a node, nil if there is none.
func rtcLink(n, peer *Node) *PeerInfo {
	peers := n.Peers()
	i := slices.IndexFunc(peers, func(p PeerInfo) bool { return p.ID == peer.ID() && p.Transport == rtcKind })
	if i < 0 {
		return nil
	}
	return &peers[i]
}

// An end's address changes, and the way under its direct link is dead without a word:
// what is sent goes by relays within seconds and arrives once each, the link is ended,
// and there is a new one, from the new address, without anybody's doing.
func TestAddressChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const before, after = "192.168.1.7", "192.168.1.9"
		lan := newMoving(t, after)
		m := &mesh{t: t}
		m.listen("relay", Config{})
		a, b := lan.leaf(t, m, before, after), lan.leaf(t, m, "192.168.1.8")
		if err := lan.Start(); err != nil {
			t.Fatal(err)
		}
		defer lan.Stop()
		box := newInbox()
		b.Handle(box)
		pair := talking{from: a, to: b}
		from := func(ip string) func(out, in *PeerInfo) bool {
			return func(out, in *PeerInfo) bool {
				return out != nil && in != nil && strings.HasPrefix(in.Address, ip+":")
			}
		}
		pair.until(t, "a direct link", 20*time.Second, from(before))
		moved := before
		lan.gone.Store(&moved)
		began := time.Now()
		pair.until(t, "the end of the dead link", limits.PingAnswer+time.Second, func(out, in *PeerInfo) bool { return out == nil && in == nil })
		ended := time.Since(began)
		pair.until(t, "a new link", 2*limits.HotRetry, from(after))
		t.Logf("%d messages, the slowest took %v; the link was ended after %v, and there was a new one after %v", pair.sent, pair.slowest, ended, time.Since(began))
		if pair.slowest > 3*time.Second {
			t.Errorf("a message took %v, want it to go by relays within 3 s", pair.slowest)
		}
		if got := box.len(); got != pair.sent {
			t.Errorf("got %d messages, want the %d that were acknowledged", got, pair.sent)
		}
	})
}
