package testnet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/routing"
)

// lookAgain is the pause between two looks at a state that nobody announces.
const lookAgain = 10 * time.Millisecond

// WaitReady waits until every running node is reachable and has settled: a relay
// knows its neighbourhood and has nothing left to dial that it needs, a leaf is
// attached to its homes. After Heal it waits until the nodes are one network again,
// too: each side may have been settled by itself. When ctx ends first, the error says how many have not,
// and wraps the context's.
func (n *Net) WaitReady(ctx context.Context) error {
	for _, m := range n.running() {
		if err := m.node.Ready(ctx); err != nil && !m.gone.Load() {
			return fmt.Errorf("node %s: %w", m.node.ID().Short(), err)
		}
	}
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for {
		waiting := n.unsettled()
		if len(waiting) == 0 {
			n.noteSettled()
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d nodes have not settled, %s is one: %w",
				len(waiting), len(n.running()), waiting[0].node.ID().Short(), context.Cause(ctx))
		}
	}
}

// unsettled returns who has not settled. A node alone has nobody to do it with.
func (n *Net) unsettled() []*member {
	running := n.running()
	if len(running) < 2 {
		return nil
	}
	waiting := slices.DeleteFunc(slices.Clone(running), func(m *member) bool { return m.node.Settled() })
	if len(waiting) == 0 && n.faults.wasHealed() {
		return n.apart()
	}
	return waiting
}

// apart are the running nodes that no chain of links joins with the first of them:
// links that both ends know of, for an end may not have noticed yet that one is gone.
func (n *Net) apart() []*member {
	all, graph, running := n.all(), n.Graph(), n.Running()
	joined := make(map[int]bool)
	for next := running[:min(1, len(running))]; len(next) > 0; {
		var more []int
		for _, i := range next {
			joined[i] = true
			for _, j := range graph[i] {
				if !joined[j] && slices.Contains(graph[j], i) {
					more = append(more, j)
				}
			}
		}
		next = more
	}
	var others []*member
	for _, i := range running {
		if !joined[i] {
			others = append(others, all[i])
		}
	}
	return others
}

// noteSettled keeps how long it took after the last start.
func (n *Net) noteSettled() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.settled == 0 {
		n.settled, n.settledAt = time.Since(n.lastStart), crossings(n.members)
	}
}

// crossings sums up what nodes have counted, also those that have ended.
func crossings(all []*member) (sum engine.Crossings) {
	for _, m := range all {
		c := m.node.Status().Upkeep
		sum.Upkeep += c.MeshFrames
		sum.Links += c.LinkFrames
		sum.Pings += c.Pings
	}
	return sum
}

// Graph returns who has a link with whom: for each node, by index, the indices
// of its peers in rising order. Of nodes that ended there are none, and nodes
// outside of the network are left out.
func (n *Net) Graph() [][]int {
	all := n.all()
	index := make(map[routing.ID]int, len(all))
	for i, m := range all {
		index[m.node.ID()] = i
	}
	graph := make([][]int, len(all))
	for i, m := range all {
		if m.gone.Load() {
			continue
		}
		linked := make(map[int]bool)
		for _, p := range m.node.Peers() {
			if j, ok := index[p.ID]; ok {
				linked[j] = true
			}
		}
		graph[i] = slices.Sorted(maps.Keys(linked))
	}
	return graph
}
