package node

import "github.com/peermesh/peermesh/internal/engine"

// Drain begins to leave, and returns at once: each peer is told that the node leaves,
// and of other nodes to turn to, and no new link is taken. The port stays open, and
// its pages answer 503, so that a balancer in front of it finds out before connections
// are refused; [Node.Shutdown] closes it. What is sent from now on finds no link.
func (n *Node) Drain() {
	if n.ended.Load() {
		return
	}
	n.saveKnownPeers(true) // while the links are there
	if !n.leaving.Swap(true) {
		n.post(engine.Leave{})
	}
}
