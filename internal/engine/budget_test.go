package engine_test

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// TestBudgets spends each budget of an ingress link and waits for it to come
// back. The burst goes at once, then rate per second, on that link alone.
func TestBudgets(t *testing.T) {
	relays := scene{peers: states(r1, r11)}.snapshot()
	data := func(typ wire.Type, dst wire.ID) wire.Frame {
		return wire.Frame{Type: typ, HopLimit: 9, Dst: dst, Src: wid(source)}
	}
	ask := func(op wire.Op) wire.Frame {
		return wire.Frame{Type: wire.TypeNearest, HopLimit: 9, Src: wid(source), Body: nearest(beside.Key(), op)}
	}
	detour := data(wire.TypeHint, wid(beside))
	detour.Detour = []byte{}
	for _, tt := range []struct {
		name        string
		frame       wire.Frame
		rate, burst int
		within      engine.FrameAction
		beyond      reason.Reason
	}{
		{"detour steps", detour, limits.DetourRate, limits.DetourBurst, engine.ActionSend, reason.DetourBudget},
		{"hints", data(wire.TypeData, wid(beside)), limits.HintRate, limits.HintBurst, engine.ActionHint, reason.NoRoute},
		{"handshakes", data(wire.TypeHandshake, wid(me)), limits.ControlRate, limits.ControlBurst, engine.ActionDeliver, reason.RateLimited},
		{"hints for this node", data(wire.TypeHint, wid(me)), limits.ControlRate, limits.ControlBurst, engine.ActionDeliver, reason.RateLimited},
		{"find-nodes", ask(wire.OpFindNode), limits.ControlRate, limits.ControlBurst, engine.ActionAnswer, reason.RateLimited},
		{"stores", ask(wire.OpStore), limits.StoreRate, limits.StoreBurst, engine.ActionAnswer, reason.RateLimited},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := engine.NewIngress(r1)
			spend := func(now time.Time, most int) (n int) {
				for range most {
					v := relays.Forward(in, bytesOf(tt.frame), now)
					if v.Action == tt.within {
						n++
					} else if v.Action != engine.ActionDrop || v.Reason != tt.beyond {
						t.Fatalf("got %v, %v, want a drop for %v", v.Action, v.Reason, tt.beyond)
					}
				}
				return n
			}
			if got := spend(noon, 2*tt.burst); got != tt.burst {
				t.Errorf("at once: got %d, want %d", got, tt.burst)
			}
			if got := spend(noon.Add(100*time.Millisecond), 2*tt.burst); got != tt.rate/10 {
				t.Errorf("after 100 ms: got %d more, want %d", got, tt.rate/10)
			}
			if got := spend(noon.Add(time.Hour), 2*tt.burst); got != tt.burst {
				t.Errorf("after an hour: got %d, want %d", got, tt.burst)
			}
			in = engine.NewIngress(r11)
			if got := spend(noon, 1); got != 1 {
				t.Error("another link: got nothing, want a budget of its own")
			}
		})
	}
}

// TestAnExpiredFrameTakesNoStep: it would not be sent.
func TestAnExpiredFrameTakesNoStep(t *testing.T) {
	s := scene{peers: states(r1, r11)}.snapshot()
	in := engine.NewIngress(r1)
	f := wire.Frame{Type: wire.TypeHint, Dst: wid(beside), Src: wid(source), Detour: []byte{}}
	for range 2 * limits.DetourBurst {
		f.HopLimit = 1
		if v := s.Forward(in, bytesOf(f), noon); v.Reason != reason.HopLimit {
			t.Fatalf("got %v, %v, want a drop for the hop limit", v.Action, v.Reason)
		}
	}
	f.HopLimit = 2
	if v := s.Forward(in, bytesOf(f), noon); v.Action != engine.ActionSend {
		t.Errorf("got %v, %v, want a step", v.Action, v.Reason)
	}
}

func TestNoBudgets(t *testing.T) {
	s := scene{peers: states(r1, r11)}.snapshot()
	for _, tt := range []struct {
		name  string
		from  *engine.Peer
		frame wire.Frame
		want  engine.FrameAction
	}{
		{"sealed data", r1, wire.Frame{Type: wire.TypeData, Dst: wid(me), Src: wid(source)}, engine.ActionDeliver},
		{"own handshakes to itself", nil, wire.Frame{Type: wire.TypeHandshake, Dst: wid(me), Src: wid(me)}, engine.ActionDeliver},
		{"frames to be forwarded", r1, wire.Frame{Type: wire.TypeHandshake, Dst: wid(target), Src: wid(source)}, engine.ActionSend},
		{"a detour that is over", r1, wire.Frame{Type: wire.TypeData, Dst: wid(target), Src: wid(source), Detour: []byte{}}, engine.ActionSend},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := engine.NewIngress(tt.from)
			tt.frame.HopLimit = 9
			for i := range 1000 {
				if v := s.Forward(in, bytesOf(tt.frame), noon); v.Action != tt.want {
					t.Fatalf("frame %d: got %v, %v, want %v", i, v.Action, v.Reason, tt.want)
				}
			}
		})
	}
}

func TestAllow(t *testing.T) {
	count := func(allow func(time.Time) bool) (n int) {
		for range 1000 {
			if allow(noon) {
				n++
			}
		}
		return n
	}
	in, own := engine.NewIngress(r1), engine.NewIngress(nil)
	for _, tt := range []struct {
		name      string
		got, want int
	}{
		{"control", count(in.AllowControl), limits.ControlBurst},
		{"stores", count(in.AllowStore), limits.StoreBurst},
		{"own control", count(own.AllowControl), 1000},
		{"own stores", count(own.AllowStore), 1000},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, tt.got, tt.want)
		}
	}
}

// TestAClockThatStepsBack must not open a budget.
func TestAClockThatStepsBack(t *testing.T) {
	in := engine.NewIngress(r1)
	for range limits.StoreBurst {
		in.AllowStore(noon)
	}
	if in.AllowStore(noon.Add(-time.Minute)) {
		t.Error("got a token, want none")
	}
}
