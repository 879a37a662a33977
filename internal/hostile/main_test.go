package hostile_test

import (
	"bytes"
	"context"
	mathrand "math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// amply bounds what takes far less, on a busy machine too: only a failure takes it.
const amply = time.Minute

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// start starts a node.
func start(t testing.TB, cfg node.Config) *node.Node {
	t.Helper()
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// relay starts a node with a port on loopback.
func relay(t testing.TB, bootstrap ...string) *node.Node {
	t.Helper()
	n := start(t, node.Config{Listen: "127.0.0.1:0", Bootstrap: bootstrap, WebRTC: node.WebRTCOff})
	if len(bootstrap) > 0 {
		ready(t, n)
	}
	return n
}

// leaf starts a node that joins by some relays.
func leaf(t testing.TB, bootstrap ...string) *node.Node {
	t.Helper()
	n := start(t, node.Config{Leaf: true, Bootstrap: bootstrap, WebRTC: node.WebRTCOff})
	ready(t, n)
	return n
}

func ready(t testing.TB, nodes ...*node.Node) {
	t.Helper()
	for _, n := range nodes {
		if err := n.Ready(within(t, amply)); err != nil {
			t.Fatalf("node %s: %v", n.ID().Short(), err)
		}
	}
}

// url is where a node listens.
func url(n *node.Node) string { return n.URLs()[0] }

// dial links a client with a node and runs the link.
func dial(t testing.TB, n *node.Node, self *hostile.Self, habits hostile.Habits) *hostile.Link {
	t.Helper()
	l, err := hostile.Dial(within(t, amply), url(n), self, hostile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Run(habits)
}

// inbox is a handler that keeps what it gets.
type inbox struct {
	mu   sync.Mutex
	got  []node.Message
	news chan struct{}
}

func newInbox() *inbox { return &inbox{news: make(chan struct{}, 1)} }

func (b *inbox) HandleMessage(_ context.Context, m *node.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := *m
	c.Data = bytes.Clone(m.Data)
	b.got = append(b.got, c)
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// all is what has come so far.
func (b *inbox) all() []node.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]node.Message(nil), b.got...)
}

// wait waits for n messages and returns them.
func (b *inbox) wait(t testing.TB, n int) []node.Message {
	t.Helper()
	timeout := time.After(amply)
	for {
		if got := b.all(); len(got) >= n {
			return got
		}
		select {
		case <-b.news:
		case <-timeout:
			t.Fatalf("messages: got %d, want %d", len(b.all()), n)
		}
	}
}

// until waits for a condition that nothing tells of.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(amply); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// peers says whether a node has an admitted link with somebody.
func peers(n *node.Node, id wire.ID) bool {
	for _, p := range n.Peers() {
		if wire.ID(p.ID) == id {
			return true
		}
	}
	return false
}

// seeded is randomness that repeats.
func seeded(seed byte) *mathrand.ChaCha8 { return mathrand.NewChaCha8([32]byte{seed}) }
