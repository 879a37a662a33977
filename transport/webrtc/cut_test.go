//go:build !nowebrtc

package webrtc_test

import (
	"net"
	"sync/atomic"
	"testing"

	"github.com/peermesh/peermesh/transport/webrtc"
)

// scissors are a socket that lets so many full packets through and no more; the small
// ones, of which acknowledgements and ends are made, always pass.
type scissors struct {
	net.PacketConn
	left atomic.Int64
}

func (s *scissors) WriteTo(b []byte, to net.Addr) (int, error) {
	if len(b) > 1000 && s.left.Add(-1) < 0 {
		return len(b), nil
	}
	return s.PacketConn.WriteTo(b, to)
}

// A channel that ends inside a message ends: what has come of the message is none.
func TestEndInsideAMessageIsNoMessage(t *testing.T) {
	t.Parallel()
	for _, packets := range []int64{0, 1, 20} {
		socket := &scissors{PacketConn: listen(t, "127.0.0.1:0")}
		socket.left.Store(1 << 40)
		a, b := pipe(t, endpoint(t, webrtc.Config{UDP: socket}), fixed(t))
		say(t, a, b, "whole")
		socket.left.Store(packets)
		if err := a.Send(make([]byte, 60_000)); err != nil {
			t.Fatal(err)
		}
		got := make(chan error, 1)
		go func() {
			msg, err := b.Receive(func() []byte { return make([]byte, b.Max()+1) })
			if err == nil {
				t.Errorf("%d packets of the message came: got a message of %d bytes, want the end", packets, len(msg))
			}
			got <- err
		}()
		_ = a.Close()
		<-got
		if socket.left.Load() >= 0 {
			t.Errorf("%d packets: the message was not cut", packets)
		}
		if msg, err := b.Receive(func() []byte { return make([]byte, b.Max()+1) }); err == nil {
			t.Errorf("behind the end: got %d bytes, want none", len(msg))
		}
	}
}
