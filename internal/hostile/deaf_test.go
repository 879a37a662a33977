//go:build !race

package hostile_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
)

// heldOfADeaf is what a link may hold whose peer does not read, until it is cut: what
// waits for it, its link frames, and what is on the way there.
const heldOfADeaf = 640 << 10

// Peers that read nothing, and go on to ping and to ask, are all cut, and cost
// little until then. Of an honest flow beside them nothing is lost.
func TestPeersThatDoNotReadAreCut(t *testing.T) {
	const count = 100
	n := start(t, node.Config{Listen: "127.0.0.1:0", MaxLeaves: count + 10, WebRTC: node.WebRTCOff})
	end := honest(t, n)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	deaf := make([]*taker, count)
	for i := range deaf {
		l, err := hostile.Dial(within(t, amply), url(n), hostile.NewSelf(wire.RoleLeaf), hostile.Options{ReadBuffer: 4 << 10})
		if err != nil {
			t.Fatal(err)
		}
		deaf[i] = &taker{Link: l}
		t.Cleanup(func() { l.Close() })
	}
	pusher := dial(t, n, hostile.NewSelf(wire.RoleRelay), hostile.Habits{On: notPing})
	until(t, "the links are up", func() bool { return len(n.Peers()) == count+3 })
	downs := watchDowns(t, n)
	before, began := held(), time.Now()
	for _, x := range deaf { // each asks and pings until it is cut
		all.Go(func() {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for ctx.Err() == nil {
				<-tick.C
				if x.Send(wire.AppendPing(nil, [8]byte{7}), wire.AppendFindNode(nil, &wire.FindNode{Target: x.Self.Key(), Count: 20})) != nil {
					return
				}
			}
		})
	}
	most := 0
	cut := make([]time.Duration, 0, count)
	until(t, "they are all cut", func() bool {
		pushEach(t, pusher, deaf, 6_000)
		if len(cut) == 0 {
			most = max(most, held()-before)
		}
		for left := len(n.Peers()) - 3; len(cut) < count-left; {
			cut = append(cut, time.Since(began))
		}
		return len(cut) == count
	})
	stop()
	all.Wait()
	if down := downs(); len(down) != 1 || down[reason.Stalled.String()] != count {
		t.Errorf("cut as %v, want all as %v", down, reason.Stalled)
	}
	t.Logf("%d links: %d bytes each at most; the first was cut after %v, the last after %v, of which %v are the stall", count, most/count, cut[0], cut[count-1], limits.WriteStall)
	if most > count*heldOfADeaf {
		t.Errorf("got %d bytes for each, want at most %d", most/count, heldOfADeaf)
	}
	if delivered, failed := end(); failed > 0 || delivered == 0 {
		t.Errorf("an honest flow: got %d messages delivered, %d failed", delivered, failed)
	}
}
