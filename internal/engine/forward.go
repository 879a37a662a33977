package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// FrameAction is what to do with a frame.
type FrameAction uint8

// What to do with a frame. ActionDrop is the zero value.
const (
	ActionDrop    FrameAction = iota // forget the frame and count Reason
	ActionSend                       // queue Frame on the link of Peer
	ActionDeliver                    // Frame is for this node
	ActionAnswer                     // Frame is a Nearest or an expired Probe that ends here
	ActionHint                       // forget Frame, count Reason, and tell the source (AppendHint)
)

var frameActionNames = [...]string{"drop", "send", "deliver", "answer", "hint"}

// String returns the lower-case name of a, or "unknown".
func (a FrameAction) String() string {
	if int(a) < len(frameActionNames) {
		return frameActionNames[a]
	}
	return "unknown"
}

// Verdict is the answer of Forward.
type Verdict struct {
	Action FrameAction
	Reason reason.Reason // of ActionDrop and ActionHint; of ActionSend, if the source should be told that it may come to nothing
	Peer   *Peer         // of ActionSend; else nil
	// Frame is the frame to send, deliver, answer or hint at; nil with ActionDrop.
	// It is the one that was handed in, or a rewritten copy in the Scratch of the
	// Ingress, which the next call overwrites.
	Frame []byte
	// Copy, with ActionSend: the control loop wants Frame as well, for Passed. It is
	// a Store that goes on, or a question that ends here besides, or the first
	// message of a session for which a record was used here.
	Copy bool
	// End, with Copy: a Nearest ends here as far as links that carry lead, and goes
	// on by one that does not.
	End bool
}

// Forward decides about a mesh frame that came over the link of in, by the rules
// of docs/protocol.md, section 3. now runs the token buckets of in and nothing
// else.
//
// frame may hold any bytes at all. It is changed only where the verdict sends on
// these very bytes: then its hop limit is one less. A frame with the limit 1 is
// delivered where it is for this node, and goes no further otherwise. It must
// not lie in memory that an earlier verdict of in returned. Forward does not
// allocate, but for the memory of the first rewritten frames of in.
//
// With an Ingress of this node itself the frame is one that had no crossing yet,
// as for ForwardOwn with k = 0; so are frames that come back from the queue of a
// lost or suspect link.
func (s *Snapshot) Forward(in *Ingress, frame []byte, now time.Time) Verdict {
	switch peer, mine := s.Express(in, frame); {
	case peer != nil:
		return Verdict{Action: ActionSend, Peer: peer, Frame: frame}
	case mine:
		return Verdict{Action: ActionDeliver, Frame: frame}
	}
	p := pass{s: s, in: in, raw: frame, now: now, own: in.peer == nil}
	return p.run()
}

// Express is the short way of Forward for a frame that goes on, or is delivered,
// as it is: it returns the peer to send to, the hop limit being lowered already,
// or says that the frame is for this node. If it says neither, ask Forward.
func (s *Snapshot) Express(in *Ingress, frame []byte) (to *Peer, mine bool) {
	if to = in.express(s, frame); to == nil {
		return nil, in.arrived(s, frame)
	}
	if in.peer != nil {
		wire.SetFrameHopLimit(frame, wire.FrameHopLimit(frame)-1)
	}
	return to, false
}

// pass is the walk of one frame through the rules. It lives on the stack.
type pass struct {
	s   *Snapshot
	in  *Ingress
	raw []byte // as it came in
	now time.Time
	k   int   // the choice of first hop for an own frame; 0: the best
	via *Peer // the first hop for an own frame; nil: the k-th choice

	later bool      // copies of an own frame left before it
	past  []wire.ID // first hops of these: others go before them

	f   wire.Frame  // what raw says, and what is to be sent on
	to  *route      // to the target; nil: the target is the Key of a Nearest frame
	key routing.Key // of the target

	own     bool // comes from this node, not over a link
	ours    bool // own, and its source is this node
	changed bool // f is not what raw says any more, the hop limit aside
	passed  bool // rule 1 removed a waypoint
	found   bool // rule 5 added one
	doubted bool // it goes by a link, or for a home, that is suspect
}

// run goes through the rules in their order.
func (p *pass) run() Verdict {
	if r := p.refusal(); r != reason.None {
		return drop(r)
	}
	if p.s.leaf && !p.own {
		return p.keep()
	}
	p.shortcut()
	for {
		p.passWaypoints()
		if v, done := p.arrive(); done {
			return v
		}
		if v, done := p.onward(); done {
			return v
		}
		if v, done := p.deadEnd(); done {
			return v
		}
	}
}

// refusal is the first half of rule 0, after the bytes have proved to be a frame.
func (p *pass) refusal() reason.Reason {
	err, f := p.f.Parse(p.raw), &p.f
	switch {
	case err != nil, f.Type == wire.TypeNearest && len(f.Body) < wire.NearestHeaderLen:
		return reason.Malformed
	case !p.own && p.in.peer.Leaf && f.Src != wire.ID(p.in.peer.ID):
		return reason.ForgedSource
	case f.HopLimit == 0:
		return reason.HopLimit
	}
	p.ours = p.own && f.Src == wire.ID(p.s.self)
	return reason.None
}

// keep is the second half of rule 0: a leaf is the end of every frame.
func (p *pass) keep() Verdict {
	if p.mine() {
		return p.deliver()
	}
	return drop(reason.NotForUs)
}

// mine tells whether the destination is this node. That of a Nearest is zero.
func (p *pass) mine() bool { return p.f.Dst == wire.ID(p.s.self) }

// deliver charges frames that need the control loop to the ingress link. Frames
// sealed for a session do not.
func (p *pass) deliver() Verdict {
	if p.f.Type != wire.TypeData && !p.own && !p.in.AllowControl(p.now) {
		return drop(reason.RateLimited)
	}
	return Verdict{Action: ActionDeliver, Frame: p.raw}
}

// passWaypoints is rule 1.
func (p *pass) passWaypoints() {
	for p.f.Waypoints != nil && wire.ID(p.f.Waypoints[:idLen]) == wire.ID(p.s.self) {
		p.dropWaypoint()
		p.passed = true
	}
}

// dropWaypoint removes the first waypoint, which there is.
func (p *pass) dropWaypoint() {
	if p.f.Waypoints = p.f.Waypoints[idLen:]; len(p.f.Waypoints) == 0 {
		p.f.Waypoints = nil
	}
	p.changed = true
	p.emptyList()
}

// arrive is the first half of rule 2.
func (p *pass) arrive() (Verdict, bool) {
	if p.f.Waypoints != nil || !p.mine() {
		return Verdict{}, false
	}
	return p.deliver(), true
}

// onward is the rest of rule 2, and rules 3 to 6.
func (p *pass) onward() (Verdict, bool) {
	p.settle()
	if p.chosen() && !p.aimed() {
		return p.sendByChoice(), true
	}
	if peer := p.linked(); peer != nil && !p.used(peer) {
		p.spareWaypoint(peer)
		return p.send(peer), true
	}
	if p.passed && p.f.Found {
		return p.refuse(reason.Detached), true
	}
	if peer := p.around(); peer != nil {
		return p.send(peer), true
	}
	if p.addHome() {
		if peer := p.linked(); peer != nil {
			return p.send(peer), true
		}
	}
	if peer := p.bestHop(); peer != nil {
		return p.send(peer), true
	}
	return Verdict{}, false
}

// settle settles the target. Of a scatter frame that is a point that no node is
// at, and to stays the destination.
func (p *pass) settle() {
	switch {
	case p.f.Waypoints != nil:
		p.to = p.in.resolve(p.s, (*wire.ID)(p.f.Waypoints))
		p.key = p.to.key
	case p.f.Type == wire.TypeNearest:
		p.to, p.key = nil, routing.Key(p.f.Body[wire.NonceLen:])
	default:
		p.to = p.in.resolve(p.s, &p.f.Dst)
		p.key = p.to.key
	}
	if p.aimed() {
		p.key = aimKey(p.f.Aim)
	}
}

// linked returns the direct peer that is the target, or nil.
func (p *pass) linked() *Peer {
	switch {
	case p.to == nil || !p.to.direct:
		return nil
	case p.f.Type == wire.TypeNearest && p.to.id == p.f.Src:
		return nil
	}
	return p.to.peer
}

// addHome is rule 5. It tells whether the target is a home now. For a leaf rule 4
// comes first, and a later copy of a frame of this node does without its records.
func (p *pass) addHome() bool {
	if p.later || p.ours && p.f.Aim != nil || p.f.Waypoints != nil || p.f.Found || p.to == nil || p.s.leaf || !p.pickHome() {
		return false
	}
	p.f.Waypoints, p.f.Found, p.changed, p.found = p.in.scratch.home[0][:], true, true, true
	p.emptyList()
	p.settle()
	return true
}

// pickHome chooses one of the homes of the destination that is not this node: a
// linked relay if there is one, else any.
func (p *pass) pickHome() bool {
	if p.s.records == nil {
		return false
	}
	homes, ok := p.s.records.Attachment(p.f.Dst)
	if !ok || len(homes) == 0 {
		return false
	}
	found, picked := false, &p.in.rewriting().home[0]
	first := int(p.in.roll() % uint64(len(homes)))
	for i := range homes {
		home := &homes[(first+i)%len(homes)]
		if *home == wire.ID(p.s.self) || p.s.overdue[*home] != nil {
			continue
		}
		if peer := p.s.direct[*home]; peer != nil && !peer.Leaf {
			*picked = *home
			return true
		}
		if !found {
			*picked, found = *home, true
		}
	}
	return found
}

// bestHop is rules 4 and 6. The remembered hop is the answer unless the frame
// must not go there.
func (p *pass) bestHop() *Peer {
	anywhere := p.own && p.s.leaf || p.ours && p.to == nil
	if p.aimed() {
		peer := p.scatter()
		if peer != nil || p.to != nil {
			return peer
		}
	}
	var peer *Peer
	switch {
	case p.to != nil && !p.to.direct && !p.plain():
		peer = p.to.peer
	case anywhere:
		peer = p.s.nearest(&p.key)
	case p.plain():
		peer = p.s.plainBest(&p.key)
	default:
		peer = p.s.best(&p.key)
	}
	b := p.unbarred()
	if peer == nil || !b.forbids(peer) {
		return peer
	}
	b.nearer = !anywhere
	return p.s.scanCalm(&p.key, b)
}

// plain tells whether the frame shows that other copies went before it: it was
// theirs to go by the lists of neighbours.
func (p *pass) plain() bool { return p.f.Aim != nil || len(p.past) > 0 }

// send is the end of rules 2, 4, 6 and 7: the frame goes to that peer.
func (p *pass) send(peer *Peer) Verdict {
	if !p.own {
		if p.f.HopLimit <= 1 {
			return p.expire()
		}
		p.f.HopLimit--
	}
	if !p.appendSelf() {
		return p.refuse(reason.LoopedDetour)
	}
	v := Verdict{Action: ActionSend, Peer: peer, Frame: p.raw}
	if p.changed {
		if p.f.Len() > wire.MaxFrame {
			return p.refuse(reason.TooLarge)
		}
		v.Frame = p.rewrite()
	} else {
		wire.SetFrameHopLimit(p.raw, p.f.HopLimit)
	}
	p.copied(&v)
	v.Reason = p.doubt()
	return v
}

// copied says whether the control loop has something to do with a frame that goes
// on: each relay that a Store passes keeps the record, who adds a home to the
// first message of a session tells the source of the record, and a Nearest ends
// wherever no link that carries leads closer.
func (p *pass) copied(v *Verdict) {
	switch {
	case p.own:
	case p.f.Type == wire.TypeNearest:
		v.End = p.f.Waypoints == nil && !p.s.carries(v.Peer)
		if p.stores() {
			v.Copy = p.in.AllowStore(p.now)
		} else {
			v.Copy = v.End && p.in.AllowControl(p.now)
		}
		v.End = v.End && v.Copy
	case p.found && p.f.Type == wire.TypeHandshake && len(p.f.Body) > 0 && p.f.Body[0] == wire.HandshakeFirst:
		v.Copy = p.in.charged().answers.take(p.now, limits.RecordAnswerRate, limits.RecordAnswerBurst)
	}
}

// stores tells whether a Nearest is a Store.
func (p *pass) stores() bool { return wire.Op(p.f.Body[wire.NearestHeaderLen-1]) == wire.OpStore }

// rewrite writes the frame anew.
func (p *pass) rewrite() []byte { return wire.AppendFrame(p.in.room(p.f.Len()), &p.f) }

// expire ends a frame that has used up its hop limit.
func (p *pass) expire() Verdict {
	if p.f.Type == wire.TypeProbe {
		return p.answer()
	}
	return drop(reason.HopLimit)
}

// answer ends a Nearest or Probe frame here.
func (p *pass) answer() Verdict {
	allow := p.in.AllowControl
	if p.f.Type == wire.TypeNearest && p.stores() {
		allow = p.in.AllowStore
	}
	if !p.own && !allow(p.now) {
		return drop(reason.RateLimited)
	}
	return Verdict{Action: ActionAnswer, Frame: p.raw}
}

// refuse drops the frame and has its source told, unless that is of no use, or
// the ingress link has had its share of hints.
func (p *pass) refuse(r reason.Reason) Verdict {
	silent := p.own || p.f.Type == wire.TypeHint || p.f.Type == wire.TypeAnswer
	if silent || !p.in.charged().hints.take(p.now, limits.HintRate, limits.HintBurst) {
		return drop(r)
	}
	return Verdict{Action: ActionHint, Reason: r, Frame: p.raw}
}

func drop(r reason.Reason) Verdict { return Verdict{Reason: r} }

// idLen is the length of one waypoint.
const idLen = len(wire.ID{})
