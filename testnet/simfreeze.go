package testnet

// frozen is what a stopped process would have done meanwhile; nil: it runs.
type frozen struct {
	due  []simDue
	held []*simEnd // what its system has taken for it lies here
}

// simDue is something that became due.
type simDue struct {
	who  simActor
	kind simKind
}

// Freeze stops a node as SIGSTOP stops a process: its links stay open, its system
// takes what comes, and nobody reads it until Thaw.
func (s *Simulation) Freeze(i int) {
	n := s.nodes[i]
	if n.dead || n.frozen != nil {
		return
	}
	n.frozen = new(frozen)
	for _, l := range n.links {
		l.link.Carrier.(*simEnd).other.unheard(s)
	}
}

// Thaw lets a node go on that Freeze has stopped. It reads what has come for it.
func (s *Simulation) Thaw(i int) {
	n := s.nodes[i]
	f := n.frozen
	if f == nil {
		return
	}
	n.frozen = nil
	for _, e := range f.held {
		e.held = false
		for b := e.first; b != nil; b = b.next {
			s.heap.push(max(s.now, e.last), e, endArrival)
		}
	}
	for _, d := range f.due {
		s.heap.push(s.now, d.who, d.kind)
	}
	n.planned, n.wanted = 0, 0
	if !n.dead {
		n.arm(s.time())
	}
}

// putOff keeps for later what a stopped node would do.
func (n *simNode) putOff(who simActor, kind simKind) bool {
	if n.frozen == nil {
		return false
	}
	n.frozen.due = append(n.frozen.due, simDue{who, kind})
	return true
}

// hold keeps what comes by a link of a stopped node.
func (n *simNode) hold(e *simEnd) bool {
	if n.frozen == nil {
		return false
	}
	e.held = true
	n.frozen.held = append(n.frozen.held, e)
	return true
}
