//go:build !nowebrtc

package link

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/webrtc"
)

func init() { carriers["webrtc"] = dataChannels }

func dataChannels(t *testing.T) (offered, answered transport.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	endpoint := func() *webrtc.Endpoint {
		e, err := webrtc.New(webrtc.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		return e
	}
	local := webrtc.Setup{Tell: netip.Addr.IsLoopback, Take: netip.Addr.IsLoopback}
	offer, err := endpoint().Offer(ctx, local)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := endpoint().Answer(ctx, local, offer.Description())
	if err != nil {
		t.Fatal(err)
	}
	if err := offer.SetAnswer(ctx, answer.Description()); err != nil {
		t.Fatal(err)
	}
	for _, way := range []struct{ from, to *webrtc.Attempt }{{offer, answer}, {answer, offer}} {
		go func() {
			for line := range way.from.Candidates() {
				_ = way.to.AddCandidate(line) // the other end may be gone
			}
		}()
	}
	a, err := offer.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b, err := answer.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}
