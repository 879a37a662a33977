package engine_test

import (
	"testing"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/wire"
)

func datagram(dst, src wire.ID) []byte {
	return bytesOf(wire.Frame{Type: wire.TypeData, Class: wire.ClassBulk, HopLimit: 64, Dst: dst, Src: src, Body: make([]byte, 64)})
}

// TestRememberedRoutes compares an Ingress that has seen much with a fresh one.
func TestRememberedRoutes(t *testing.T) {
	peers := states(lf, r1, r11, r01, r001)
	for i, id := range ids(20, 7) {
		peers = append(peers, engine.PeerState{Peer: relay(id), Suspect: i%5 == 0})
	}
	a := scene{peers: peers}.snapshot()
	b := scene{peers: peers[:8]}.snapshot()
	dsts := append(ids(12, 8), me, lf.ID, r1.ID)
	in := engine.NewIngress(r01)
	for i := range 4000 {
		s := a
		if i%97 > 60 {
			s = b
		}
		dst := dsts[(i*i+i/7)%len(dsts)]
		got := s.Forward(in, datagram(wid(dst), wid(source)), noon)
		want := s.Forward(engine.NewIngress(r01), datagram(wid(dst), wid(source)), noon)
		if want.Action == engine.ActionHint {
			want.Action = got.Action // the hint budget of a fresh link is full
		}
		if got.Action != want.Action || got.Peer != want.Peer || got.Reason != want.Reason {
			t.Fatalf("frame %d to %s: got %v to %v, want %v to %v", i, dst.Short(), got.Action, got.Peer, want.Action, want.Peer)
		}
	}
}

// repeat forwards frames to dst until the route is remembered and returns the last verdict.
func repeat(s *engine.Snapshot, in *engine.Ingress, dst, src wire.ID) (v engine.Verdict) {
	for range 3 {
		v = s.Forward(in, datagram(dst, src), noon)
	}
	return v
}

func TestARememberedRouteStillObeys(t *testing.T) {
	records := new(held).put(at("1"), r1.ID)
	s := scene{peers: states(r1, r11, lf), records: records}.snapshot()
	in := engine.NewIngress(r01)
	if v := repeat(s, in, wid(target), wid(source)); v.Peer != r11 {
		t.Fatalf("got %v, want the closest relay", v.Peer)
	}
	t.Run("the hop limit", func(t *testing.T) {
		f := datagram(wid(target), wid(source))
		wire.SetFrameHopLimit(f, 1)
		if v := s.Forward(in, f, noon); v.Action != engine.ActionDrop {
			t.Errorf("got %v, want a drop", v.Action)
		}
	})
	t.Run("the header", func(t *testing.T) {
		for name, edit := range map[string]func(f []byte){
			"type":      func(f []byte) { f[0] = 9 },
			"mark":      func(f []byte) { f[1] |= byte(wire.FlagMarked) },
			"hop limit": func(f []byte) { f[2] = 65 },
		} {
			f := datagram(wid(target), wid(source))
			edit(f)
			if v := s.Forward(in, f, noon); v.Action != engine.ActionDrop {
				t.Errorf("%s: got %v, want a drop", name, v.Action)
			}
		}
	})
	t.Run("the source on a leaf's link", func(t *testing.T) {
		in := engine.NewIngress(lf)
		if v := repeat(s, in, wid(target), wid(lf.ID)); v.Peer != r11 {
			t.Fatalf("got %v, want the closest relay", v.Peer)
		}
		if v := s.Forward(in, datagram(wid(target), wid(source)), noon); v.Action != engine.ActionDrop {
			t.Errorf("got %v, want a drop", v.Action)
		}
	})
	t.Run("a new record", func(t *testing.T) {
		records.put(target, r1.ID)
		v := s.Forward(in, datagram(wid(target), wid(source)), noon)
		if f := mustParse(t, v.Frame); v.Peer != r1 || !f.Found {
			t.Errorf("got %v, found %v, want the home", v.Peer, f.Found)
		}
	})
}

func TestIngressPeer(t *testing.T) {
	if got := engine.NewIngress(r1).Peer(); got != r1 {
		t.Errorf("got %v, want %v", got, r1)
	}
}
