//go:build !nowebrtc

package node

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// silentServer takes connections on loopback and answers nothing.
func silentServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String() // the queue of the listener takes them
}

// Who lets a node dial addresses that never answer keeps nobody else from it.
func TestConnectBesideManyAsks(t *testing.T) {
	first, second := twoRelays(t)
	a, b, honest := leafOf(t, first, Config{}), leafOf(t, second, Config{}), leafOf(t, first, Config{})
	silent := silentServer(t)
	ctx := within(t, 20*time.Second)
	var all sync.WaitGroup
	stop := make(chan struct{})
	for range 16 {
		all.Go(func() {
			ask := wire.ConnectAsk{Kind: wire.ConnectLinkBack, URLs: []string{"ws://" + silent + "/a", "ws://" + silent + "/b"}}
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = a.question(ctx, b.ID(), &ask)
				}
			}
		})
	}
	awaitDrops(t, b, reason.RateLimited, 16)
	if err := honest.Connect(ctx, b.ID()); err != nil {
		t.Errorf("got %v, want a link", err)
	}
	close(stop)
	b.Close()
	all.Wait()
}

// What nobody can read is refused, so that the asker need not wait.
func TestMalformedAskIsRefused(t *testing.T) {
	first, second := twoRelays(t)
	a, b := leafOf(t, first, Config{}), leafOf(t, second, Config{})
	m := message{kind: wire.PlainRequest, data: []byte("no ask")}
	res, err := a.send(within(t, 10*time.Second), wire.ConnectPort, Addr{b.ID(), wire.ConnectPort}, m)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := wire.ParseConnectReply(res.Response)
	if err != nil || reply.Kind != wire.ConnectNoWay || reply.Reason != uint8(reason.Malformed) {
		t.Errorf("got %+v, %v, want no way, for %v", reply, err, reason.Malformed)
	}
}

// An ask for which there is no room, not even for a refusal, is counted and leaves
// nothing behind.
func TestDroppedAskIsCounted(t *testing.T) {
	n := alone(t, Config{})
	greedy := routing.ID{1}
	for n.linkAsks.enter(greedy) != askDropped {
	}
	before := n.linkAsks.total
	n.takeConnect(n.ctx, &Message{From: Addr{greedy, wire.ConnectPort}, asks: true})
	if got := n.drops.Map()[reason.RateLimited.String()]; got != 1 || n.linkAsks.total != before {
		t.Errorf("got %d drops and %d asks under way, want 1 and %d", got, n.linkAsks.total, before)
	}
}
