package testnet

import (
	"math"
	"slices"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
)

// Kill ends a node at once. Its links close, or stay open and silent.
func (s *Simulation) Kill(i int, silent bool) {
	n := s.nodes[i]
	if !n.dead {
		n.kept = n.engine.Contacts()
	}
	s.end(n, silent)
	s.drain()
}

// Restart starts a node again, at its old address, that Kill has ended. With its
// disk it has its identity and the contacts that it knew, and no other address;
// without it is a new one, with the address of one random running relay.
func (s *Simulation) Restart(i int, disk bool) {
	old := s.nodes[i]
	if !old.dead {
		return
	}
	n := &simNode{sim: s, index: old.index, leaf: old.leaf, noURL: old.noURL, keys: old.keys, sequence: old.sequence}
	if !disk {
		n.keys, n.sequence = s.draw(), 0
	}
	s.nodes[i] = n
	s.run(n)
	if disk {
		s.post(n, engine.Known{Contacts: old.kept})
		s.drain()
	} else if via := s.randomRelay(n); via != nil {
		s.join(n, via)
	}
}

func (s *Simulation) end(n *simNode, silent bool) {
	if n.dead {
		return
	}
	n.dead, n.silent = true, silent
	for _, l := range slices.Clone(n.links) {
		if !silent {
			l.link.Close(reason.Closed)
		} else {
			e := l.link.Carrier.(*simEnd)
			e.other.unheard(s)
			if e.tcp != nil {
				e.tcp.Abort()
			}
		}
	}
	s.load.died(n)
	i := slices.Index(s.alive, n)
	s.alive = slices.Delete(s.alive, i, i+1)
	n.engine, n.sessions, n.links, n.busy, n.must, n.may = nil, nil, nil, nil, nil, nil
	n.batch, n.contact = session.Batch{}, nil
}

// Leave ends a node politely.
func (s *Simulation) Leave(i int) {
	n := s.nodes[i]
	if n.dead || n.leaving {
		return
	}
	n.leaving = true
	s.post(n, engine.Leave{})
	s.heap.push(s.now+limits.ByeFlush, n, nodeGone)
	s.drain()
}

// Partition cuts a random share of the nodes off from the others.
func (s *Simulation) Partition(share float64) {
	for _, n := range s.nodes {
		n.side = 0
	}
	for _, n := range s.sample(share) {
		n.side = 1
	}
	s.parted = true
}

// sample is a random share of the running nodes.
func (s *Simulation) sample(share float64) []*simNode {
	all := slices.Clone(s.alive)
	s.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:int(math.Round(share*float64(len(all))))]
}

// CutOneWay lets nothing get from one node to another any more; the other way
// stays open.
func (s *Simulation) CutOneWay(from, to int) {
	if s.oneWay == nil {
		s.oneWay = make(map[[2]int32]bool)
	}
	s.oneWay[[2]int32{int32(from), int32(to)}] = true
}

// Heal ends all cuts. What they held arrives.
func (s *Simulation) Heal() {
	s.parted, s.oneWay = false, nil
	held := s.held
	s.held = nil
	for _, e := range held {
		e.release(s)
	}
}

// SetLoss sets the share of carrier messages that are lost from now on.
func (s *Simulation) SetLoss(share float64) { s.loss = share }
