package dgram_test

import (
	"context"
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to come; only a failure takes it.
const patience = 30 * time.Second

// memNet is nodes that reach each other over memory.
type memNet struct{ mem.Network }

// leaf returns the Config of a node that links to the named ones.
func (m *memNet) leaf(name string, bootstrap ...string) node.Config {
	cfg := node.Config{Leaf: true, WebRTC: node.WebRTCOff, Dialers: map[string]transport.Dialer{"mem": m.Dialer(name)}}
	for _, b := range bootstrap {
		cfg.Bootstrap = append(cfg.Bootstrap, "mem://"+b)
	}
	return cfg
}

// relay starts a node that takes links at mem://name.
func (m *memNet) relay(t testing.TB, name string, bootstrap ...string) *node.Node {
	t.Helper()
	cfg := m.leaf(name, bootstrap...)
	cfg.Leaf, cfg.MaxLeaves = false, 64
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if len(bootstrap) > 0 {
		ready(t, n)
	}
	m.serve(t, name, n)
	return n
}

func (m *memNet) serve(t testing.TB, name string, n *node.Node) {
	t.Helper()
	l, err := m.Listen(name, n.Accept)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

// conn is a PacketConn of a node of its own. Ready: it has a link.
func conn(t testing.TB, cfg node.Config, port uint16) *dgram.PacketConn {
	t.Helper()
	c, err := dgram.ListenConfig(cfg, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if len(cfg.Bootstrap) > 0 {
		ready(t, c.Node())
	}
	return c
}

func ready(t testing.TB, n *node.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := n.Ready(ctx); err != nil {
		t.Fatal(err)
	}
}

// memPair is two conns with a relay between them and a session.
func memPair(t testing.TB) (a, b *dgram.PacketConn) {
	t.Helper()
	m := &memNet{}
	m.relay(t, "relay")
	a, b = conn(t, m.leaf("a", "relay"), 7), conn(t, m.leaf("b", "relay"), 0)
	greet(t, a, b)
	return a, b
}

// wsPair is the same over WebSocket on loopback.
func wsPair(t testing.TB) (a, b *dgram.PacketConn) {
	t.Helper()
	relay, err := node.New(node.Config{MaxLeaves: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { relay.Close() })
	server := httptest.NewServer(relay)
	t.Cleanup(server.Close)
	cfg := node.Config{WebRTC: node.WebRTCOff, Bootstrap: []string{"ws" + strings.TrimPrefix(server.URL, "http")}}
	a, b = conn(t, cfg, 7), conn(t, cfg, 0)
	greet(t, a, b)
	return a, b
}

// greet makes two conns know each other, so that nothing waits for a session.
func greet(t testing.TB, a, b net.PacketConn) {
	t.Helper()
	write(t, b, "hello", a.LocalAddr())
	expect(t, a, "hello")
	write(t, a, "hello", b.LocalAddr())
	expect(t, b, "hello")
}

func write(t testing.TB, c net.PacketConn, data string, to net.Addr) {
	t.Helper()
	if n, err := c.WriteTo([]byte(data), to); n != len(data) || err != nil {
		t.Fatalf("write %d bytes to %v: got %d, %v", len(data), to, n, err)
	}
}

// read reads one datagram, with patience.
func read(t testing.TB, c net.PacketConn) (string, net.Addr) {
	t.Helper()
	set(t, c.SetReadDeadline(time.Now().Add(patience)))
	defer func() { set(t, c.SetReadDeadline(time.Time{})) }()
	buf := make([]byte, 1<<16)
	n, from, err := c.ReadFrom(buf)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(buf[:n]), from
}

func expect(t testing.TB, c net.PacketConn, want string) (from net.Addr) {
	t.Helper()
	got, from := read(t, c)
	if got != want {
		t.Fatalf("read: got %.40q, want %.40q", got, want)
	}
	return from
}

func set(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("set: %v", err)
	}
}

// isTimeout checks an error as programs do that set deadlines.
func isTimeout(t testing.TB, what string, err error) {
	t.Helper()
	var ne net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
		t.Fatalf("%s: got %v, want a timeout", what, err)
	}
}

// isClosed checks an error as programs do that end by closing.
func isClosed(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, net.ErrClosed) {
		t.Fatalf("%s: got %v, want net.ErrClosed", what, err)
	}
}

// pair is two conns that a conformance case runs on.
type pair struct {
	a, b    net.PacketConn
	largest int
	nobody  net.Addr      // where nobody is
	settle  func()        // waits until what was sent has arrived, where that can be known
	dropped func() uint64 // what found no room at a, where that can be known
}

// carriers run a test on each kind of pair.
var carriers = []struct {
	name string
	run  func(t *testing.T, test func(t *testing.T, p pair))
}{
	{"mem", func(t *testing.T, test func(*testing.T, pair)) {
		synctest.Test(t, func(t *testing.T) {
			a, b := memPair(t)
			test(t, ours(a, b, synctest.Wait))
		})
	}},
	{"ws", func(t *testing.T, test func(*testing.T, pair)) {
		a, b := wsPair(t)
		test(t, ours(a, b, func() {}))
	}},
	{"udp", func(t *testing.T, test func(*testing.T, pair)) {
		a, b := udpConn(t), udpConn(t)
		nobody := udpConn(t)
		nobody.Close()
		test(t, pair{a, b, 65_507, nobody.LocalAddr(), func() {}, func() uint64 { return 1 << 63 }})
	}},
}

func ours(a, b *dgram.PacketConn, settle func()) pair {
	nobody := a.LocalAddr().(dgram.Addr)
	nobody.Port++
	return pair{a, b, dgram.MTU, nobody, settle, func() uint64 { return a.Stats().Drops["port-full"] }}
}

func udpConn(t *testing.T) net.PacketConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
