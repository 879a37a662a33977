package testnet

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/routing"
)

func newSim(t *testing.T, o Options) *Simulation {
	t.Helper()
	s, err := Sim(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// star is a simulation of n nodes that all joined by the first.
func star(t *testing.T, n int, o Options) *Simulation {
	t.Helper()
	o.Nodes = n
	s := newSim(t, o)
	for i := range n {
		s.add(s.draw(), false)
		if i > 0 {
			s.Join(i, 0)
		}
		s.Advance(startPace)
	}
	s.Settle()
	return s
}

func wantClean(t *testing.T, r Report) {
	t.Helper()
	if len(r.Failures) > 0 {
		t.Errorf("got failures %q, want none", r.Failures)
	}
}

func TestSimDeliversEveryMessage(t *testing.T) {
	s := newSim(t, Options{Nodes: 20, Seed: 1, Messages: 100})
	r := s.Run()
	wantClean(t, r)
	if r.Sent != 100 || r.First != 100 || r.Delivered != 100 {
		t.Errorf("got %d sent, %d first, %d delivered, want 100 of each", r.Sent, r.First, r.Delivered)
	}
	if r.Links.Max > 24 || r.Links.Mean < 1 {
		t.Errorf("got links %+v, want 1 to 24", r.Links)
	}
	if r.Hops.Mean < 1 || r.LatencyMs.Mean < 40 {
		t.Errorf("got hops %+v, latency %+v ms: want at least one hop of 20 ms each way", r.Hops, r.LatencyMs)
	}
}

func TestSimIsTheSameForTheSameSeed(t *testing.T) {
	run := func(seed uint64) string {
		o := Options{
			Nodes: 30, Leaves: .3, Seed: seed, Messages: 50, Loss: .01, Kill: .1, Silent: .5,
			Session: 5 * time.Minute, Duration: time.Minute,
		}
		return newSim(t, o).Run().TraceHash
	}
	first := run(7)
	if again := run(7); again != first {
		t.Errorf("seed 7: got trace %s at first and %s again, want the same", first, again)
	}
	if other := run(8); other == first {
		t.Errorf("seeds 7 and 8: got trace %s for both, want two", first)
	}
}

func TestSimOfAStar(t *testing.T) {
	s := star(t, 8, Options{Seed: 3})
	m := s.Send(3, 5)
	s.Advance(2 * time.Second)
	if !s.Acked(m) {
		t.Error("got no ack within 2 s, want one")
	}
}

func TestSimClosingDeathIsNoticedAtOnce(t *testing.T) {
	s := star(t, 3, Options{Seed: 4})
	s.Kill(2, false)
	s.Advance(200 * time.Millisecond)
	if got := s.Links(0); slices.Contains(got, 2) {
		t.Errorf("got links with %v, want none with the dead node 2", got)
	}
}

func TestSimSilentDeathIsNoticedByPings(t *testing.T) {
	s := star(t, 3, Options{Seed: 5})
	s.Kill(2, true)
	s.Advance(3 * time.Second)
	if got := s.Links(0); !slices.Contains(got, 2) {
		t.Errorf("after 3 s: got links with %v, want the one with node 2 still open", got)
	}
	s.Advance(17 * time.Second)
	if got := s.Links(0); slices.Contains(got, 2) {
		t.Errorf("after 20 s: got links with %v, want none with node 2", got)
	}
}

func TestSimLeave(t *testing.T) {
	s := star(t, 3, Options{Seed: 6})
	s.Leave(2)
	s.Advance(2 * time.Second)
	if got := s.Links(0); slices.Contains(got, 2) {
		t.Errorf("got links with %v, want none with node 2, which left", got)
	}
	if got := s.Report().Nodes; got != 2 {
		t.Errorf("got %d nodes, want 2", got)
	}
}

func TestSimCuts(t *testing.T) {
	cuts := []struct {
		name string
		cut  func(s *Simulation)
	}{
		{"in two", func(s *Simulation) {
			for _, n := range s.nodes {
				n.side = uint8(n.index & 1)
			}
			s.parted = true
		}},
		{"there", func(s *Simulation) { s.CutOneWay(0, 1) }},
		{"back", func(s *Simulation) { s.CutOneWay(1, 0) }},
	}
	for _, c := range cuts {
		t.Run(c.name, func(t *testing.T) {
			s := star(t, 2, Options{Seed: 7})
			c.cut(s)
			m := s.Send(0, 1)
			s.Advance(5 * time.Second)
			if s.Acked(m) {
				t.Error("got an ack through the cut, want none")
			}
			s.Heal()
			s.Advance(20 * time.Second)
			if !s.Acked(m) {
				t.Error("got no ack 20 s after the cut healed, want one")
			}
		})
	}
}

func TestSimLossDelays(t *testing.T) {
	s := newSim(t, Options{Nodes: 20, Seed: 8, Messages: 200, Loss: .05})
	r := s.Run()
	wantClean(t, r)
	if r.Delivered != r.Sent {
		t.Errorf("got %d of %d messages delivered, want all", r.Delivered, r.Sent)
	}
	if r.LatencyMs.Max < 240 {
		t.Errorf("got at most %v ms to an ack, want some that waited for a retransmission", r.LatencyMs.Max)
	}
}

func TestSimChurnReplacesNodes(t *testing.T) {
	s := newSim(t, Options{Nodes: 20, Seed: 9, Session: 2 * time.Minute, Silent: .5, Duration: 2 * time.Minute})
	r := s.Run()
	wantClean(t, r)
	if r.Nodes != 20 || s.Len() <= 25 {
		t.Errorf("got %d nodes running of %d started, want 20 of many more", r.Nodes, s.Len())
	}
}

func TestSimRefusesMistakes(t *testing.T) {
	for _, o := range []Options{{Leaves: -1}, {Loss: 2}, {Kill: 1.5}, {Nodes: -1}, {Messages: -2}} {
		if _, err := Sim(o); err == nil {
			t.Errorf("%+v: got no error, want one", o)
		}
	}
}

func TestSimHeapKeepsOrder(t *testing.T) {
	var h simHeap
	random := newSimRandom(1, 2)
	for range 1_000 {
		h.push(time.Duration(random.IntN(50)), nil, 0)
	}
	var got []simEvent
	for e, ok := h.due(25); ok; e, ok = h.due(25) {
		got = append(got, e)
	}
	for e, ok := h.due(time.Hour); ok; e, ok = h.due(time.Hour) {
		got = append(got, e)
	}
	if len(got) != 1_000 {
		t.Fatalf("got %d events, want 1000", len(got))
	}
	if !slices.IsSortedFunc(got, func(a, b simEvent) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order))
	}) {
		t.Error("got events out of order")
	}
}

func TestSimRestart(t *testing.T) {
	for _, disk := range []bool{true, false} {
		t.Run(map[bool]string{true: "with its disk", false: "without"}[disk], func(t *testing.T) {
			s := newSim(t, Options{Nodes: 10, Seed: 10})
			s.Run()
			before := s.nodes[3].id
			s.Kill(3, false)
			s.Advance(time.Second)
			s.Restart(3, disk)
			s.Advance(5 * time.Second)
			if got := s.nodes[3].id == before; got != disk {
				t.Errorf("the same ID: got %v, want %v", got, disk)
			}
			if len(s.Links(3)) == 0 {
				t.Fatal("got no links after 5 s, want some")
			}
			m := s.Send(7, 3)
			s.Advance(2 * time.Second)
			if !s.Acked(m) {
				t.Error("got no ack of a message to the restarted node, want one")
			}
		})
	}
}

func TestSimSybilsLieNextToTheirVictim(t *testing.T) {
	s := newSim(t, Options{Nodes: 20, Seed: 11, Sybils: 3, Messages: 20})
	r := s.Run()
	wantClean(t, r)
	for _, n := range s.nodes[20:] {
		if got := n.id.Key().CommonPrefixLen(s.victim.id.Key()); !n.sybil || got < 6 {
			t.Errorf("node %d: got %d bits in common with the victim, Sybil %v, want 6 or more of a Sybil", n.index, got, n.sybil)
		}
	}
	for _, m := range s.load.messages {
		if m.to != s.victim || m.from.sybil {
			t.Errorf("message %d: got one from node %d to %d, want one to the victim from an honest node", m.number, m.from.index, m.to.index)
		}
	}
}

func TestSimNearest(t *testing.T) {
	s := newSim(t, Options{Nodes: 30, Leaves: 0.5, Seed: 12, Messages: 20, Nearest: true})
	wantClean(t, s.Run())
	for _, m := range s.load.messages {
		for _, n := range s.nodes {
			if n != m.from && n.leaf && routing.Closer(n.id.Key(), m.to.id.Key(), m.from.id.Key()) {
				t.Errorf("message %d: got one from %d to %d, want one to the nearer %d", m.number, m.from.index, m.to.index, n.index)
			}
		}
	}
}
