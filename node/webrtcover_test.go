//go:build !nowebrtc

package node

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// Who hears that an offer is over takes the next one at once.
func TestOfferGivenUpMakesRoom(t *testing.T) {
	a, b := apart(t, Config{})
	pc, err := endpoint(t).Offer(within(t, 5*time.Second), a.iceSetup())
	if err != nil {
		t.Fatal(err)
	}
	offer := func(session byte) wire.ConnectReply {
		t.Helper()
		ask := wire.ConnectAsk{Kind: wire.ConnectLinkBack, Direct: true, Session: wire.Session{session}, SDP: pc.Description()}
		reply, err := a.question(within(t, 10*time.Second), b.ID(), &ask)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	if reply := offer(1); reply.Kind != wire.ConnectAnswer {
		t.Fatalf("got %+v, want an answer", reply)
	}
	if reply := offer(2); reply.Kind != wire.ConnectNoWay || reply.Reason != uint8(reason.Duplicate) {
		t.Errorf("a second one beside it: got %+v, want it refused as a duplicate", reply)
	}
	m := message{kind: wire.PlainMessage, data: wire.AppendConnectOver(nil, &wire.ConnectOver{Session: wire.Session{1}})}
	if _, err := a.send(within(t, 10*time.Second), wire.ConnectPort, Addr{b.ID(), wire.ConnectPort}, m); err != nil {
		t.Fatal(err)
	}
	if reply := offer(3); reply.Kind != wire.ConnectAnswer {
		t.Errorf("after the end of the first: got %+v, want an answer", reply)
	}
}

// A Connect that is given up after its offer has left says so.
func TestConnectGivenUpIsTold(t *testing.T) {
	a, b := apart(t, Config{})
	mirror := endpoint(t)
	ctx, cancel := context.WithCancel(within(t, 20*time.Second))
	defer cancel()
	offered, over := make(chan wire.Session, 1), make(chan wire.Session, 1)
	answers(t, b, func(ctx context.Context, m *Message) {
		if end, err := wire.ParseConnectOver(m.Data); err == nil {
			over <- end.Session
			return
		}
		ask, err := wire.ParseConnectAsk(m.Data)
		if err != nil {
			return // candidates
		}
		pc, err := mirror.Answer(ctx, a.iceSetup(), ask.SDP)
		if err != nil {
			t.Error(err)
			return
		}
		offered <- ask.Session
		pc.Close()
		_ = m.Reply(ctx, wire.AppendConnectReply(nil, &wire.ConnectReply{Kind: wire.ConnectAnswer, Session: ask.Session, SDP: pc.Description()}))
		cancel()
	})
	if err := a.Connect(ctx, b.ID()); err == nil {
		t.Fatal("got a link, want none")
	}
	select {
	case got := <-over:
		if want := <-offered; got != want {
			t.Errorf("got the end of %x, want that of %x", got, want)
		}
	case <-within(t, 10*time.Second).Done():
		t.Error("got told of no end")
	}
	awaitNoAttempts(t, a)
}

// A Connect whose offers the peer gives up asks again, and not for ever.
func TestConnectAsksAgainWhatWasGivenUp(t *testing.T) {
	a, b := apart(t, Config{})
	var asked atomic.Int32
	answers(t, b, func(ctx context.Context, m *Message) {
		ask, err := wire.ParseConnectAsk(m.Data)
		if err != nil {
			return // candidates, or the end of an attempt
		}
		asked.Add(1)
		over := message{kind: wire.PlainMessage, data: wire.AppendConnectOver(nil, &wire.ConnectOver{Session: ask.Session})}
		_, _ = b.send(ctx, wire.ConnectPort, Addr{a.ID(), wire.ConnectPort}, over) // its ack may come when all is over
	})
	err := a.Connect(within(t, amply), b.ID())
	var e *ConnectError
	if !errors.As(err, &e) || !errors.Is(err, errGivenUp) || int(asked.Load()) != 1+limits.ConnectAgain {
		t.Errorf("got %v after %d questions, want that it was given up after %d", err, asked.Load(), 1+limits.ConnectAgain)
	}
	awaitNoAttempts(t, a)
}
