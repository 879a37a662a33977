package engine

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// routesKept is how many next hops an Ingress remembers. Eight entries are one
// look at a few cache lines; a miss costs little more than one SHA-256.
const routesKept = 8

// Ingress is what the reader of one link keeps between frames: remembered next
// hops, the token buckets of the link, and memory for one rewritten frame.
//
// It belongs to one goroutine. A node's own frames need one as well, for every
// goroutine that sends.
type Ingress struct {
	peer  *Peer  // nil: this node itself; set at NewIngress
	dice  uint64 // state of a xorshift generator that picks among homes
	stamp *stamp // of the snapshot that routes were found in

	tags   [routesKept]uint64 // first 8 bytes of the id of each route: one cache line to look at
	routes []route            // at most routesKept; it grows with what is looked for, so that an idle link does without
	last   uint8              // index of the route found last
	victim uint8              // index to be overwritten next

	budgets *budgets // nil: nothing was charged yet

	scratch *Scratch // nil: no frame was rewritten yet
}

// budgets are the token buckets of a link.
type budgets struct{ detours, hints, control, stores, answers bucket }

// charged returns the budgets to charge, which an idle link does without.
func (in *Ingress) charged() *budgets {
	if in.budgets == nil {
		in.budgets = new(budgets)
	}
	return in.budgets
}

// Scratch is memory for the frame that an [Ingress] rewrites: as much as the
// first frames need, or limits.MaxFrame once one was larger than limits.Scratch.
// The Ingresses of one goroutine may share one, and the frame of a verdict is
// then valid until the next call with any of them.
type Scratch struct {
	frame []byte     // a rewritten frame
	home  [1]wire.ID // the waypoint that rule 5 added
	list  []byte     // the detour list that is sent on
	order []int      // relays by distance, for ForwardOwn
}

// NewIngress returns the Ingress of the link from p, or with nil that of this
// node itself.
func NewIngress(p *Peer) *Ingress {
	in := &Ingress{peer: p, dice: 1}
	if p != nil {
		in.dice |= binary.BigEndian.Uint64(p.Key[:])
	}
	return in
}

// Share makes in rewrite frames in s. It is called before the first frame.
func (in *Ingress) Share(s *Scratch) { in.scratch = s }

// rewriting returns the memory to rewrite in.
func (in *Ingress) rewriting() *Scratch {
	if in.scratch == nil {
		in.scratch = new(Scratch)
	}
	return in.scratch
}

// room returns memory for a rewritten frame of n bytes. Few links ever see a large
// frame that has to be rewritten, so that their memory stays small.
func (in *Ingress) room(n int) []byte {
	s := in.rewriting()
	if n > cap(s.frame) {
		size := limits.MaxFrame
		if n <= limits.Scratch {
			size = 1 << bits.Len(uint(n-1))
		}
		s.frame = make([]byte, 0, size)
	}
	return s.frame
}

// Peer returns the peer that the link leads to, or nil for this node itself.
func (in *Ingress) Peer() *Peer { return in.peer }

// AllowControl takes one token of the link's budget of frames for the control
// loop (limits.ControlRate, limits.ControlBurst) and tells whether there was one.
// Forward does so itself for the mesh frames that it delivers or has answered;
// link frames are the caller's. This node itself has no such budget.
func (in *Ingress) AllowControl(now time.Time) bool {
	return in.peer == nil || in.charged().control.take(now, limits.ControlRate, limits.ControlBurst)
}

// AllowHint is AllowControl for hints to the sources of frames that came by the
// link (limits.HintRate, limits.HintBurst). Forward does so itself before it
// returns ActionHint.
func (in *Ingress) AllowHint(now time.Time) bool {
	return in.peer == nil || in.charged().hints.take(now, limits.HintRate, limits.HintBurst)
}

// AllowStore is AllowControl for records to be kept (limits.StoreRate,
// limits.StoreBurst). Forward does so itself for a Nearest frame that stores.
func (in *Ingress) AllowStore(now time.Time) bool {
	return in.peer == nil || in.charged().stores.take(now, limits.StoreRate, limits.StoreBurst)
}

// route is the way to one target by rules 2, 4 and 6, under one snapshot.
type route struct {
	id     wire.ID
	direct bool        // peer is the target
	peer   *Peer       // next hop; nil: a dead end
	key    routing.Key // of id
	// open tells whether peer is where a frame for id goes that bears no options:
	// 0 if that is not known; openAlways if no record matters; else one more than
	// the version of the records, of which none was of id.
	open uint64
}

const openAlways = ^uint64(0)

// stamp is the identity of a snapshot. An Ingress remembers it in place of the
// snapshot, which it would keep alive on an idle link.
type stamp struct{ _ byte }

// express returns the next hop of a frame that no rule changes: without options,
// for another node, whose next hop is by rule 2, 4 or 6. Nil means: walk the rules.
func (in *Ingress) express(s *Snapshot, frame []byte) *Peer {
	if len(frame) < wire.HeaderLen || len(frame) > wire.MaxFrame || !unaltered(frame, in.peer == nil) {
		return nil
	}
	if in.peer != nil && (s.leaf || in.peer.Leaf && !in.fromPeer(frame)) {
		return nil
	}
	r := in.resolve(s, wire.FrameDst(frame))
	if r.open == openAlways || r.open == s.recordsVersion()+1 || in.opens(s, r) {
		return r.peer
	}
	return nil
}

// arrived tells whether frame is data for this node itself, without options and
// from a source that may come by this link: what rules 0 to 2 deliver as it is.
func (in *Ingress) arrived(s *Snapshot, frame []byte) bool {
	return len(frame) >= wire.HeaderLen && len(frame) <= wire.MaxFrame &&
		wire.FrameType(frame) == wire.TypeData && wire.FrameFlags(frame)&^wire.ClassMask == 0 &&
		wire.FrameHopLimit(frame)-1 < wire.MaxHopLimit && wire.SameID(wire.FrameDst(frame), (*wire.ID)(&s.self)) &&
		(in.peer == nil || !in.peer.Leaf || in.fromPeer(frame))
}

// fromPeer tells whether the peer itself is the source of frame.
func (in *Ingress) fromPeer(frame []byte) bool {
	return wire.SameID(wire.FrameSrc(frame), (*wire.ID)(&in.peer.ID))
}

// opens tells whether a frame for r.id goes on by r as it is, and notes for how
// long that holds.
func (in *Ingress) opens(s *Snapshot, r *route) bool {
	switch version := s.recordsVersion(); {
	case r.id == wire.ID(s.self):
		return false
	case r.direct:
		r.open = openAlways
	case s.leaf:
		r.open = openAlways
	case s.records != nil && s.hasRecord(&r.id):
		return false
	default:
		r.open = version + 1
	}
	return true
}

// unaltered tells whether the header lets the frame go on as it is, its hop
// limit aside.
func unaltered(frame []byte, own bool) bool {
	return wire.FrameFlags(frame)&^wire.ClassMask == 0 && sendable(frame, own)
}

// sendable tells whether a frame is of a type that goes to an ID, with crossings
// left. Own frames have not crossed a link yet.
func sendable(frame []byte, own bool) bool {
	t, limit := wire.FrameType(frame), wire.FrameHopLimit(frame)
	return t != wire.TypeNearest && t >= wire.TypeData && t <= wire.TypeHint && limit <= wire.MaxHopLimit && (limit > 1 || own && limit == 1)
}

// recall returns the remembered route to id, or nil.
func (in *Ingress) recall(id *wire.ID) *route {
	tag := tagOf(id)
	if int(in.last) < len(in.routes) && in.tags[in.last] == tag {
		if r := &in.routes[in.last]; wire.SameID(&r.id, id) {
			return r
		}
	}
	for i, t := range in.tags[:len(in.routes)] {
		if t == tag && wire.SameID(&in.routes[i].id, id) {
			in.last = uint8(i)
			return &in.routes[i]
		}
	}
	return nil
}

func tagOf(id *wire.ID) uint64 { return binary.BigEndian.Uint64(id[:]) }

// resolve returns the route to id, which stays valid while fewer than
// routesKept others are resolved.
func (in *Ingress) resolve(s *Snapshot, id *wire.ID) *route {
	if in.stamp != s.stamp {
		in.stamp, in.routes, in.victim = s.stamp, in.routes[:0], 0
	}
	if r := in.recall(id); r != nil {
		return r
	}
	in.last = in.victim
	in.victim = (in.victim + 1) % routesKept
	if int(in.last) == len(in.routes) {
		in.routes = append(in.routes, route{})
	}
	in.tags[in.last] = tagOf(id)
	r := &in.routes[in.last]
	s.findRoute(r, id)
	return r
}

// roll returns the next pseudo-random number (xorshift64). Whoever foresees it
// knows which home of a leaf a frame goes by, and nothing more.
func (in *Ingress) roll() uint64 {
	in.dice ^= in.dice << 13
	in.dice ^= in.dice >> 7
	in.dice ^= in.dice << 17
	return in.dice
}
