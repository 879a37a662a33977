package engine_test

import (
	"slices"
	"testing"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

func TestRankHomes(t *testing.T) {
	homes := []wire.ID{wid(r1.ID), wid(r11.ID), wid(beside)}
	rank := func(c engine.SnapshotConfig) []wire.ID {
		c.Self = me
		got := slices.Clone(homes)
		engine.NewSnapshot(c).RankHomes(got)
		return got
	}
	if got := rank(engine.SnapshotConfig{}); !slices.Equal(got, homes) {
		t.Errorf("without links: got %v, want them as they are", got)
	}
	if got := rank(engine.SnapshotConfig{Leaf: true, Peers: states(r11)}); got[0] != wid(r11.ID) {
		t.Errorf("a leaf: got %v first, want the relay that it is linked with", got[0])
	}
	known := states(r1)
	known[0].Neighbours = engine.NewNeighbours([]routing.ID{beside})
	if got := rank(engine.SnapshotConfig{Peers: known}); got[0] != wid(r1.ID) || got[1] != wid(beside) {
		t.Errorf("a relay: got %v, want the linked one, then the one linked with that", got)
	}
}
