package testnet

import (
	"testing"

	"github.com/peermesh/peermesh/node"
)

// Nodes without a port link with each other over WebRTC, and every message
// arrives.
func TestNetsOverWebRTC(t *testing.T) {
	if !node.WebRTCSupported {
		if _, err := New(t.Context(), Options{Nodes: 2, Transport: WebRTC}); err == nil {
			t.Error("built with the tag nowebrtc: got a network, want an error")
		}
		return
	}
	for _, test := range []struct {
		transport Transport
		leaves    float64
		least     int // ends of links over WebRTC
	}{{WebRTC, 0, 8}, {Mixed, 0.3, 2}} {
		t.Run(string(test.transport), func(t *testing.T) {
			n := Start(t, Options{Nodes: 8, Transport: test.transport, Leaves: test.leaves})
			if err := n.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := n.Deliver(t.Context(), n.AllPairs())
			if r.Delivered != r.Sent {
				t.Errorf("got %d of %d messages delivered", r.Delivered, r.Sent)
			}
			overWebRTC := 0
			for _, x := range n.Nodes() {
				for _, p := range x.Peers() {
					if p.Transport == "webrtc" {
						overWebRTC++
					}
				}
			}
			if c := r.Carriers; 2*c["webrtc"] < test.least || c["webrtc"] > 28 {
				t.Errorf("got links %v, want %d to 28 over WebRTC", c, test.least/2)
			}
			if overWebRTC < test.least {
				t.Errorf("got %d ends of links over WebRTC, want at least %d", overWebRTC, test.least)
			}
		})
	}
}
