package engine

import (
	"encoding/binary"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// A detour list holds the first 4 bytes of the Key of every relay that sent the
// frame on since it left its source or its last waypoint, in that order and with
// repetitions. It makes a walk through dead ends a depth-first search: whoever is
// listed is not tried again, and the entry before a relay's first one is where
// the frame came from when it was new there.

// deadEnd is rules 7 and 8, at a node that knows nobody strictly closer. False
// means that a waypoint was given up and the rules begin anew.
func (p *pass) deadEnd() (Verdict, bool) {
	if p.f.Type == wire.TypeNearest && p.f.Waypoints == nil {
		return p.answer(), true
	}
	if p.aimed() { // from its aim it goes the plain way
		p.f.Aim, p.changed = nil, true
		p.later = p.later || p.ours
		p.emptyList()
		return Verdict{}, false
	}
	if p.f.Detour == nil && (p.ours || p.bulk() && p.f.Waypoints == nil) { // a bulk frame that is stuck looks for a way round
		p.f.Detour, p.changed = p.beginning(), true
	}
	if peer := p.sidestep(); peer != nil {
		return p.stepTo(peer), true
	}
	if peer := p.overdue(); peer != nil {
		return p.send(peer), true
	}
	if peer := p.late(); peer != nil {
		return p.send(peer), true
	}
	if peer := p.back(); peer != nil {
		return p.stepTo(peer), true
	}
	if p.f.Waypoints != nil && !p.f.Found {
		p.dropWaypoint()
		return Verdict{}, false
	}
	if p.own && p.s.relays.Len() == 0 {
		return drop(reason.NoLink), true
	}
	return p.refuse(reason.NoRoute), true
}

// sidestep returns the closest relay that is not listed, in any direction, or nil.
func (p *pass) sidestep() *Peer {
	if p.f.Detour == nil {
		return nil
	}
	return scan(p.s.relays, &p.s.selfKey, &p.key, p.unbarred())
}

// overdue returns the target itself if it is linked here by a suspect link, or
// nil. Who has no other way may well be there, late: a computer that was busy for
// a moment is not gone. It does not get back what came from it.
func (p *pass) overdue() *Peer {
	if p.to == nil {
		return nil
	}
	peer := p.s.overdue[p.to.id]
	if peer == nil || peer == p.in.peer || p.f.Type == wire.TypeNearest && p.to.id == p.f.Src {
		return nil
	}
	return peer
}

// back returns the relay that this node first had the frame from, or nil.
func (p *pass) back() *Peer {
	if p.f.Detour == nil {
		return nil
	}
	i := indexOf(p.f.Detour, p.s.selfKey.Prefix())
	if i == 0 {
		return nil
	}
	return p.s.relayWithPrefix(prefixAt(p.f.Detour, i-1))
}

// stepTo sends the frame on a detour, if the ingress link has any steps left.
func (p *pass) stepTo(peer *Peer) Verdict {
	if !p.own && p.f.HopLimit <= 1 {
		return p.expire()
	}
	if !p.own && !p.in.charged().detours.take(p.now, limits.DetourRate, limits.DetourBurst) {
		if late := p.late(); late != nil {
			return p.send(late)
		}
		return p.refuse(reason.DetourBudget)
	}
	return p.send(peer)
}

// beginning is the detour list of a frame that begins its detour here: it does not go
// back where it came from.
func (p *pass) beginning() []byte {
	if p.own || p.in.peer.Leaf {
		return emptyList
	}
	return append(p.in.rewriting().list[:0], p.in.peer.Key[:wire.PrefixLen]...)
}

// appendSelf adds this node to the detour list that is sent on, and tells
// whether there was room.
func (p *pass) appendSelf() bool {
	if p.f.Detour == nil || p.s.leaf {
		return true
	}
	n := len(p.f.Detour)
	if n/wire.PrefixLen+1 > wire.DetourLimit(p.f.Len()+wire.PrefixLen) {
		return false
	}
	scratch := p.in.rewriting()
	scratch.list = append(append(scratch.list[:0], p.f.Detour...), p.s.selfKey[:wire.PrefixLen]...)
	p.f.Detour, p.changed = scratch.list, true
	return true
}

// emptyList is a detour list without entries, which is not the same as none.
var emptyList = []byte{}

// emptyList forgets the relays passed, because the target is a new one now.
func (p *pass) emptyList() {
	if p.f.Detour != nil {
		p.f.Detour, p.changed = emptyList, true
	}
}

// bar says whom a frame must not go to.
type bar struct {
	list   []byte     // a detour list
	src    routing.ID // when nearest
	nearer bool       // nobody who is not strictly closer than this node
	source bool       // not src
}

// unbarred returns the bar of p's frame in any direction.
func (p *pass) unbarred() bar {
	return bar{list: p.f.Detour, src: routing.ID(p.f.Src), source: p.f.Type == wire.TypeNearest}
}

// forbids tells whether the frame must not go to that peer, direction aside.
func (b *bar) forbids(peer *Peer) bool {
	return b.source && peer.ID == b.src || indexOf(b.list, peer.Key.Prefix())*wire.PrefixLen < len(b.list)
}

// scanCalm is scan of the relays that carry, and of all only where none of those
// is let through.
func (s *Snapshot) scanCalm(target *routing.Key, b bar) *Peer {
	if peer := scan(s.calm, &s.selfKey, target, b); peer != nil || s.calm == s.relays {
		return peer
	}
	return scan(s.relays, &s.selfKey, target, b)
}

// scan returns the relay closest to target that b lets through, or nil. It looks
// at all of them.
func scan(relays *routing.Snapshot[*Peer], self, target *routing.Key, b bar) *Peer {
	var best *Peer
	for i := range relays.Len() {
		peer := relays.At(i).Value
		if best != nil && !routing.Closer(peer.Key, best.Key, *target) || b.forbids(peer) {
			continue
		}
		if !b.nearer || routing.Closer(peer.Key, *self, *target) {
			best = peer
		}
	}
	return best
}

// relayWithPrefix returns a linked relay whose Key begins with prefix, or nil.
func (s *Snapshot) relayWithPrefix(prefix uint32) *Peer {
	for i := range s.relays.Len() {
		if h := s.relays.At(i); h.Key.Prefix() == prefix {
			return h.Value
		}
	}
	return nil
}

// indexOf returns the index of the first entry equal to prefix, or the number of
// entries if there is none.
func indexOf(list []byte, prefix uint32) int {
	for i := range len(list) / wire.PrefixLen {
		if prefixAt(list, i) == prefix {
			return i
		}
	}
	return len(list) / wire.PrefixLen
}

// prefixAt returns entry i of a detour list.
func prefixAt(list []byte, i int) uint32 {
	return binary.BigEndian.Uint32(list[i*wire.PrefixLen:])
}
