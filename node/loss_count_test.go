package node

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// lazy is a link that brings one batch in each pause.
type lazy struct {
	w     *walker
	pause time.Duration
}

// HandleBatch implements [link.Handler].
func (x lazy) HandleBatch(l *link.Link, batch []byte) reason.Reason {
	time.Sleep(x.pause)
	return x.w.HandleBatch(l, batch)
}

// overloaded is a chain a, b, c in which the link to c takes a batch in each pause,
// and c's handler so long for each message.
type overloaded struct {
	t       *testing.T
	a, b, c *Node
	box     *inbox
	before  [3]uint64 // drops
}

func newOverloaded(t *testing.T, pause, perMessage time.Duration) *overloaded {
	m := &mesh{t: t}
	c := m.start("c", Config{MaxLeaves: 8})
	c.between = func(w *walker) link.Handler { return lazy{w, pause} }
	m.open("c", c)
	b := m.listen("b", Config{Bootstrap: []string{"mem://c"}})
	a := m.start("a", Config{Leaf: true, Bootstrap: []string{"mem://b"}})
	o := &overloaded{t: t, a: a, b: b.Node, c: c, box: newInbox()}
	ready(t, a, b.Node)
	c.Handle(HandlerFunc(func(ctx context.Context, m *Message) {
		time.Sleep(perMessage)
		o.box.HandleMessage(ctx, m)
	}))
	if err := a.Send(within(t, 10*time.Second), c.ID(), nil); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	for i, n := range o.nodes() {
		o.before[i] = allDrops(n)
	}
	return o
}

func (o *overloaded) nodes() [3]*Node { return [3]*Node{o.a, o.b, o.c} }

// dropped is what each node dropped since the start.
func (o *overloaded) dropped() (at [3]uint64) {
	for i, n := range o.nodes() {
		at[i] = allDrops(n) - o.before[i]
	}
	return at
}

// received is how many of the datagrams came.
func (o *overloaded) received() uint64 { return uint64(o.box.len() - 1) }

func allDrops(n *Node) (sum uint64) {
	for _, k := range n.Status().Drops {
		sum += k
	}
	return sum
}

// flood sends count datagrams, so many at once and then none for the gap, and
// waits until nothing moves any more.
func (o *overloaded) flood(count, atOnce, size int, gap time.Duration) {
	o.t.Helper()
	data := make([]byte, size)
	for i := range count {
		if i%atOnce == 0 {
			time.Sleep(gap)
		}
		if err := o.a.SendDatagram(o.c.ID(), data); err != nil && !errors.Is(err, ErrQueueFull) {
			o.t.Fatalf("datagram %d: %v", i, err)
		}
	}
	time.Sleep(time.Minute)
}

// Datagrams that are too large to share a frame: what did not arrive was counted
// where it was dropped, at the sender, at the relay and at the receiver.
func TestEachLostDatagramIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOverloaded(t, 20*time.Millisecond, 10*time.Millisecond)
		forwarded := o.b.Status().Forwarded
		const count = 20_000
		o.flood(count, 2_000, limits.SmallDatagram+1, 10*time.Millisecond)
		at := o.dropped()
		t.Logf("of %d: received %d, dropped by sender, relay and receiver %d", count, o.received(), at)
		if sum := o.received() + at[0] + at[1] + at[2]; sum != count {
			t.Errorf("received %d and drops %d: got %d, want %d", o.received(), at, sum, count)
		}
		if at[0] == 0 || at[1] == 0 || at[2] == 0 {
			t.Errorf("drops: got %d, want some at each node", at)
		}
		// Forwarded is what came to the receiver: nothing that the relay dropped.
		got := o.b.Status().Forwarded - forwarded
		if want := o.received() + at[2]; got < want || got > want+controlFrames {
			t.Errorf("forwarded: got %d, want the %d that came, %d dropped", got, want, at[1])
		}
	})
}

// controlFrames is more than the frames that the nodes send each other beside the
// datagrams meanwhile.
const controlFrames = 50

// Small datagrams share frames, which a relay cannot look into: the ends count
// datagrams, and the relay those frames, each of which held some of what is missing.
func TestEachLostBundleIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOverloaded(t, 20*time.Millisecond, time.Millisecond)
		const count, size = 120_000, 64
		o.flood(count, 12_000, size, 10*time.Millisecond)
		at := o.dropped()
		missing := count - o.received() - at[0] - at[2]
		t.Logf("of %d: received %d, dropped %d, missing %d", count, o.received(), at, missing)
		const most = limits.MaxBundle / (size + wire.BundleHeader)
		if at[1] == 0 || missing < at[1] || missing > most*at[1] {
			t.Errorf("%d datagrams are missing and the relay dropped %d frames of 1 to %d", missing, at[1], most)
		}
	})
}

// Without a loss on the way all is exact for small datagrams too.
func TestEachDatagramOfABundleIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOverloaded(t, 0, time.Millisecond)
		const count = 20_000
		o.flood(count, 100, 64, time.Millisecond)
		at := o.dropped()
		t.Logf("of %d: received %d, dropped %d", count, o.received(), at)
		if sum := o.received() + at[0] + at[2]; sum != count || at[1] > 0 || at[2] == 0 {
			t.Errorf("received %d and drops %d: got %d, want %d, some dropped by the receiver and none by the relay", o.received(), at, sum, count)
		}
	})
}

// What waits in a port when it is closed, or the whole node is, is lost too.
func TestWhatAClosedPortHoldsIsCounted(t *testing.T) {
	const count = 10
	for name, end := range map[string]func(*Node, *PacketPort) error{
		"port": func(_ *Node, p *PacketPort) error { return p.Close() },
		"node": func(n *Node, _ *PacketPort) error { return n.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := (&mesh{t: t}).start("a", Config{})
				p, err := n.OpenPacketPort(7)
				if err != nil {
					t.Fatal(err)
				}
				for range count {
					n.loopBack(p.p, 7, []byte("x"))
				}
				if _, _, err := p.Read(nil, nil); err != nil { // the others are taken out of the queue with it
					t.Fatal(err)
				}
				n.loopBack(p.p, 7, nil)
				if err := errors.Join(end(n, p), p.Close()); err != nil {
					t.Fatal(err)
				}
				if got := [2]uint64{n.drops.Get(reason.NoHandler), p.Drops()["no-handler"]}; got != [2]uint64{count, count} {
					t.Errorf("lost with the %s: got %d counted by node and port, want %d", name, got, count)
				}
			})
		})
	}
	t.Run("handler", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := (&mesh{t: t}).start("a", Config{})
			p, err := n.OpenPort(7, HandlerFunc(func(context.Context, *Message) { time.Sleep(time.Second) }))
			if err != nil {
				t.Fatal(err)
			}
			from := &Port{num: 1, drops: new(reason.Counters)}
			for range count {
				n.loopBack(from, 7, nil)
			}
			synctest.Wait() // it has them all, and handles the first
			n.loopBack(from, 7, nil)
			_ = p.Close()
			time.Sleep(time.Minute)
			if got := n.drops.Get(reason.NoHandler); got != count {
				t.Errorf("lost with the port: got %d counted, want %d", got, count)
			}
		})
	})
}
