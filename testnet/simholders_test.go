package testnet

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// leafIn is a mesh of relays that stands, and a leaf in it whose record was laid
// twice.
func leafIn(t *testing.T, relays int, seed uint64) (*Simulation, *simNode) {
	t.Helper()
	s := newSim(t, Options{Nodes: relays, Seed: seed, LatencyMin: 2 * time.Millisecond, LatencyMax: 10 * time.Millisecond})
	s.startNodes()
	s.Settle()
	leaf := s.add(s.draw(), true)
	for range 3 {
		s.join(leaf, s.randomRelay(leaf))
	}
	s.Settle()
	s.Advance(limits.AttachmentTTL * time.Second)
	return s, leaf
}

// node returns the one with that ID.
func (s *Simulation) node(id routing.ID) *simNode {
	for _, n := range s.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

// home returns the home that a relay's record of a leaf leads to: what it does
// with a frame that somebody sends the leaf.
func (n *simNode) home(leaf *simNode) (home wire.ID, held bool) {
	frame := wire.AppendFrame(nil, &wire.Frame{
		Type: wire.TypeHandshake, HopLimit: wire.MaxHopLimit, Dst: wire.ID(leaf.id), Src: wire.ID{1}, Detour: []byte{},
	})
	stranger := &engine.Peer{ID: routing.ID{1}, Key: routing.ID{1}.Key()}
	v := n.engine.Snapshot().Forward(engine.NewIngress(stranger), frame, n.sim.time())
	if v.Action != engine.ActionSend {
		return home, false
	}
	f, err := wire.ParseFrame(v.Frame)
	if err != nil || !f.Found {
		return home, false
	}
	if f.Waypoints == nil {
		return wire.ID(v.Peer.ID), true
	}
	return wire.ID(f.Waypoints), true
}

// holders are the relays that hold a leaf's record.
func (s *Simulation) holders(leaf *simNode) (list []*simNode) {
	for _, n := range s.alive {
		if _, held := n.home(leaf); held && !n.leaf {
			list = append(list, n)
		}
	}
	return list
}

// TestSimOfAWithdrawal has leaves leave a mesh of 100 relays. A withdrawal leaves once:
// about a tenth of the holders miss it, by the seed more or fewer.
func TestSimOfAWithdrawal(t *testing.T) {
	if raced {
		t.Skip("one goroutine: without the race detector make budgets runs it in a tenth of the time")
	}
	before, after := 0, 0
	for seed := range uint64(3) {
		s, leaf := leafIn(t, 100, 70+seed)
		before += len(s.holders(leaf))
		s.Leave(int(leaf.index))
		s.Advance(limits.LaySpread)
		after += len(s.holders(leaf))
	}
	t.Logf("%d holders, and %d once the leaf has gone", before, after)
	if before < 90 || 6*after > before {
		t.Errorf("got %d holders before and %d after a withdrawal, want at least 90, and at most a sixth", before, after)
	}
}

// copyOf is a copy of a first message as it left a node.
type copyOf struct {
	frame []byte
	past  []wire.ID
	k     int
	via   wire.ID
}

// copies are those of a first message from one node to another, which nobody
// answers.
func copies(t *testing.T, from, to *simNode, count int) (list []copyOf) {
	t.Helper()
	s := from.sim
	table, err := session.New(session.Config{
		Self: wire.ID(from.id), Instance: wire.Instance{1}, Rand: newSimRandom(1, uint64(to.index)), Null: true, Drops: &s.drops, Aim: from.engine.Aim,
		Emit: func(frame []byte, c session.Choice) (wire.ID, bool) {
			list = append(list, copyOf{slices.Clone(frame), slices.Clone(c.Past), c.K, c.Via})
			v := from.engine.Snapshot().ForwardBy(s.own, slices.Clone(frame), c, s.time())
			return wire.ID(v.Peer.ID), v.Action == engine.ActionSend
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	now := s.time()
	if _, err := table.Send(now, session.Message{To: wire.ID(to.id), Kind: wire.PlainMessage}, nil); err != nil {
		t.Fatal(err)
	}
	for len(list) < count {
		for _, j := range table.Tick(now) {
			j.Run()
			table.Finish(now, j)
		}
		now = now.Add(10 * time.Millisecond)
	}
	return list[:count]
}

// way is the nodes that a copy passes until it is delivered.
func (c *copyOf) way(t *testing.T, from *simNode) (way []int32) {
	t.Helper()
	s := from.sim
	v := from.engine.Snapshot().ForwardBy(s.own, slices.Clone(c.frame), session.Choice{K: c.k, Via: c.via, Past: c.past}, s.time())
	for at := from; v.Action == engine.ActionSend; {
		before := at
		at = s.node(v.Peer.ID)
		way = append(way, at.index)
		peer := &engine.Peer{ID: before.id, Key: before.id.Key(), Leaf: before.leaf}
		v = at.engine.Snapshot().Forward(engine.NewIngress(peer), slices.Clone(v.Frame), s.time())
	}
	if v.Action != engine.ActionDeliver {
		t.Fatalf("a copy got to %v: %v, %v", way, v.Action, v.Reason)
	}
	return way
}

// TestSimOfCopiesThatShareNothing follows 16 copies of first messages through 100
// relays.
func TestSimOfCopiesThatShareNothing(t *testing.T) {
	if raced {
		t.Skip("one goroutine: without the race detector make budgets runs it in a tenth of the time")
	}
	s, leaf := leafIn(t, 100, 73)
	for pair := range 20 {
		from, to := s.randomRelay(nil), s.randomRelay(nil)
		if pair%2 == 0 {
			to = leaf
		}
		if from == to || slices.Contains(s.Links(int(from.index)), int(to.index)) {
			continue
		}
		first, sets := map[int32]bool{}, map[string]bool{}
		for k, c := range copies(t, from, to, 16) {
			way := c.way(t, from)
			first[way[0]] = true
			if f, _ := wire.ParseFrame(c.frame); f.Aim != nil && to != leaf { // a holder draws one of the homes
				if again := c.way(t, from); !slices.Equal(way, again) {
					t.Errorf("copy %d: got the ways %v and %v for one aim", k+1, way, again)
				}
			}
			relays := slices.Clone(way[:len(way)-1])
			slices.Sort(relays)
			sets[fmt.Sprint(relays)] = true
		}
		if len(first) < 8 || len(sets) < 12 {
			t.Errorf("pair %d: got %d first hops and %d sets of relays of 16 copies, want at least 8 and 12", pair, len(first), len(sets))
		}
	}
}
