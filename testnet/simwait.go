package testnet

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// simWait is what the reader of a link waits with: a frame for which the queue of
// another link has no room. Until it has, or limits.TransitWait is over, the link is
// not read, as it is of a real node.
type simWait struct {
	to    *link.Link
	class wire.Class
	frame []byte
	until time.Duration
	rest  []byte       // of the batch
	later []*simBuffer // that arrived meanwhile
}

// waitLook is how often a reader that waits looks for room.
const waitLook = time.Millisecond

const (
	linkWaits simKind = iota
	linkPump          // what was held back may go
	linkRoom          // it takes again what it refused
)

// slow says that a link's carrier has a line, and can be full.
func slow(l *link.Link) bool { return l.Carrier.(*simEnd).tcp != nil }

// await keeps a frame that found no room and stops reading.
func (l *simLink) await(to *link.Link, class wire.Class, frame []byte) {
	s := l.node.sim
	l.wait = &simWait{to: to, class: class, frame: append([]byte(nil), frame...), until: s.now + limits.TransitWait}
	if tcp := l.link.Carrier.(*simEnd).tcp; tcp != nil {
		tcp.Pause()
	}
	s.heap.push(s.now+waitLook, l, linkWaits)
}

// happen implements simActor.
func (l *simLink) happen(s *Simulation, kind simKind) {
	switch {
	case l.node.dead:
	case kind == linkPump:
		if s.now == l.pumpAt {
			l.wake()
		}
	case kind == linkRoom:
		l.roomy = false
		l.node.sessions.Room(s.time(), l.link.Peer)
	case l.wait != nil:
		l.lookForRoom(s)
	}
}

// lookForRoom tries a frame again that found no room.
func (l *simLink) lookForRoom(s *Simulation) {
	w := l.wait
	a := l.node.queue(w.to, l.ingress(), w.class, w.frame)
	if a == link.Full && s.now < w.until {
		s.heap.push(s.now+waitLook, l, linkWaits)
		return
	}
	if a == link.Full {
		w.to.MarkStalled(l.number())
	}
	l.refused(a)
	l.wait = nil
	if cause := l.walk(w.rest); cause != reason.None {
		l.link.Close(cause)
		return
	}
	e := l.link.Carrier.(*simEnd)
	for _, b := range w.later {
		e.arrive(b)
	}
	if e.tcp != nil && l.wait == nil {
		e.tcp.Resume()
	}
}

// refused counts a frame that no link took.
func (l *simLink) refused(a link.Admission) {
	if a == link.Queued {
		return
	}
	why := reason.QueueFull
	if a == link.Ended {
		why = reason.LinkLost
	}
	l.node.sim.drops.Add(why, 1)
}

// pump writes what has gathered, and comes back for what is held back.
func (l *simLink) pump() {
	s := l.node.sim
	wait := l.link.Pump(s.time())
	if at := s.now + wait; wait > 0 && (l.pumpAt <= s.now || at < l.pumpAt) {
		l.pumpAt = at
		s.heap.push(at, l, linkPump)
	}
}
