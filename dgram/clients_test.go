package dgram_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/node"
)

// The tests of this file's kin run libraries that were written for UDP, as they
// are, over a mesh of real sockets on 127.0.0.1.

// upTo is a context for a whole test on a busy machine.
func upTo(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// relays starts so many nodes with ports, each of which is linked with the others.
func relays(t testing.TB, count int) []*node.Node {
	t.Helper()
	var all []*node.Node
	for range count {
		var urls []string
		for _, r := range all {
			urls = append(urls, r.URLs()...)
		}
		n, err := node.New(node.Config{Listen: "127.0.0.1:0", WebRTC: node.WebRTCOff, Bootstrap: urls})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		all = append(all, n)
	}
	for _, n := range all[1:] {
		if err := n.Ready(upTo(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// leaf opens a port of a node of its own that is linked with these relays and, as
// it wants no more than one home, with no others.
func leaf(t testing.TB, port uint16, homes ...*node.Node) *dgram.PacketConn {
	t.Helper()
	cfg := node.Config{Leaf: true, Homes: 1, WebRTC: node.WebRTCOff} // by relays alone
	for _, h := range homes {
		cfg.Bootstrap = append(cfg.Bootstrap, h.URLs()...)
	}
	conn, err := dgram.ListenConfig(cfg, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx := upTo(t, time.Minute)
	if err := conn.Node().Ready(ctx); err != nil {
		t.Fatal(err)
	}
	for len(conn.Node().Peers()) < len(homes) {
		if time.Sleep(time.Millisecond); ctx.Err() != nil {
			t.Fatalf("links: got %d, want %d", len(conn.Node().Peers()), len(homes))
		}
	}
	return conn
}

// apart returns two leaves, each of which has a relay of its own.
func apart(t testing.TB) (a, c *dgram.PacketConn) {
	t.Helper()
	r := relays(t, 2)
	a, c = leaf(t, 0, r[0]), leaf(t, 4433, r[1])
	p, err := a.Node().Ping(upTo(t, time.Minute), c.Node().ID())
	if err != nil || p.Hops != 3 {
		t.Fatalf("the way: got %d hops and %v, want 3: over two relays", p.Hops, err)
	}
	return a, c
}

// certify returns the certificate for the ID of a port's node.
func certify(t testing.TB, conn *dgram.PacketConn) tls.Certificate {
	t.Helper()
	cert, err := conn.Node().TLSCertificate()
	if err != nil {
		t.Fatal(err)
	}
	return *cert
}

// pinned checks that a certificate is that of the ID behind an address.
func pinned(certificates [][]byte, to net.Addr) error {
	if len(certificates) == 0 {
		return errors.New("no certificate")
	}
	return node.VerifyTLSCertificate(certificates[0], to.(dgram.Addr).ID)
}

func addrOf(conn *dgram.PacketConn) dgram.Addr { return conn.LocalAddr().(dgram.Addr) }
