//go:build !race

package hostile_test

import (
	"context"
	"os"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
)

// What a link of a hostile peer may make a node hold, and all of them.
const (
	heldOfOne = 320 << 10
	heldOfAll = 64 << 20
)

// held is what this process has in heap and stacks that a thorough collection finds
// in use; what clients throw away meanwhile is not counted.
func held() int {
	for range 3 { // pools are emptied by the second, stacks shrink by half each time
		runtime.GC()
	}
	all := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(all)
	return int(all[0].Value.Uint64() + all[1].Value.Uint64())
}

// taker is a client that reads, and never acks.
type taker struct {
	*hostile.Link
	taken atomic.Int64 // bytes of mesh frames
}

// notPing is a habit: all but pings is dealt with, and nothing of it is kept.
func notPing(frame []byte) bool { return !hostile.IsLink(wire.LinkPing)(frame) }

func takers(t *testing.T, n *node.Node, count int) []*taker {
	all := make([]*taker, count)
	for i := range all {
		x := &taker{}
		x.Link = dial(t, n, hostile.NewSelf(wire.RoleLeaf), hostile.Habits{NoAck: true, On: func(frame []byte) bool {
			if !wire.IsLink(frame) {
				x.taken.Add(int64(len(frame)))
			}
			return notPing(frame)
		}})
		all[i] = x
	}
	return all
}

// nothing is a handler that keeps nothing.
type nothing struct{}

func (nothing) HandleMessage(context.Context, *node.Message) {}

// honest is a flow of messages between two nodes by way of a relay. It returns what
// ends it and tells how many messages were delivered and failed.
func honest(t *testing.T, n *node.Node) (end func() (delivered, failed int)) {
	from, to := leaf(t, url(n)), leaf(t, url(n))
	to.Handle(nothing{})
	if err := from.Send(within(t, amply), to.ID(), nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	all := within(t, 2*amply)
	delivered, failed := 0, 0
	var flow sync.WaitGroup
	flow.Go(func() {
		for data := make([]byte, 2_000); ctx.Err() == nil; {
			if err := from.Send(all, to.ID(), data); err != nil {
				failed++
			}
			delivered++
		}
	})
	return func() (int, int) {
		cancel()
		flow.Wait()
		return delivered, failed
	}
}

// Peers that read, answer pings and never ack cost little, are cut, and take nothing
// from those who do.
func TestPeersThatNeverAckCostLittle(t *testing.T) {
	for _, test := range []struct{ count, size int }{{60, 60}, {60, 4_200}, {many(t), 4_200}} {
		n := start(t, node.Config{Listen: "127.0.0.1:0", MaxLeaves: test.count + 10, WebRTC: node.WebRTCOff})
		end := honest(t, n)
		downs := watchDowns(t, n)
		all := takers(t, n, test.count)
		pusher := dial(t, n, hostile.NewSelf(wire.RoleRelay), hostile.Habits{On: notPing})
		until(t, "the links are up", func() bool { return len(n.Peers()) == test.count+3 })
		before, began := held(), time.Now()
		for least := int64(0); least < 2*limits.SentRing && time.Since(began) < limits.AckPatience*3/4; {
			pushEach(t, pusher, all, test.size)
			least = all[0].taken.Load()
			for _, x := range all {
				least = min(least, x.taken.Load())
			}
		}
		settle(all)
		most := held() - before
		t.Logf("%d links, frames of %d bytes: %d bytes each, %.1f MiB", test.count, test.size, most/test.count, float64(most)/(1<<20))
		if most > test.count*heldOfOne || most > heldOfAll {
			t.Errorf("got %d bytes more than the quiet node, want at most %d each, %d in all", most, heldOfOne, heldOfAll)
		}
		for cut := time.Now(); len(n.Peers()) > 3 && time.Since(cut) < amply; time.Sleep(limits.IdleTick) {
			pushEach(t, pusher, all, test.size) // what waited may have gone another way
		}
		if left := len(n.Peers()) - 3; left > 0 {
			t.Errorf("got %d of them that are not cut", left)
		}
		if down := downs(); len(down) != 1 || down[reason.Stalled.String()] != test.count {
			t.Errorf("cut as %v, want all as %v", down, reason.Stalled)
		}
		if delivered, failed := end(); failed > 0 || delivered == 0 {
			t.Errorf("an honest flow: got %d messages delivered, %d failed", delivered, failed)
		}
	}
}

// watchDowns counts the links that end, by their reasons, until it is asked.
func watchDowns(t *testing.T, n *node.Node) (end func() map[string]int) {
	ctx, stop := context.WithCancel(t.Context())
	down := make(map[string]int)
	var watching sync.WaitGroup
	watching.Go(func() {
		for ev := range n.Events(ctx) {
			if ev.Kind == node.PeerDown {
				down[ev.Reason]++
			}
		}
	})
	return func() map[string]int {
		stop()
		watching.Wait()
		return down
	}
}

// settle waits until what was sent has been read.
func settle(all []*taker) {
	for before, now := int64(-1), int64(0); before != now; time.Sleep(200 * time.Millisecond) {
		before, now = now, 0
		for _, x := range all {
			now += x.taken.Load()
		}
	}
}

// many is how many links the largest test has: 1,000 takes most of a minute.
func many(t *testing.T) int {
	if os.Getenv("PEERMESH_TEST_MANY_LINKS") == "" {
		t.Log("60 in place of 1,000 links, for PEERMESH_TEST_MANY_LINKS is empty")
		return 60
	}
	return 1_000
}

// Links that push, in all classes, to links that nobody reads fill what waits for
// each of these, and together no more than the node has for them.
func TestPushersToPeersThatDoNotReadCostLittle(t *testing.T) {
	const count = 40
	n := start(t, node.Config{Listen: "127.0.0.1:0", WebRTC: node.WebRTCOff})
	end := honest(t, n)
	deaf := make([]*hostile.Link, count)
	for i := range deaf {
		l, err := hostile.Dial(within(t, amply), url(n), hostile.NewSelf(wire.RoleLeaf), hostile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		deaf[i] = l
	}
	pushers := make([]*hostile.Link, count)
	for i := range pushers {
		pushers[i] = dial(t, n, hostile.NewSelf(wire.RoleRelay), hostile.Habits{On: notPing})
	}
	until(t, "the links are up", func() bool { return len(n.Peers()) == 2*count+2 })
	before := held()
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var still sync.RWMutex // held to measure: what is made meanwhile would count as in use
	for _, p := range pushers {
		all.Go(func() {
			var frames [30][]byte // made once, so that what clients throw away is little
			for k := range frames {
				frames[k] = data(p, wire.ID{}, wire.ClassAck, make([]byte, 1_000))
			}
			for i := 0; ctx.Err() == nil; i++ {
				for _, f := range frames {
					f[1] = byte(1 + i%3) // the class
					*wire.FrameDst(f) = deaf[i%count].Self.ID()
				}
				still.RLock()
				err := p.Send(frames[:]...)
				still.RUnlock()
				if err != nil {
					return
				}
			}
		})
	}
	most := 0
	for began := time.Now(); time.Since(began) < limits.WriteStall+time.Second; time.Sleep(100 * time.Millisecond) {
		still.Lock()
		most = max(most, held()-before)
		still.Unlock()
	}
	stop()
	for _, p := range pushers {
		p.Close()
	}
	all.Wait()
	t.Logf("%.1f MiB more than the quiet node, of what waits dropped: %v", float64(most)/(1<<20), n.Status().LimitsHit)
	if most > heldOfAll {
		t.Errorf("got %d bytes more than the quiet node, want at most %d", most, heldOfAll)
	}
	if delivered, failed := end(); failed > 0 || delivered == 0 {
		t.Errorf("an honest flow: got %d messages delivered, %d failed", delivered, failed)
	}
}

// pushEach sends each taker one frame, in records of few, so that the frames leave
// one by one.
func pushEach(t *testing.T, from *hostile.Link, to []*taker, size int) {
	body := make([]byte, size-wire.HeaderLen)
	for len(to) > 0 {
		n := min(len(to), 10)
		frames := make([][]byte, n)
		for i, x := range to[:n] {
			frames[i] = data(from, x.Self.ID(), wire.ClassInteractive, body)
		}
		if err := from.Send(frames...); err != nil {
			t.Fatal(err)
		}
		to = to[n:]
	}
}

// data is a mesh frame of data that no session sealed.
func data(from *hostile.Link, to wire.ID, class wire.Class, body []byte) []byte {
	return wire.AppendFrame(nil, &wire.Frame{Type: wire.TypeData, Class: class, HopLimit: 64, Dst: to, Src: from.Self.ID(), Body: body})
}
