package engine_test

import (
	"testing"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/wire"
)

func TestCrossingsAreTheMeshsOwn(t *testing.T) {
	mesh := func(typ wire.Type) []byte {
		return bytesOf(wire.Frame{Type: typ, HopLimit: 64, Body: make([]byte, 60)})
	}
	var got engine.Crossings
	for _, frame := range [][]byte{
		nil, {1}, mesh(wire.TypeData), mesh(wire.TypeHandshake), mesh(wire.TypeProbe),
		mesh(wire.TypeNearest), mesh(wire.TypeAnswer), mesh(wire.TypeHint),
		wire.AppendFindNode(nil, &wire.FindNode{Count: 1}), {byte(wire.LinkPeers), 0, 0},
		wire.AppendPing(nil, [8]byte{}), wire.AppendPong(nil, [8]byte{}), wire.AppendLinkAck(nil, wire.Taken{}), {byte(wire.LinkAck)},
	} {
		got.Count(frame)
	}
	if want := (engine.Crossings{Upkeep: 3, Links: 2, Pings: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
