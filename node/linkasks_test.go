package node

import (
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

func TestOnePeerLeavesRoomForOthersAsks(t *testing.T) {
	l := newLinkAsks()
	greedy := routing.ID{1}
	for i := range limits.ConnectAnswersPeer {
		if got := l.enter(greedy); got != askAnswered {
			t.Fatalf("ask %d: got %v, want that it is answered", i, got)
		}
	}
	if got := l.enter(greedy); got != askRefused {
		t.Errorf("an ask too many: got %v, want a refusal", got)
	}
	if got := l.enter(greedy); got != askDropped {
		t.Errorf("the next: got %v, want that it is dropped", got)
	}
	if got := l.enter(routing.ID{2}); got != askAnswered {
		t.Errorf("another peer: got %v, want that it is answered", got)
	}
	for range limits.ConnectAnswersPeer + 1 {
		l.leave(greedy)
	}
	if got := l.enter(greedy); got != askAnswered || len(l.under) != 2 || l.total != 2 {
		t.Errorf("after the end: got %v, %d peers, %d asks, want it answered, 2, 2", got, len(l.under), l.total)
	}
}

func TestAsksOfManyPeersAreBounded(t *testing.T) {
	l := newLinkAsks()
	verdicts := make(map[askVerdict]int)
	for i := range 2 * limits.ConnectAnswers {
		verdicts[l.enter(routing.ID{byte(i), byte(i >> 8)})]++
	}
	if verdicts[askAnswered] != limits.ConnectAnswers || verdicts[askRefused] != limits.ConnectRefusals {
		t.Errorf("got %v, want %d answered and %d refused", verdicts, limits.ConnectAnswers, limits.ConnectRefusals)
	}
}

func TestDialsOnOthersWordAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLinkAsks()
		count := func(of routing.ID) (n int) {
			for l.mayDial(of) {
				n++
			}
			return n
		}
		if got := count(routing.ID{1}); got != limits.ConnectDialsPeer {
			t.Errorf("one peer: got %d dials, want %d", got, limits.ConnectDialsPeer)
		}
		all := limits.ConnectDialsPeer
		for i := range limits.ConnectDials {
			all += count(routing.ID{2, byte(i)})
		}
		if all != limits.ConnectDials {
			t.Errorf("many peers: got %d dials, want %d", all, limits.ConnectDials)
		}
		time.Sleep(limits.ConnectDialPause)
		synctest.Wait()
		if got := count(routing.ID{3}); got != limits.ConnectDialsPeer || len(l.dials) != 1 {
			t.Errorf("after the pause: got %d dials and %d peers, want %d and 1", got, len(l.dials), limits.ConnectDialsPeer)
		}
	})
}

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
