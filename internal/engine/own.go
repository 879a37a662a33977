package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// ForwardOwn decides about a frame of this node that leaves by the k-th choice of first hop; in is an Ingress of this node itself.
// Its hop limit stays as it is, and nobody is hinted at: what would be a hint is
// a drop.
//
// With k = 0 the rules of Forward hold. A destination that is linked here gets
// the frame at once: waypoints are taken off; so is one that is the first hop
// itself. With a higher k the frame goes another way on purpose: the choices are
// that of k = 0 first, then all other relays that carry in the order of their
// distance to the target, in any direction, then those that do not carry, and
// then the first again: [Snapshot.FirstHops] of them. What this node holds about
// the destination in its own record store is for k = 0 alone: a false record must
// not hold each copy. A k below 0 is 0.
func (s *Snapshot) ForwardOwn(in *Ingress, frame []byte, k int, now time.Time) Verdict {
	if k <= 0 {
		if peer := in.express(s, frame); peer != nil {
			return Verdict{Action: ActionSend, Peer: peer, Frame: frame}
		}
		if peer, at := in.home(s, frame); peer != nil {
			return Verdict{Action: ActionSend, Peer: peer, Frame: in.withoutHome(frame, at)}
		}
	}
	p := pass{s: s, in: in, raw: frame, now: now, own: true}
	if k > 0 && len(frame) >= wire.HeaderLen {
		if n := s.FirstHops(*wire.FrameDst(frame)); n > 0 {
			p.k, p.later = k%n, true
		}
	}
	return p.run()
}

// ExpressOwn is the short way of ForwardOwn with k = 0, for a frame that the
// caller has no other use for: what is to be sent lies in frame, which may be
// changed. Nil means: ask ForwardOwn.
func (s *Snapshot) ExpressOwn(in *Ingress, frame []byte) (*Peer, []byte) {
	if peer := in.express(s, frame); peer != nil {
		return peer, frame
	}
	peer, at := in.home(s, frame)
	if peer == nil {
		return nil, nil
	}
	frame[1] &^= byte(wire.FlagWaypoints)
	copy(frame[option:], frame[:at])
	return peer, frame[option:]
}

// option is the length of one waypoint with its count.
const option = 1 + idLen

// withoutHome returns a copy of frame without the waypoint at frame[at].
func (in *Ingress) withoutHome(frame []byte, at int) []byte {
	sent := append(in.room(len(frame)-option), frame[:at]...)
	sent[1] &^= byte(wire.FlagWaypoints)
	return append(sent, frame[at+option:]...)
}

// home is the short way for a frame of ours to a node behind a relay that is
// linked here: its one waypoint, at frame[at], which is to be taken off. Nil
// means: walk the rules.
func (in *Ingress) home(s *Snapshot, frame []byte) (_ *Peer, at int) {
	at = wire.HeaderLen
	if len(frame) < at+1+option || len(frame) > wire.MaxFrame || !wire.SameID(wire.FrameSrc(frame), (*wire.ID)(&s.self)) {
		return nil, 0
	}
	if s.leaf && wire.FrameFlags(frame)&wire.FlagDetour != 0 && frame[at] == 0 {
		at++ // a leaf leaves an empty detour list as it is
	}
	flags := wire.FlagWaypoints
	if at > wire.HeaderLen {
		flags |= wire.FlagDetour
	}
	if wire.FrameFlags(frame)&^wire.ClassMask != flags || frame[at] != 1 || !sendable(frame, true) {
		return nil, 0
	}
	home := (*wire.ID)(frame[at+1:])
	if in.resolve(s, wire.FrameDst(frame)).direct {
		return nil, 0
	}
	r := in.resolve(s, home)
	if !r.direct || r.peer.Leaf {
		return nil, 0
	}
	return r.peer, at
}

// ForwardBy is ForwardOwn by the first hop that c says.
func (s *Snapshot) ForwardBy(in *Ingress, frame []byte, c session.Choice, now time.Time) Verdict {
	var via *Peer
	if c.Via != (wire.ID{}) && len(frame) >= wire.HeaderLen {
		if via = s.via(&c.Via); via != nil && via.Leaf && wire.ID(via.ID) != *wire.FrameDst(frame) {
			via = nil
		}
	}
	if via == nil && len(c.Past) == 0 {
		return s.ForwardOwn(in, frame, c.K, now)
	}
	p := pass{s: s, in: in, raw: frame, now: now, own: true, via: via, past: c.Past}
	if via == nil {
		p.k = max(c.K, 0)
	}
	p.later = p.k > 0 || len(c.Past) > 0
	return p.run()
}

// via returns the peer with that ID, if frames for others may go by it or it is
// a leaf; nil: there is none.
func (s *Snapshot) via(id *wire.ID) *Peer {
	if i, ok := s.relays.Find(routing.ID(*id)); ok {
		return s.relays.At(i).Value
	}
	if p := s.direct[*id]; p != nil && p.Leaf {
		return p
	}
	return nil
}

// shortcut takes the waypoints off a frame of ours to a linked destination: they
// were put there by somebody who does not know the links.
func (p *pass) shortcut() {
	to := p.s.direct[p.f.Dst]
	if p.ours && p.k == 0 && p.f.Waypoints != nil && to != nil && (p.via == to || p.via == nil && !p.used(to)) {
		p.f.Waypoints, p.changed = nil, true
		p.emptyList()
	}
}

// spareWaypoint does rule 1 for the peer that a frame of ours goes to: where it
// is the first waypoint it would take that off before anything else. The frame
// has 21 bytes less then, and the peer needs not write it anew.
func (p *pass) spareWaypoint(peer *Peer) {
	if p.ours && p.f.Waypoints != nil && !p.f.Found && wire.ID(p.f.Waypoints[:idLen]) == wire.ID(peer.ID) {
		p.dropWaypoint()
	}
}

// chosen reports whether the first hop of a frame of this node is a choice that
// the rules do not make.
func (p *pass) chosen() bool { return p.later || p.via != nil }

// used reports whether an earlier copy left by that peer.
func (p *pass) used(peer *Peer) bool {
	for i := range p.past {
		if wire.SameID(&p.past[i], (*wire.ID)(&peer.ID)) {
			return true
		}
	}
	return false
}

// sendByChoice sends to the given first hop, or to the choice p.k among them.
func (p *pass) sendByChoice() Verdict {
	first := p.s.direct[p.f.Dst]
	if p.f.Type == wire.TypeNearest {
		first = nil
	}
	if p.via != nil {
		return p.send(p.via)
	}
	if first == nil {
		first = p.linked()
	}
	if first == nil {
		first = p.bestHop()
	}
	if peer := p.choice(first); peer != nil {
		return p.send(peer)
	}
	return drop(reason.NoRoute)
}

// choice returns the choice number p.k of the first hops: first, unless that is
// nil, then the other relays that carry in the order of their distance to the
// target, then those that do not. Those by which a copy left before come behind
// all others.
func (p *pass) choice(first *Peer) *Peer {
	s, most := p.s, p.k+1
	if len(p.past) > 0 || s.calm != s.relays {
		most = s.relays.Len()
	}
	scratch := p.in.rewriting()
	scratch.order = s.relays.Nearest(p.key, most, scratch.order[:0])
	left := p.k
	for _, used := range [...]bool{false, true} {
		if first != nil && p.used(first) == used {
			if left == 0 {
				return first
			}
			left--
		}
		for _, carries := range [...]bool{true, false} {
			for _, i := range scratch.order {
				peer := s.relays.At(i).Value
				if peer == first || p.used(peer) != used || s.carries(peer) != carries {
					continue
				}
				if left == 0 {
					return peer
				}
				left--
			}
		}
	}
	return nil
}
