//go:build !nowebrtc

package webrtc_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/transporttest"
	"github.com/peermesh/peermesh/transport/webrtc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for, on a machine ten times too busy.
const patience = 30 * time.Second

// busy is how much later than it should something happens on a busy machine.
const busy = 5 * time.Second

// local is the setup of ends on one machine.
var local = webrtc.Setup{Tell: netip.Addr.IsLoopback, Take: netip.Addr.IsLoopback}

func endpoint(t testing.TB, c webrtc.Config) *webrtc.Endpoint {
	t.Helper()
	e, err := webrtc.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// negotiate makes both ends of an attempt, with all candidates exchanged.
func negotiate(t testing.TB, a, b *webrtc.Endpoint, sa, sb webrtc.Setup) (offer, answer *webrtc.Attempt) {
	t.Helper()
	offer, err := a.Offer(soon(t), sa)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = offer.Close() })
	answer, err = b.Answer(soon(t), sb, offer.Description())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Close() })
	if err := offer.SetAnswer(soon(t), answer.Description()); err != nil {
		t.Fatal(err)
	}
	trickle(offer, answer)
	trickle(answer, offer)
	return offer, answer
}

// trickle hands on late candidates until the attempt or its pipe ends.
func trickle(from, to *webrtc.Attempt) {
	go func() {
		for line := range from.Candidates() {
			_ = to.AddCandidate(line) // the other end may be gone
		}
	}()
}

func open(t testing.TB, attempt *webrtc.Attempt) *webrtc.Conn {
	t.Helper()
	c, err := attempt.Wait(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func pipe(t testing.TB, a, b *webrtc.Endpoint) (offerer, answerer *webrtc.Conn) {
	t.Helper()
	offer, answer := negotiate(t, a, b, local, local)
	return open(t, offer), open(t, answer)
}

func TestConformance(t *testing.T) {
	transporttest.Run(t, "offerer first", func(t testing.TB) (a, b transport.Conn) {
		return pipe(t, endpoint(t, webrtc.Config{}), endpoint(t, webrtc.Config{}))
	})
	transporttest.Run(t, "answerer first", func(t testing.TB) (a, b transport.Conn) {
		b, a = pipe(t, endpoint(t, webrtc.Config{}), endpoint(t, webrtc.Config{}))
		return a, b
	})
}
