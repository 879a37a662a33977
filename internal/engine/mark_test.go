package engine_test

import (
	"testing"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/wire"
)

// A mark stays on a frame over any number of relays, whether they send on the
// bytes that came or write the frame anew, and when it comes back from a lost link.
func TestMarkPassesRelays(t *testing.T) {
	s := scene{peers: states(r1, r11, r01)}.snapshot()
	message := wire.Frame{
		Type: wire.TypeData, Class: wire.ClassInteractive, Marked: true, HopLimit: 60,
		Dst: wid(target), Src: wid(source), Body: make([]byte, 40),
	}
	list, waypoint, plain := message, message, message
	list.Detour = []byte{}
	waypoint.Waypoints = waypoints(me)
	for name, f := range map[string]wire.Frame{"as it is": plain, "with a list": list, "with a waypoint": waypoint} {
		for where, in := range map[string]*engine.Ingress{"from a link": engine.NewIngress(r01), "from a lost link": engine.NewIngress(nil)} {
			bytes := bytesOf(f)
			for hop := range 3 {
				v := s.Forward(in, bytes, noon)
				if v.Action != engine.ActionSend {
					t.Fatalf("%s, %s: got %v for %v, want it sent", name, where, v.Action, v.Reason)
				}
				if bytes = append([]byte(nil), v.Frame...); !mustParse(t, bytes).Marked {
					t.Fatalf("%s, %s: relay %d has taken the mark off", name, where, hop)
				}
			}
		}
	}
}

// A marked frame for this node is delivered like any other.
func TestMarkedFrameIsDelivered(t *testing.T) {
	s := scene{peers: states(r1, r01)}.snapshot()
	f := bytesOf(wire.Frame{
		Type: wire.TypeData, Class: wire.ClassInteractive, Marked: true, HopLimit: 60,
		Dst: wid(me), Src: wid(source), Body: make([]byte, 40),
	})
	if v := s.Forward(engine.NewIngress(r01), f, noon); v.Action != engine.ActionDeliver {
		t.Errorf("got %v for %v, want it delivered", v.Action, v.Reason)
	}
}
