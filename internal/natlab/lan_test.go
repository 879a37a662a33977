//go:build linux

package natlab

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// TestOneLAN: nodes that have a link to their own machine and one to their LAN meet
// each other, on the LAN or on the machine. No server tells them how they are seen
// from outside.
func TestOneLAN(t *testing.T) {
	t.Parallel()
	c := newCell(t)
	home := c.newNAT(t, portRestricted, 1)
	port := fmt.Sprint(relayPort)
	c.relay[0].runs(t, "--port", port)
	common := home.host(t, "lan")
	relay := common.runs(t, "--port", port, "--bootstrap", "ws://"+c.relay[0].at(relayPort))
	join := func(at place, own *member) *member {
		n := ready(t, at.play(t, "node", "ws://127.0.0.1:"+port, "ws://"+common.at(relayPort)))
		n.awaitLink(t, own)
		n.awaitLink(t, relay)
		return n
	}
	a, b := home.host(t, "a"), home.host(t, "b")
	ownA, ownB := a.ownRelay(t, common), b.ownRelay(t, common)
	first, second, neighbour := join(a, ownA), join(b, ownB), join(a, ownA)
	for _, pair := range []struct {
		with *member
		at   netip.Addr
	}{{second, b.addr}, {neighbour, netip.MustParseAddr("127.0.0.1")}} { // as a peer on this machine is told
		made := first.does(t, "connect", pair.with)
		if made.Cause != "" || made.Link == nil {
			t.Errorf("connect: got %+v, want a link", made)
			continue
		}
		addr, err := netip.ParseAddrPort(made.Link.Address)
		if err != nil || made.Link.Transport != "webrtc" || addr.Addr() != pair.at {
			t.Errorf("got %+v, want a link over WebRTC with %v", made.Link, pair.at)
		}
		t.Logf("%s, %v", made.Link.Path, made.Took)
	}
}

// ownRelay runs a relay for the nodes of this machine alone.
func (p place) ownRelay(t *testing.T, next place) *member {
	t.Helper()
	return p.runs(t, "--host", "127.0.0.1", "--port", fmt.Sprint(relayPort), "--bootstrap", "ws://"+next.at(relayPort), "--webrtc", "off")
}

// awaitLink waits for a link of a node of the test's own program.
func (m *member) awaitLink(t *testing.T, with *member) {
	t.Helper()
	for end := time.Now().Add(patience); m.does(t, "look", with).Link == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: got no link with %s after %v", m.name, with.name, patience)
		}
	}
}
