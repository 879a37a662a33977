package testnet

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// TestSimCalmCostsNoHops grows the same mesh twice, once with every link
// carrying, and looks at it as it is and as it is once no link is young any more.
func TestSimCalmCostsNoHops(t *testing.T) {
	nodes, within := 150, 1.03
	if !testing.Short() && !raced {
		nodes, within = 1_000, 1.02
	}
	mean := map[bool][2]float64{}
	for _, all := range []bool{true, false} {
		s := newSim(t, Options{Nodes: nodes, Seed: 31})
		s.allCarry = all
		s.startNodes()
		s.Settle()
		young := meanHops(t, s, 20_000)
		for _, n := range s.alive { // nothing is done about what they decide
			n.engine.Step(s.time().Add(limits.ProvenAfter+time.Minute), engine.Wake{})
		}
		mean[all] = [2]float64{young, meanHops(t, s, 20_000)}
		t.Logf("%d nodes, all carry %v: %.3f hops, %.3f once they stand", nodes, all, mean[all][0], mean[all][1])
	}
	for i, when := range []string{"young", "standing"} {
		if got, before := mean[false][i], mean[true][i]; got > within*before {
			t.Errorf("%s: got %.3f hops, and %.3f where every link carries; want at most %.2f times as many", when, got, before, within)
		}
	}
}

// meanHops is the way of frames between random nodes, as the snapshots lead them.
func meanHops(t *testing.T, s *Simulation, pairs int) float64 {
	t.Helper()
	byID := map[routing.ID]*simNode{}
	for _, n := range s.alive {
		byID[n.id] = n
	}
	total := 0
	for range pairs {
		from, to := s.alive[s.rand.IntN(len(s.alive))], s.alive[s.rand.IntN(len(s.alive))]
		if from == to {
			continue
		}
		f := wire.Frame{Type: wire.TypeData, Class: wire.ClassInteractive, HopLimit: wire.MaxHopLimit, Dst: wire.ID(to.id), Src: wire.ID(from.id), Detour: []byte{}}
		v := from.engine.Snapshot().ForwardOwn(s.own, wire.AppendFrame(nil, &f), 0, s.time())
		at := from
		for v.Action == engine.ActionSend {
			total++
			in := engine.NewIngress(&engine.Peer{ID: at.id, Key: at.id.Key()})
			next := byID[v.Peer.ID]
			frame := append([]byte(nil), v.Frame...)
			at, v = next, next.engine.Snapshot().Forward(in, frame, s.time())
		}
		if at != to {
			t.Fatalf("got %v (%v) on the way from node %d to %d", v.Action, v.Reason, from.index, to.index)
		}
	}
	return float64(total) / float64(pairs)
}
