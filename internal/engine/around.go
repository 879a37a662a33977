package engine

import (
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// A frame of class 3 has no copies and nobody acks it. Where the way that it would take
// leads by a suspect link it goes around that, if this relay knows how; else it goes
// there all the same, since the neighbour may be late and not gone, and its source is
// told, to choose another way for the next ones.

// around returns the link for a frame that is to pass a home of its destination with
// which the link is suspect: the link with the destination itself, or the way to
// another of its homes. Nil: there is none.
func (p *pass) around() *Peer {
	if p.ours || len(p.f.Waypoints) != idLen || p.s.overdue[wire.ID(p.f.Waypoints)] == nil {
		return nil
	}
	if peer := p.s.direct[p.f.Dst]; peer != nil && peer != p.in.peer {
		p.dropWaypoint()
		p.settle()
		return peer
	}
	p.doubted = true
	if p.f.Found || p.f.Type != wire.TypeData || !p.pickHome() {
		return nil
	}
	p.f.Waypoints, p.f.Found, p.changed = p.in.scratch.home[0][:], true, true
	p.emptyList()
	p.settle()
	if peer := p.linked(); peer != nil {
		return peer
	}
	return p.bestHop()
}

// late returns the suspect relay that a frame of class 3 would go by if there were no
// suspicion, where there is no other way; nil: there is none.
func (p *pass) late() *Peer {
	if !p.bulk() {
		return nil
	}
	late := p.s.closestOverdue(&p.key, p.in.peer)
	p.doubted = p.doubted || late != nil
	return late
}

// closestOverdue returns the suspect relay closest to the target, of those strictly
// closer than this node and not one of them; nil: there is none.
func (s *Snapshot) closestOverdue(target *routing.Key, not *Peer) (best *Peer) {
	closest := s.selfKey
	for _, peer := range s.overdue {
		if !peer.Leaf && peer != not && routing.Closer(peer.Key, closest, *target) {
			best, closest = peer, peer.Key
		}
	}
	return best
}

// bulk says that a frame is one of those that nobody keeps and nobody acks.
func (p *pass) bulk() bool { return p.f.Class == wire.ClassBulk && p.f.Type == wire.TypeData }

// doubt is what the source of a frame is told that goes on and may come to nothing.
func (p *pass) doubt() reason.Reason {
	if !p.doubted || p.own || !p.bulk() ||
		!p.in.charged().hints.take(p.now, limits.HintRate, limits.HintBurst) {
		return reason.None
	}
	return reason.Detached
}
