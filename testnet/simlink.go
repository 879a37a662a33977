package testnet

import (
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"golang.org/x/time/rate"
)

// simLink is one link of a simulated node: what reads it, and takes its batches
// apart as the reader of a real node does.
type simLink struct {
	node *simNode
	link *link.Link
	in   *engine.Ingress
	prio *rate.Limiter // nil: no urgent frame yet

	since    time.Duration // when it came up
	admitted bool          // it is read
	busy     bool          // in node.busy
	dirty    bool          // in Simulation.dirty
	roomy    bool          // it is planned to tell sessions of room
	direct   bool          // is none of the table
	wait     *simWait      // nil: it is read
	pumpAt   time.Duration // when what is held back is looked at again
	took     simTook       // of the batch that is being read
	relay    bool          // counts as one of the node's links with relays
}

func (l *simLink) onBusy() {
	if !l.busy {
		l.busy = true
		l.node.tickSoon(l)
	}
}

// onRoom has sessions send what the link refused, at the end of this instant.
func (l *simLink) onRoom() {
	if !l.roomy {
		l.roomy = true
		l.node.sim.heap.push(l.node.sim.now, l, linkRoom)
	}
}

// wake has what gathered written at the end of this instant.
func (l *simLink) wake() {
	if !l.dirty {
		l.dirty = true
		l.node.sim.dirty = append(l.node.sim.dirty, l)
	}
}

// ended notes that the link is closed.
func (l *simLink) ended() {
	l.node.count(l, false)
	l.node.sim.post(l.node, engine.LinkDown{Link: l.link})
}

// simTook counts the frames of a batch.
type simTook struct{ frames, kept int }

func simLinkOf(l *link.Link) *simLink { return l.Carrier.(*simEnd).link }

// HandleBatch implements link.Handler.
func (l *simLink) HandleBatch(_ *link.Link, batch []byte) reason.Reason {
	l.took = simTook{}
	return l.walk(batch)
}

// walk deals with the frames of a batch, until one has to wait.
func (l *simLink) walk(batch []byte) reason.Reason {
	n, now := l.node, l.node.sim.time()
	snapshot := n.engine.Snapshot()
	for len(batch) > 0 {
		frame, rest, err := wire.NextInBatch(batch)
		if err != nil {
			return reason.ProtocolError
		}
		batch = rest
		n.sim.counts.Count(frame)
		if wire.IsLink(frame) {
			if why := engine.TakeLinkFrame(l.link, l.in, frame, now, &n.sim.drops, n.must, n.may); why != reason.None {
				return why
			}
			continue
		}
		l.took.frames++
		if len(frame) >= wire.HeaderLen && wire.FrameFlags(frame).Class() < wire.ClassBulk {
			l.took.kept++
		}
		if l.frame(snapshot, frame, now); l.wait != nil {
			l.wait.rest = append([]byte(nil), batch...)
			break
		}
	}
	n.sessions.EndBatch(&n.batch, now)
	if l.wait == nil {
		l.link.Took(l.took.frames, l.took.kept)
	}
	return reason.None
}

// frame deals with one mesh frame.
func (l *simLink) frame(snapshot *engine.Snapshot, frame []byte, now time.Time) {
	n := l.node
	switch to, mine := snapshot.Express(l.in, frame); {
	case to != nil:
		l.pass(to, frame, now)
		return
	case mine:
		l.deliver(frame, now)
		return
	}
	v := snapshot.Forward(l.in, frame, now)
	switch v.Action {
	case engine.ActionSend:
		if v.Reason != reason.None {
			n.hint(v.Frame, v.Reason)
		}
		if v.Copy && !n.drops {
			n.sim.post(n, engine.Passed{Link: l.number(), Frame: append([]byte(nil), v.Frame...), End: v.End})
		}
		l.pass(v.Peer, v.Frame, now)
	case engine.ActionDeliver:
		l.deliver(v.Frame, now)
	case engine.ActionAnswer:
		l.control(v.Frame)
	case engine.ActionHint:
		n.sim.drops.Add(v.Reason, 1)
		n.hint(v.Frame, v.Reason)
	case engine.ActionDrop:
		n.sim.drops.Add(v.Reason, 1)
	}
}

// pass queues a frame on the link to a peer.
func (l *simLink) pass(to *engine.Peer, frame []byte, now time.Time) {
	n := l.node
	if n.drops {
		return
	}
	class := l.class(frame, now)
	a := n.queue(to.Link, l.ingress(), class, frame)
	if a == link.Full && l.link != nil && slow(to.Link) {
		l.await(to.Link, class, frame)
		return
	}
	l.refused(a)
}

// ingress is the source number on outgoing links. What gets a new way is not the
// node's own.
func (l *simLink) ingress() uint64 {
	if l.link == nil {
		return link.Returned
	}
	return l.link.Number
}

// number is that of the link; of none that of the node itself.
func (l *simLink) number() uint64 {
	if l.link == nil {
		return link.Self
	}
	return l.link.Number
}

// class is the class in which a frame queues: urgent ones beyond their rate
// queue as interactive.
func (l *simLink) class(frame []byte, now time.Time) wire.Class {
	class := wire.FrameFlags(frame).Class()
	if class >= wire.ClassInteractive {
		return class
	}
	if l.prio == nil {
		l.prio = rate.NewLimiter(limits.PriorityRate, limits.PriorityBurst)
	}
	if !l.prio.AllowN(now, min(len(frame), limits.PriorityBurst)) {
		return wire.ClassInteractive
	}
	return class
}

// deliver takes a frame for this node.
func (l *simLink) deliver(frame []byte, now time.Time) {
	n := l.node
	if wire.FrameType(frame) != wire.TypeData {
		n.sim.load.handshake(frame)
		l.control(frame)
		return
	}
	copied := n.sim.load.arriving(frame)
	why := n.sessions.Receive(&n.batch, now, frame)
	n.sim.load.arrived(copied, why)
	if why == reason.UnknownSession && l.in.AllowHint(now) {
		n.hint(frame, why)
	}
}

// control gives the engine a copy of a frame.
func (l *simLink) control(frame []byte) {
	l.node.sim.post(l.node, engine.Control{Link: l.number(), Frame: append([]byte(nil), frame...)})
}

// reforward gives the frames that a link's peer did not take a new way.
func (n *simNode) reforward(l *link.Link) {
	batch := l.TakeRing()
	select {
	case <-l.Done():
		rest, lost := l.Leftover()
		batch = append(batch, rest...)
		n.sim.drops.Add(reason.LinkLost, lost)
	default:
	}
	retry := simLink{node: n, in: n.sim.retry}
	now, snapshot := n.sim.time(), n.engine.Snapshot()
	for len(batch) > 0 {
		frame, rest, err := wire.NextInBatch(batch)
		if err != nil {
			break // not reached: these are frames this node wrote
		}
		batch = rest
		retry.frame(snapshot, frame, now)
	}
	n.sessions.EndBatch(&n.batch, now)
	n.sessions.Yield(now, l.Peer)
}
