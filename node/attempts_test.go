//go:build !nowebrtc

package node

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/signal"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport"
)

// When both ends have made an offer and the peer's counts, this node's own is over at
// once: two connections between the same sockets disturb each other.
func TestOfferThatDoesNotCountIsClosed(t *testing.T) {
	n := alone(t, Config{})
	peer := routing.ID{19: 1} // lower than any other: its offers count
	own, why, err := n.offer(within(t, 10*time.Second), peer, new(wire.ConnectAsk), false)
	if own == nil {
		t.Fatalf("no offer: %v, %v", why, err)
	}
	defer n.rtc.end(own, false)
	theirs, verdict := n.rtc.offered(n.ctx, peer, &wire.ConnectAsk{Session: wire.Session{1}})
	if verdict.Action != signal.AcceptDroppingOurs || theirs == nil {
		t.Fatalf("got %+v, want the peer's offer accepted", verdict)
	}
	defer n.rtc.end(theirs, false)
	if got := context.Cause(own.ctx); !errors.Is(got, errYielded) {
		t.Errorf("the own attempt: got it ended for %v, want %v", got, errYielded)
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := own.pc.Wait(now); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("the own connection: got %v, want it closed", err)
	}
	if got := theirs.ctx.Err(); got != nil {
		t.Errorf("the peer's attempt: got %v, want it live", got)
	}
}

// An attempt has its time and no more, whoever began it and whether or not the clock
// of the node is looked at.
func TestAttemptEndsInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rtc{table: signal.New(wire.ID{1}), attempts: make(map[routing.ID]*attempt)}
		own, why := r.begin(context.Background(), routing.ID{2}, new(wire.ConnectAsk))
		if why != reason.None {
			t.Fatal(why)
		}
		theirs, verdict := r.offered(context.Background(), routing.ID{3}, &wire.ConnectAsk{Session: wire.Session{1}})
		if theirs == nil {
			t.Fatalf("got %+v, want the offer accepted", verdict)
		}
		time.Sleep(limits.SignalTimeout - time.Nanosecond)
		synctest.Wait()
		for _, a := range []*attempt{own, theirs} {
			if err := a.ctx.Err(); err != nil {
				t.Errorf("before its time is over: got %v", err)
			}
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		for _, a := range []*attempt{own, theirs} {
			if got := context.Cause(a.ctx); !errors.Is(got, ErrTimeout) {
				t.Errorf("after %v: got %v, want %v", limits.SignalTimeout, got, ErrTimeout)
			}
			r.end(a, false)
		}
	})
}

// A peer whose offer counts, and which then makes none, is offered a link once more
// when the time for it is over.
func TestNodeWaitsForAnOfferInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := alone(t, Config{})
		peer := routing.ID{19: 1} // lower than any other: its offers count
		begin := func() (*attempt, reason.Reason) { return n.rtc.begin(n.ctx, peer, new(wire.ConnectAsk)) }
		own, why := begin()
		if own == nil || !n.rtc.yielded(own) {
			t.Fatalf("got %v, want an attempt that waits for the peer's", why)
		}
		n.rtc.end(own, false)
		if _, why := begin(); why != reason.Duplicate {
			t.Errorf("beside the one that is waited for: got %v, want %v", why, reason.Duplicate)
		}
		time.Sleep(limits.SignalTimeout + limits.IdleTick)
		synctest.Wait()
		again, why := begin()
		if again == nil {
			t.Fatalf("after its time: got %v, want an attempt", why)
		}
		n.rtc.end(again, false)
	})
}
