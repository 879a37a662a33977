package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

func TestOnePeerLeavesRoomForOthersAsks(t *testing.T) {
	l := newLinkAsks(nil)
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
	l := newLinkAsks(nil)
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
		l := newLinkAsks(nil)
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
