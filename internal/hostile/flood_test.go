package hostile_test

import (
	"context"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
)

// One link brings ten times its budget, of frames for others, for nobody, for the
// relay itself and for the link: twenty others lose nothing that is acknowledged,
// and the relay holds no more for it than its queues have room for.
func TestOneLinkFloods(t *testing.T) {
	const pairs, seconds = 10, 2
	n := relay(t)
	var leaves []*node.Node
	for range 2 * pairs {
		l := leaf(t, url(n))
		l.Handle(newInbox())
		leaves = append(leaves, l)
	}
	for i := range leaves { // the sessions stand
		if err := leaves[i].Send(within(t, amply), leaves[i^1].ID(), nil); err != nil {
			t.Fatal(err)
		}
	}
	quiet := hundredASecond(t, leaves, seconds*time.Second)
	before := heldBytes()

	self := hostile.NewSelf(wire.RoleRelay)
	x := dial(t, n, self, hostile.Habits{})
	frames := floodOf(x, leaves[0], n)
	flood, stop := context.WithCancel(context.Background())
	sent := 0
	var flooding sync.WaitGroup
	flooding.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for flood.Err() == nil {
			<-tick.C
			for range 10 * limits.LinkReceiveBytes / 1_000 / len(frames) {
				if x.SendBatch(frames) != nil {
					return
				}
				sent += len(frames)
			}
		}
	})
	loud := hundredASecond(t, leaves, seconds*time.Second)
	grown := heldBytes() - before
	stop()
	x.Close()
	flooding.Wait()
	if grown > 64<<20 {
		t.Errorf("what is held grew by %d MiB, want at most 64", grown>>20)
	}
	p99 := func(all []time.Duration) time.Duration { return all[len(all)*99/100] }
	t.Logf("p99 of %d messages: quiet %v, flooded %v; %d MiB of flood; held %+d KiB", len(quiet), p99(quiet), p99(loud), sent>>20, grown>>10)
}

// floodOf is a batch of some 20 KiB for an honest leaf, for nobody, for the relay
// itself, and of pings.
func floodOf(x *hostile.Link, victim, n *node.Node) (batch []byte) {
	body := make([]byte, 800)
	for _, dst := range []wire.ID{wire.ID(victim.ID()), {1, 2, 3}, wire.ID(n.ID())} {
		f := wire.AppendFrame(nil, &wire.Frame{Type: wire.TypeData, Class: wire.ClassBulk, HopLimit: 64, Dst: dst, Src: x.Self.ID(), Body: body})
		for range 8 {
			batch = wire.AppendToBatch(batch, f)
		}
	}
	for range 8 {
		batch = wire.AppendToBatch(batch, wire.AppendPing(nil, [8]byte{7}))
	}
	return batch
}

// hundredASecond has each node send its neighbour in the list a hundred messages
// a second, and returns how long each took, the shortest first. None may fail.
func hundredASecond(t *testing.T, all []*node.Node, long time.Duration) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var took []time.Duration
	var senders sync.WaitGroup
	for i, from := range all {
		senders.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for range long / (10 * time.Millisecond) {
				<-tick.C
				senders.Go(func() {
					at := time.Now()
					err := from.Send(within(t, amply), all[i^1].ID(), make([]byte, 100))
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						t.Errorf("a message was not delivered: %v", err)
					}
					took = append(took, time.Since(at))
				})
			}
		})
	}
	senders.Wait()
	slices.Sort(took)
	return took
}

// heldBytes are the bytes of heap and stacks in use.
func heldBytes() int {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(s)
	return int(s[0].Value.Uint64() + s[1].Value.Uint64())
}
