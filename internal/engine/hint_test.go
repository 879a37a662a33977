package engine_test

import (
	"testing"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

func TestAppendHint(t *testing.T) {
	body := []byte("a body of more than 16 bytes")
	for _, tt := range []struct {
		name  string
		frame wire.Frame
		want  wire.Hint
	}{
		{"plain", wire.Frame{Type: wire.TypeData, Body: body}, wire.Hint{Type: wire.TypeData, Echo: [16]byte(body)}},
		{"with a return", wire.Frame{Type: wire.TypeHandshake, Return: r1.ID[:], Body: body}, wire.Hint{Type: wire.TypeHandshake, Echo: [16]byte(body)}},
		{"short body", wire.Frame{Type: wire.TypeProbe, Body: []byte("abc")}, wire.Hint{Type: wire.TypeProbe, Echo: [16]byte{'a', 'b', 'c'}}},
		{"behind options", wire.Frame{Type: wire.TypeData, Detour: prefixes(r1.ID), Waypoints: waypoints(r1.ID), Body: body}, wire.Hint{Type: wire.TypeData, Echo: [16]byte(body)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.frame.HopLimit, tt.frame.Dst, tt.frame.Src = 9, wid(target), wid(source)
			tt.want.Reason, tt.want.Dst = uint8(reason.NoRoute), wid(target)
			b := engine.AppendHint([]byte("head"), wid(me), bytesOf(tt.frame), reason.NoRoute)
			if string(b[:4]) != "head" {
				t.Fatalf("got %q before the frame, want it kept", b[:4])
			}
			f := mustParse(t, b[4:])
			got, err := wire.ParseHint(f.Body)
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
			want := wire.Frame{Type: wire.TypeHint, HopLimit: 64, Dst: wid(source), Src: wid(me), Detour: []byte{}, Waypoints: tt.frame.Return, Body: f.Body}
			if !same(f, want) {
				t.Errorf("got %s\nwant %s", show(f), show(want))
			}
		})
	}
	if got := engine.AppendHint(nil, wid(me), []byte("no frame"), reason.NoRoute); got != nil {
		t.Errorf("no frame: got %d bytes, want none", len(got))
	}
}

// TestAHintFindsItsWay sends one that has this node's leaf, this node itself or a
// stranger as its destination.
func TestAHintFindsItsWay(t *testing.T) {
	s := scene{peers: states(r1, lf)}.snapshot()
	for _, tt := range []struct {
		name  string
		frame wire.Frame
		want  outcome
	}{
		{"to a linked leaf", wire.Frame{Src: wid(lf.ID)}, send(lf)},
		{"to a linked leaf by this node", wire.Frame{Src: wid(lf.ID), Return: me[:]}, send(lf)},
		{"to this node", wire.Frame{Src: wid(me)}, ends(engine.ActionDeliver)},
		{"by a return", wire.Frame{Src: wid(at("01")), Return: r1.ID[:]}, send(r1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.frame.Type, tt.frame.HopLimit, tt.frame.Dst = wire.TypeHandshake, 9, wid(beside)
			b := engine.AppendHint(nil, wid(me), bytesOf(tt.frame), reason.NoRoute)
			v := s.ForwardOwn(engine.NewIngress(nil), b, 0, noon)
			if v.Action != tt.want.action || v.Peer != tt.want.to {
				t.Errorf("got %v to %v, want %v to %v", v.Action, v.Peer, tt.want.action, tt.want.to)
			}
		})
	}
}
