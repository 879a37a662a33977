//go:build nowebrtc

package webrtc_test

import (
	"context"
	"errors"
	"testing"

	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/webrtc"
)

var _ transport.Conn = (*webrtc.Conn)(nil)

func TestWithoutWebRTC(t *testing.T) {
	e, err := webrtc.New(webrtc.Config{})
	if webrtc.Supported || !errors.Is(err, webrtc.ErrUnsupported) {
		t.Fatalf("got supported %v and %v, want false and ErrUnsupported", webrtc.Supported, err)
	}
	if _, err := e.Offer(context.Background(), webrtc.Setup{}); !errors.Is(err, webrtc.ErrUnsupported) {
		t.Errorf("an offer: got %v, want ErrUnsupported", err)
	}
	if e.STUNPort() != 0 || e.Close() != nil {
		t.Error("got something, want nothing")
	}
	if s, err := webrtc.ParseServer("stun:example.org"); err != nil || s.Host != "example.org:3478" {
		t.Errorf("ParseServer: got %v, %v", s, err)
	}
}
