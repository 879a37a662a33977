//go:build !nowebrtc

package node

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
)

// posing is a carrier of another kind, and with another peer, than it really has.
type posing struct {
	transport.Conn
	kind string
	addr net.Addr
}

func (p posing) Kind() string         { return p.kind }
func (p posing) RemoteAddr() net.Addr { return p.addr }

// standing gives a node a link, on which nothing moves, with a peer at that address.
// It began so long ago. The peer answers STUN at that port of it, 0: it does not.
func standing(t *testing.T, n *Node, peer routing.ID, kind, addr string, stun uint16, age time.Duration) *link.Link {
	t.Helper()
	near, far := mem.Pipe()
	conn := posing{near, kind, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))}
	contact := wire.Contact{Role: wire.RoleRelay, STUN: stun}
	record := n.creds.sign(wire.RecordContact, time.Now(), limits.ContactTTL, wire.AppendContact(nil, &contact))
	remote := &link.Remote{ID: wire.ID(peer), Contact: contact, Hello: wire.Hello{Contact: record}}
	w := n.newLink(conn, remote, source{})
	if !n.live.add(w, conn) {
		t.Fatal("the node has ended")
	}
	n.live.mu.Lock()
	l := n.live.links[w.src]
	l.since = l.since.Add(-age)
	n.live.links[w.src] = l
	n.live.mu.Unlock()
	t.Cleanup(func() {
		w.link.Close(reason.Closed)
		far.Close()
		n.live.remove(w)
	})
	return w.link
}

func alone(t *testing.T, cfg Config) *Node {
	t.Helper()
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// Who makes a new offer has no link over WebRTC any more: an old one is closed before
// the offer is answered. Whatever else there is stays, and makes the offer needless.
func TestNewOfferReplacesAnOldLink(t *testing.T) {
	n := alone(t, Config{})
	peer, other := routing.ID{1}, routing.ID{2}
	const old, young = limits.SignalTimeout + time.Second, limits.SignalTimeout / 2
	for i, c := range []struct {
		name  string
		kind  string
		age   time.Duration
		sdp   string
		keeps bool
	}{
		{"an old one, and an offer", rtcKind, old, "v=0", false},
		{"an old one, and a question without an offer", rtcKind, old, "", true},
		{"one that came up after the question left", rtcKind, young, "v=0", true},
		{"one of another kind", "ws", old, "v=0", true},
	} {
		peer[1] = byte(i)
		l := standing(t, n, peer, c.kind, "192.0.2.1:1", 0, c.age)
		beside := standing(t, n, other, rtcKind, "192.0.2.2:1", 0, old)
		if got := n.keepsLink(peer, &wire.ConnectAsk{SDP: c.sdp}); got != c.keeps {
			t.Errorf("%s: got it kept: %v, want %v", c.name, got, c.keeps)
		}
		want := reason.Replaced
		if c.keeps {
			want = reason.None
		}
		if got := l.Cause(); got != want {
			t.Errorf("%s: got it ended for %v, want %v", c.name, got, want)
		}
		if got := beside.Cause(); got != reason.None {
			t.Errorf("%s: got another peer's link ended for %v", c.name, got)
		}
	}
}

// The own relays tell how this node is seen from outside: those that answer STUN, at
// the address of the link, not more than need be.
func TestOwnRelaysAreAskedForTheAddress(t *testing.T) {
	const configured = "stun:192.0.2.9:3478"
	n := alone(t, Config{ICEServers: []string{configured}})
	standing(t, n, routing.ID{1}, "ws", "127.0.0.1:80", 3478, 0)   // sees no address of use
	standing(t, n, routing.ID{2}, rtcKind, "192.0.2.2:1", 3478, 0) // at the port of the pipe nobody answers
	standing(t, n, routing.ID{3}, "ws", "192.0.2.3:80", 0, 0)      // answers no STUN
	if got := n.iceServers(); !slices.Equal(got, []string{configured}) {
		t.Errorf("without such a relay: got %q, want those of the config alone", got)
	}
	standing(t, n, routing.ID{4}, "ws", "192.0.2.4:80", 3479, 0)
	standing(t, n, routing.ID{5}, "ws", "[2001:db8::5]:80", 3480, 0)
	want := []string{configured, "stun:192.0.2.4:3479", "stun:[2001:db8::5]:3480"}
	got := n.iceServers()
	slices.Sort(got[1:]) // links are in no order
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	standing(t, n, routing.ID{6}, "ws", "192.0.2.6:80", 3481, 0)
	if got := n.iceServers(); len(got) != 1+limits.RelaySTUN {
		t.Errorf("of %d relays: got %q, want %d of them asked", 3, got, limits.RelaySTUN)
	}
}
