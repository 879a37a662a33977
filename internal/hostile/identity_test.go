package hostile_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
)

// replaced is a relay that ends each link as replaced, and shows what it likes.
func replaced(t *testing.T, show func(l *hostile.Link) [][]byte) *hostile.Server {
	t.Helper()
	self := hostile.NewSelf(wire.RoleRelay)
	srv, err := hostile.Serve(func(p hostile.Pipe) {
		if l, err := hostile.Take(p, self); err == nil {
			_ = l.Send(wire.AppendBye(nil, &wire.Bye{Reason: uint8(reason.Replaced), Contacts: show(l)}))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	return srv
}

// One peer's word raises no alarm: neither bare nor with records that it has of
// the node, of itself, or of an earlier start.
func TestReplacedOnAPeersWordAlone(t *testing.T) {
	dir := t.TempDir()
	key, _, err := identity.LoadOrCreate(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	earlier := hostile.As(key, wire.RoleRelay).Contact()
	time.Sleep(2 * time.Millisecond) // the sequence of what the node signs is later
	srv := replaced(t, func(l *hostile.Link) [][]byte {
		return [][]byte{l.PeerHello.Contact, hostile.NewSelf(wire.RoleRelay).Contact(), earlier}
	})
	n := start(t, node.Config{StateDir: dir, Bootstrap: []string{srv.URL}, WebRTC: node.WebRTCOff})
	awaitDown(t, n, reason.Replaced)
	if at := n.Status().IdentityInUseAt; !at.IsZero() {
		t.Error("a peer that has no proof made the node say that its identity is in use")
	}
}

// A record that only another process with the key can have signed does.
func TestReplacedWithProof(t *testing.T) {
	dir := t.TempDir()
	key, _, err := identity.LoadOrCreate(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	srv := replaced(t, func(*hostile.Link) [][]byte {
		thief := hostile.As(key, wire.RoleRelay)
		time.Sleep(2 * time.Millisecond)
		return [][]byte{thief.Contact()}
	})
	n := start(t, node.Config{StateDir: dir, Bootstrap: []string{srv.URL}, WebRTC: node.WebRTCOff})
	until(t, "the identity is in use", func() bool { return !n.Status().IdentityInUseAt.IsZero() })
}

// Nor needs the node a peer where the other process links with it.
func TestOwnKeyLinks(t *testing.T) {
	dir := t.TempDir()
	key, _, err := identity.LoadOrCreate(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n := start(t, node.Config{StateDir: dir, Listen: "127.0.0.1:0", WebRTC: node.WebRTCOff})
	if l, err := hostile.Dial(within(t, amply), url(n), hostile.As(key, wire.RoleRelay), hostile.Options{}); err == nil {
		defer l.Close()
	}
	until(t, "the identity is in use", func() bool { return !n.Status().IdentityInUseAt.IsZero() })
}

// awaitDown waits until a link of the node ended for a reason.
func awaitDown(t *testing.T, n *node.Node, why reason.Reason) {
	t.Helper()
	for ev := range n.Events(within(t, amply)) {
		if ev.Kind == node.PeerDown && ev.Reason == why.String() {
			return
		}
	}
	t.Fatalf("no link ended as %v", why)
}
