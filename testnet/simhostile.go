package testnet

import (
	"slices"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// siege makes Sybils of nodes: they stand next to one Key, link with every relay
// that takes them and say each time that they need the link. They keep their
// links well, answer lookups, and take all that they should carry without
// passing any of it on.
type siege struct {
	sim    *Simulation
	sybils []*simNode
}

// Two kinds of places, in turn: next to the Key, nearer than any honest relay,
// and around it, as near as the nearest honest ones are.
func (g *siege) grind(key routing.Key, i, relays int) *identity.Identity {
	if i%2 == 0 {
		return g.sim.grind(key)
	}
	bits := 0
	for n := relays; n > 1; n /= 2 {
		bits++
	}
	for {
		if id := g.sim.draw(); keyOf(id).CommonPrefixLen(key) >= bits-2 {
			return id
		}
	}
}

// add starts one Sybil, which does not link with anybody yet.
func (g *siege) add(key routing.Key, relays int) *simNode {
	n := g.sim.prepare(g.grind(key, len(g.sybils), relays), false, false)
	n.sybil, n.drops, n.needy, n.cap = true, true, true, sybilLinks
	g.sim.run(n)
	g.sybils = append(g.sybils, n)
	return n
}

// sybilLinks is how many links with relays a Sybil may have.
const sybilLinks = 1 << 14

// storm has a Sybil ask every running relay for a link.
func (g *siege) storm(n *simNode) {
	var targets []engine.TargetSpec
	for _, o := range g.sim.alive {
		if o != n && !o.leaf && !o.sybil {
			targets = append(targets, engine.TargetSpec{URL: secret.URL(o.url())})
		}
	}
	g.sim.post(n, engine.Join{Targets: targets})
	g.sim.drain()
}

// relays returns the honest ones that run.
func (g *siege) relays() []*simNode {
	return slices.DeleteFunc(slices.Clone(g.sim.alive), func(n *simNode) bool { return n.leaf || n.sybil })
}

// hides says whether a node that drops keeps a frame of its own to itself: what
// would help others to find a leaf.
func (n *simNode) hides(frame []byte) bool {
	if n.mum || !n.sybil || !n.drops {
		return n.mum
	}
	f, err := wire.ParseFrame(frame)
	if err != nil || f.Type == wire.TypeHint {
		return true
	}
	if f.Type == wire.TypeAnswer {
		body, err := wire.ParseAnswerBody(f.Body)
		return err != nil || body.Kind != wire.AnswerNodes
	}
	if f.Type == wire.TypeNearest {
		body, err := wire.ParseNearestBody(f.Body)
		return err != nil || body.Op != wire.OpFindNode
	}
	return false
}

// hidesLink is hides for link frames: a copy of somebody's attachment record.
func (n *simNode) hidesLink(frame []byte) bool {
	if n.mum || !n.sybil || !n.drops || len(frame) == 0 || frame[0] != byte(wire.LinkRecord) {
		return n.mum
	}
	c, err := wire.ParseLinkRecord(frame)
	if err != nil {
		return true
	}
	r, err := wire.ParseRecord(c.Record)
	return err != nil || r.Kind != wire.RecordContact
}
