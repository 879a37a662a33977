package testnet

import (
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// TestSimOfADropper has a relay that acks every frame on its links and drops what
// is not for itself. What one of its neighbours sends gets through all the same,
// and after a few messages goes another way at once.
func TestSimOfADropper(t *testing.T) {
	s := newSim(t, Options{Nodes: 60, Seed: 12, MaxPeers: 8})
	s.Run()
	from := s.nodes[0]
	dropper, behind := mostBehind(s, from)
	if len(behind) < 8 {
		t.Fatalf("got %d destinations behind one relay, want at least 8", len(behind))
	}
	s.nodes[dropper].drops = true

	var first []*simMessage
	for _, to := range behind {
		first = append(first, sendWithin(t, s, int(from.index), to))
	}
	if first[0].copies == 1 && first[0].took < limits.HandshakeRetry {
		t.Errorf("got the first message through at once, in %v: nothing is dropped", first[0].took)
	}
	if got := firstHops(s, from)[s.nodes[dropper].id]; len(got) > 0 {
		t.Errorf("got %d destinations with the dropper as first hop, want none", len(got))
	}
	again := 0 // the dropper may have got onto the second hop of some meanwhile
	for _, to := range behind {
		if m := sendWithin(t, s, int(from.index), to); m.copies != 1 || m.took > time.Second {
			again++
		}
	}
	if again > len(behind)/5 {
		t.Errorf("to destinations sent to before: %d of %d messages took more than one copy or 1 s, want most at once", again, len(behind))
	}
	m := sendWithin(t, s, int(from.index), dropper)
	if m.copies != 1 || m.hops != 1 {
		t.Errorf("to the dropper itself: got %d copies, %d hops, want one copy by the link", m.copies, m.hops)
	}
}

// mostBehind returns the neighbour that a node sends most by, and the nodes that
// are not neighbours and that it sends to by it.
func mostBehind(s *Simulation, from *simNode) (relay int, behind []int) {
	by := firstHops(s, from)
	for i, n := range s.nodes {
		if list := by[n.id]; len(list) > len(behind) {
			relay, behind = i, list
		}
	}
	return relay, behind
}

// firstHops returns the nodes that are not neighbours of a node, by the
// neighbour that it sends to them by.
func firstHops(s *Simulation, from *simNode) map[routing.ID][]int {
	by := map[routing.ID][]int{}
	linked := map[int]bool{int(from.index): true}
	for _, i := range s.Links(int(from.index)) {
		linked[i] = true
	}
	for i, n := range s.nodes {
		if linked[i] {
			continue
		}
		f := wire.Frame{Type: wire.TypeData, Class: wire.ClassInteractive, HopLimit: wire.MaxHopLimit, Dst: wire.ID(n.id), Src: wire.ID(from.id)}
		v := from.engine.Snapshot().ForwardOwn(s.own, wire.AppendFrame(nil, &f), 0, s.time())
		by[v.Peer.ID] = append(by[v.Peer.ID], i)
	}
	return by
}

// sendWithin sends a message, which has to be acknowledged.
func sendWithin(t *testing.T, s *Simulation, from, to int) *simMessage {
	t.Helper()
	i := s.Send(from, to)
	for end := s.Now() + 30*time.Second; !s.Acked(i) && s.Now() < end; {
		s.Advance(10 * time.Millisecond)
	}
	if !s.Acked(i) {
		t.Fatalf("message from node %d to %d: got no ack within 30 s", from, to)
	}
	return s.load.messages[i]
}

// TestSimOfManyDroppers has a fifth of all relays ack what they should forward,
// and drop it. The others reach each other all the same.
func TestSimOfManyDroppers(t *testing.T) {
	if raced {
		t.Skip("one goroutine: without the race detector make budgets runs it in a tenth of the time")
	}
	const messages = 2_000
	s := newSim(t, Options{Nodes: 100, Seed: 5, LatencyMin: 2 * time.Millisecond, LatencyMax: 10 * time.Millisecond, Patience: 20 * time.Second})
	s.startNodes()
	s.Settle()
	var honest []int
	for i, n := range s.nodes {
		if n.drops = i%5 == 4; !n.drops {
			honest = append(honest, i)
		}
	}
	var sent []*simMessage
	for range messages {
		from, to := honest[s.rand.IntN(len(honest))], honest[s.rand.IntN(len(honest))]
		if from == to {
			continue
		}
		sent = append(sent, s.load.messages[s.Send(from, to)])
		s.Advance(20 * time.Millisecond)
	}
	for s.load.open > 0 {
		s.Advance(overtimeLook)
	}
	acked := 0
	var took []time.Duration
	for _, m := range sent {
		if m.acked {
			acked++
			took = append(took, m.took)
		}
	}
	slices.Sort(took)
	p95 := took[len(took)*95/100]
	t.Logf("%d of %d Sends acked, p95 %v, the slowest %v", acked, len(sent), p95, took[len(took)-1])
	if acked*100 < 99*len(sent) || p95 > 1_500*time.Millisecond {
		t.Errorf("got %d of %d Sends acked, p95 %v, want 99 %% and 1.5 s", acked, len(sent), p95)
	}
}
