package node

import (
	"testing"
	"time"
)

// apart returns two nodes without a port, each behind a relay of its own.
func apart(t *testing.T, cfg Config) (a, b *Node) {
	t.Helper()
	first := relayOn(t, Config{})
	second := relayOn(t, Config{Bootstrap: first.URLs()})
	awaitPeer(t, second, first.ID())
	awaitPeer(t, first, second.ID())
	ca, cb := cfg, cfg
	ca.Bootstrap, cb.Bootstrap = first.URLs(), second.URLs()
	return relayOff(t, ca), relayOff(t, cb)
}

func peerInfo(t *testing.T, n, peer *Node) PeerInfo {
	t.Helper()
	for _, p := range n.Peers() {
		if p.ID == peer.ID() {
			return p
		}
	}
	t.Fatalf("%s has no link with %s", n.ID().Short(), peer.ID().Short())
	return PeerInfo{}
}

func TestConnectOverWebRTC(t *testing.T) {
	a, b := apart(t, Config{})
	start := time.Now()
	connected(t, a, b)
	t.Log(time.Since(start))
	for _, p := range []PeerInfo{peerInfo(t, a, b), peerInfo(t, b, a)} {
		if p.Transport != rtcKind || p.Path == "" {
			t.Errorf("got %+v, want a link over WebRTC", p)
		}
		t.Logf("%+v", p)
	}
}

func relayOff(t *testing.T, cfg Config) *Node {
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	ready(t, n)
	return n
}
