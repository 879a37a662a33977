package node

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mesh is a set of nodes that reach each other over memory.
type mesh struct {
	t   *testing.T
	net mem.Network
}

// listening is a node that others can dial by its name.
type listening struct {
	*Node
	l *mem.Listener
}

// start starts a node that dials by mem://name.
func (m *mesh) start(name string, cfg Config) *Node {
	m.t.Helper()
	if cfg.Dialers == nil {
		cfg.Dialers = map[string]transport.Dialer{"mem": m.net.Dialer(name)}
	}
	cfg.WebRTC = WebRTCOff // real sockets know no virtual time
	if testing.Verbose() {
		cfg.Logger = slog.New(slog.NewTextHandler(testLog{m.t}, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", name)
	}
	n, err := New(cfg)
	if err != nil {
		m.t.Fatalf("start %s: %v", name, err)
	}
	m.t.Cleanup(func() { n.Close() })
	return n
}

// listen starts a node that takes links at mem://name.
func (m *mesh) listen(name string, cfg Config) *listening {
	m.t.Helper()
	if cfg.MaxLeaves == 0 {
		cfg.MaxLeaves = 64
	}
	n := m.start(name, cfg)
	return &listening{n, m.open(name, n)}
}

func (m *mesh) open(name string, n *Node) *mem.Listener {
	m.t.Helper()
	l, err := m.net.Listen(name, n.Accept)
	if err != nil {
		m.t.Fatalf("listen %s: %v", name, err)
	}
	m.t.Cleanup(func() { l.Close() })
	return l
}

// stop ends a listening node at once, as a crash does.
func (l *listening) stop() {
	l.l.Close()
	l.Node.Close()
}

type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// amply bounds what takes far less over real sockets, on a busy machine too: only
// a failure takes it.
const amply = time.Minute

// within is a context that ends after d, or with the test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func ready(t *testing.T, nodes ...*Node) {
	t.Helper()
	for _, n := range nodes {
		if err := n.Ready(within(t, amply)); err != nil {
			t.Fatalf("node %s: %v", n.ID().Short(), err)
		}
	}
}

// inbox is a handler that keeps what it gets.
type inbox struct {
	mu   sync.Mutex
	got  []Message
	news chan struct{}
}

func newInbox() *inbox { return &inbox{news: make(chan struct{}, 1)} }

func (b *inbox) HandleMessage(_ context.Context, m *Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := *m
	c.Data = bytes.Clone(m.Data)
	b.got = append(b.got, c)
	poke(b.news)
}

func (b *inbox) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.got)
}

// wait waits for n messages and returns them.
func (b *inbox) wait(t *testing.T, n int) []Message {
	t.Helper()
	timeout := time.After(amply)
	for b.len() < n {
		select {
		case <-b.news:
		case <-timeout:
			t.Fatalf("messages: got %d, want %d", b.len(), n)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got
}

// awaitEvent waits for an event of a kind that satisfies ok.
func awaitEvent(t *testing.T, events <-chan Event, kind EventKind, ok func(Event) bool) Event {
	t.Helper()
	timeout := time.After(2 * time.Minute)
	for {
		select {
		case ev := <-events:
			if ev.Kind == kind && (ok == nil || ok(ev)) {
				return ev
			}
		case <-timeout:
			t.Fatalf("no event %q", kind)
		}
	}
}

// watch collects the events of a node.
func watch(t *testing.T, n *Node) <-chan Event {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	seq := n.Events(ctx)
	c := make(chan Event, 1000)
	var wg sync.WaitGroup
	wg.Go(func() {
		for ev := range seq {
			c <- ev
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return c
}

// relayed starts a relay b and two nodes that know only b.
func relayed(t *testing.T, m *mesh, cfg Config) (a *Node, b *listening, c *Node) {
	t.Helper()
	b = m.listen("b", cfg)
	cfg.Bootstrap = []string{"mem://b"}
	a, c = m.start("a", cfg), m.start("c", cfg)
	ready(t, a, c)
	return a, b, c
}

func linkedTo(n *Node, id routing.ID) bool {
	for _, p := range n.Peers() {
		if p.ID == id {
			return true
		}
	}
	return false
}

func peerInfo(t *testing.T, n *Node, peer routing.ID) PeerInfo {
	t.Helper()
	for _, p := range n.Peers() {
		if p.ID == peer {
			return p
		}
	}
	t.Fatalf("%s has no link with %s", n.ID().Short(), peer.Short())
	return PeerInfo{}
}

func routingID(id [20]byte) routing.ID { return id }
