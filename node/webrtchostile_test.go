//go:build !nowebrtc

package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/webrtc"
)

// answers makes a node answer questions for links by f.
func answers(t *testing.T, n *Node, f HandlerFunc) {
	t.Helper()
	n.ports.get(wire.ConnectPort).Close()
	if _, err := n.open(wire.ConnectPort, f); err != nil {
		t.Fatal(err)
	}
}

func endpoint(t *testing.T) *webrtc.Endpoint {
	t.Helper()
	e, err := webrtc.New(webrtc.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// copyAll passes on what comes, until either end is gone.
func copyAll(from, to transport.Conn) {
	defer to.Close()
	for {
		msg, err := from.Receive(func() []byte { return make([]byte, limits.MaxRecord+1) })
		if err != nil || to.Send(msg) != nil || to.Flush() != nil {
			return
		}
	}
}

// wantNoHello checks that a node refused a link whose other end did not prove
// itself.
func wantNoHello(t *testing.T, err error) {
	t.Helper()
	var e *ConnectError
	var h *link.HandshakeError
	if !errors.As(err, &e) || e.Stage != ConnectHello || !errors.As(err, &h) || h.Reason == reason.CarrierFailed {
		t.Errorf("got %v, want a refusal at the stage %s", err, ConnectHello)
	}
}

// Somebody who can rewrite the descriptions puts two channels of his own between
// the ends and passes on what they say: both ends notice.
func TestDescriptionsRewritten(t *testing.T) {
	a, b := apart(t, Config{})
	middle := endpoint(t)
	answers(t, b, func(ctx context.Context, m *Message) {
		ask, err := wire.ParseConnectAsk(m.Data)
		if err != nil {
			t.Error(err)
			return
		}
		setup := a.iceSetup()
		toA, errA := middle.Answer(ctx, setup, ask.SDP)
		toB, errB := middle.Offer(ctx, setup)
		if err := errors.Join(errA, errB); err != nil {
			t.Error(err)
			return
		}
		forged := wire.ConnectAsk{Kind: wire.ConnectLinkBack, Direct: true, Session: ask.Session, SDP: toB.Description()}
		reply, attempt := b.answerAsk(ctx, m.From.ID, &forged)
		if attempt == nil || toB.SetAnswer(ctx, reply.SDP) != nil {
			t.Errorf("got %v, want an answer", reply)
			return
		}
		b.spawn(func() { b.finishAnswer(attempt) })
		b.spawn(func() {
			left, errA := toA.Wait(ctx)
			right, errB := toB.Wait(ctx)
			if err := errors.Join(errA, errB); err != nil {
				t.Error(err)
				return
			}
			go copyAll(left, right)
			copyAll(right, left)
		})
		_ = m.Reply(ctx, wire.AppendConnectReply(nil, &wire.ConnectReply{Kind: wire.ConnectAnswer, Session: ask.Session, SDP: toA.Description()}))
	})
	wantNoHello(t, a.Connect(within(t, amply), b.ID()))
	awaitNoAttempts(t, a)
	awaitNoAttempts(t, b)
}

// Who has no key sends the Hello back that he got.
func TestHelloReflected(t *testing.T) {
	a, b := apart(t, Config{})
	mirror := endpoint(t)
	answers(t, b, func(ctx context.Context, m *Message) {
		ask, err := wire.ParseConnectAsk(m.Data)
		if err != nil {
			t.Error(err)
			return
		}
		pc, err := mirror.Answer(ctx, a.iceSetup(), ask.SDP)
		if err != nil {
			t.Error(err)
			return
		}
		b.spawn(func() {
			if conn, err := pc.Wait(ctx); err == nil {
				copyAll(conn, conn)
			}
		})
		_ = m.Reply(ctx, wire.AppendConnectReply(nil, &wire.ConnectReply{Kind: wire.ConnectAnswer, Session: ask.Session, SDP: pc.Description()}))
	})
	wantNoHello(t, a.Connect(within(t, amply), b.ID()))
	awaitNoAttempts(t, a)
}

// Whatever stands in a description, it is refused with a reason or leads nowhere.
func TestBadOffers(t *testing.T) {
	a, b := apart(t, Config{})
	setup := a.iceSetup()
	pc, err := endpoint(t).Offer(within(t, amply), setup)
	if err != nil {
		t.Fatal(err)
	}
	good := pc.Description()
	many := good
	for i := range limits.Candidates + 1 {
		many += fmt.Sprintf("a=candidate:1 1 udp 1 8.8.8.8 %d typ host\r\n", 1000+i)
	}
	for name, sdp := range map[string]string{
		"no description":      "hello",
		"long":                good + strings.Repeat("a=x:y\r\n", limits.SDPBytes/7),
		"too many candidates": many,
		"a video besides":     good + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n",
	} {
		ask := wire.ConnectAsk{Kind: wire.ConnectLinkBack, Session: wire.Session{1, byte(len(name))}, SDP: sdp}
		reply, err := a.question(within(t, amply), b.ID(), &ask)
		if err == nil && (reply.Kind != wire.ConnectNoWay || reply.Reason != uint8(reason.Malformed)) {
			t.Errorf("%s: got %+v, want it refused as malformed", name, reply)
		}
		if err != nil && name != "long" { // nobody parses it
			t.Errorf("%s: got %v", name, err)
		}
	}
	awaitNoAttempts(t, b)
}

// An offer that is never completed costs its time and no more.
func TestOfferNeverCompleted(t *testing.T) {
	t.Parallel()
	a, b := apart(t, Config{})
	pc, err := endpoint(t).Offer(within(t, amply), a.iceSetup())
	if err != nil {
		t.Fatal(err)
	}
	ask := wire.ConnectAsk{Kind: wire.ConnectLinkBack, Direct: true, Session: wire.Session{1}, SDP: pc.Description()}
	reply, err := a.question(within(t, amply), b.ID(), &ask)
	if err != nil || reply.Kind != wire.ConnectAnswer {
		t.Fatalf("got %+v, %v, want an answer", reply, err)
	}
	// The same once more is no reason to begin anew.
	if reply, err = a.question(within(t, amply), b.ID(), &ask); err != nil || reply.Kind != wire.ConnectNoWay {
		t.Errorf("replayed: got %+v, %v, want it refused", reply, err)
	}
	awaitNoAttempts(t, b)
}

// A peer that opens the channel and then says nothing has no more time than the
// attempt has left.
func TestHelloInTheTimeOfTheAttempt(t *testing.T) {
	t.Parallel()
	a, b := apart(t, Config{})
	pc, err := endpoint(t).Offer(within(t, 5*time.Second), a.iceSetup())
	if err != nil {
		t.Fatal(err)
	}
	ask := wire.ConnectAsk{Kind: wire.ConnectLinkBack, Direct: true, Session: wire.Session{1}, SDP: pc.Description()}
	reply, err := a.question(within(t, 10*time.Second), b.ID(), &ask)
	if err == nil {
		err = pc.SetAnswer(within(t, 10*time.Second), reply.SDP)
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := pc.Wait(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	room := func() []byte { return make([]byte, limits.PreAuthBytes+1) }
	if _, err := c.Receive(room); err != nil {
		t.Fatalf("got %v, want a Hello", err)
	}
	begin := time.Now()
	b.rtc.expire(begin.Add(limits.SignalTimeout))
	if _, err := c.Receive(room); err == nil {
		t.Error("got a message, want the end")
	}
	if took := time.Since(begin); took >= limits.HandshakeTimeout {
		t.Errorf("ended after %v, want it with the attempt", took)
	}
	awaitNoAttempts(t, b)
}

// Candidates and answers that nobody asked for are counted.
func TestSignalsUnasked(t *testing.T) {
	a, b := apart(t, Config{})
	c := wire.Candidates{Session: wire.Session{7}, Lines: []string{"candidate:1 1 udp 1 8.8.8.8 1000 typ host"}}
	late := c
	late.First = limits.Candidates - 1
	for _, data := range [][]byte{wire.AppendCandidates(nil, &c), wire.AppendCandidates(nil, &late), []byte("garbage")} {
		m := message{kind: wire.PlainMessage, data: data}
		if _, err := a.send(within(t, amply), wire.ConnectPort, Addr{b.ID(), wire.ConnectPort}, m); err != nil {
			t.Fatal(err)
		}
	}
	awaitDrops(t, b, reason.Malformed, 1)
	awaitNoAttempts(t, b)

	// The answer is to another offer than the one that was made.
	answers(t, b, func(ctx context.Context, m *Message) {
		_ = m.Reply(ctx, wire.AppendConnectReply(nil, &wire.ConnectReply{Kind: wire.ConnectAnswer, Session: wire.Session{9}, SDP: "v=0\r\n"}))
	})
	err := a.Connect(within(t, amply), b.ID())
	var e *ConnectError
	if !errors.As(err, &e) || e.Stage != ConnectSignal || !errors.Is(err, reason.Unsolicited) {
		t.Errorf("got %v, want it refused as unsolicited", err)
	}
	awaitNoAttempts(t, a)
}

func awaitDrops(t *testing.T, n *Node, why reason.Reason, least uint64) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for n.drops.Map()[why.String()] < least {
		select {
		case <-time.After(5 * time.Millisecond): // counters tell nobody
		case <-timeout:
			t.Fatalf("got %v dropped, want at least %d as %v", n.drops.Map(), least, why)
		}
	}
}

// A peer that asks for links all the time, many at once and without patience, is
// refused for the most part and has one attempt at most; others send and connect
// meanwhile.
func TestManyOffers(t *testing.T) {
	first, second := twoRelays(t)
	a, b, c := leafOf(t, first, Config{}), leafOf(t, second, Config{}), leafOf(t, second, Config{})
	b.Handle(newInbox())
	pc, err := endpoint(t).Offer(within(t, amply), a.iceSetup())
	if err != nil {
		t.Fatal(err)
	}
	asked := floodOfOffers(t, a, b, pc.Description())
	dropped := func() uint64 { return b.drops.Map()[reason.RateLimited.String()] }
	until(t, "the flood arrives", func() bool { return asked.Load() >= 200 && dropped() >= 100 })
	asks, drops := asked.Load(), dropped()
	until(t, "it goes on while another node sends", func() bool {
		if err := c.Send(within(t, amply), b.ID(), []byte("still there?")); err != nil {
			t.Fatal(err)
		}
		wantBoundedAsks(t, b, a)
		return asked.Load() >= asks+500 && dropped() >= drops+250
	})
	asks = asked.Load()
	if err := c.Connect(within(t, amply), b.ID()); err != nil {
		t.Errorf("another node's Connect: got %v, want a link", err)
	}
	wantBoundedAsks(t, b, a)
	until(t, "it has gone on meanwhile", func() bool { return asked.Load() > asks })
}

// wantBoundedAsks checks what a node holds of another that asks it for many links.
func wantBoundedAsks(t *testing.T, n, greedy *Node) {
	t.Helper()
	n.rtc.mu.Lock()
	attempts := len(n.rtc.attempts)
	n.rtc.mu.Unlock()
	if attempts > 2 {
		t.Errorf("got %d attempts, want at most one of each of two peers", attempts)
	}
	n.linkAsks.mu.Lock()
	defer n.linkAsks.mu.Unlock()
	if under := n.linkAsks.under[greedy.ID()]; under > limits.ConnectAnswersPeer+1 {
		t.Errorf("got %d asks of one peer under way, want at most %d and a refusal", under, limits.ConnectAnswersPeer)
	}
}

// floodOfOffers has a node ask another for links until the test ends, and counts the
// asks that it has given up or got refused.
func floodOfOffers(t *testing.T, from, to *Node, sdp string) (asked *atomic.Uint64) {
	t.Helper()
	const workers, patience = 64, 100 * time.Millisecond
	asked = new(atomic.Uint64)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		all.Wait()
	})
	for w := range workers {
		all.Go(func() {
			for count := 0; ctx.Err() == nil; count++ {
				ask := wire.ConnectAsk{Kind: wire.ConnectLinkBack, Session: wire.Session{byte(w), byte(count), byte(count >> 8), 1}, SDP: sdp}
				short, stop := context.WithTimeout(ctx, patience)
				_, _ = from.question(short, to.ID(), &ask)
				stop()
				asked.Add(1)
			}
		})
	}
	return asked
}
