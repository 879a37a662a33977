//go:build !nowebrtc

package webrtc_test

import (
	"testing"

	"github.com/peermesh/peermesh/transport/webrtc"
)

// What is under way on a data channel counts as held.
func TestLineCountsWhatIsUnderWay(t *testing.T) {
	socket := &muffler{PacketConn: listen(t, "127.0.0.1:0")}
	a, b := pipe(t, fixed(t), endpoint(t, webrtc.Config{UDP: socket}))
	say(t, b, a, "hello")
	say(t, a, b, "hello")
	socket.off.Store(true)
	for range 3 {
		if err := a.Send(make([]byte, 10_000)); err != nil {
			t.Fatal(err)
		}
	}
	line, ok := a.Line()
	if !ok || line.Held < 30_000 || line.Segment == 0 {
		t.Errorf("got %+v, %v, want 30,000 bytes held and a segment", line, ok)
	}
	_ = a.Close()
	if _, ok := a.Line(); ok {
		t.Error("a closed pipe tells of its line")
	}
}
