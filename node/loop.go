package node

import (
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/routing"
)

// linkUp is engine.LinkUp for a link whose reader waits until it is in the
// snapshot: what the peer hears from this node then proves that it can be
// reached. A link that is not admitted is never read.
type linkUp struct {
	engine.LinkUp
	admitted chan bool // capacity 1
}

// join is engine.Join for one who waits until the loop has seen it.
type join struct {
	engine.Join
	done chan struct{}
}

// runLoop is the control loop: the one goroutine that steps the engine.
func (n *Node) runLoop() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	n.showState()
	for {
		n.setTimer(timer)
		var ev engine.Event = engine.Wake{}
		select {
		case ev = <-n.loop:
		case <-timer.C:
		case <-n.armed:
			continue // the deadline moved: look at it again
		case <-n.ctx.Done():
			return
		}
		if h, ok := ev.(engine.LinkHealth); ok {
			h.Suspect = h.Link.Suspect() // as it is now: two goroutines post this
			ev = h
		}
		for _, a := range n.engine.Step(time.Now(), ev) {
			n.perform(a)
		}
		n.showState()
		switch ev := ev.(type) {
		case linkUp:
			ev.admitted <- n.engine.Linked(ev.Peer.Link)
		case join:
			close(ev.done)
		case askContacts:
			ev.answer <- n.engine.Contacts()
		}
	}
}

func (n *Node) showState() {
	n.state.publish(board{n.engine.Targets(), n.engine.Attached(), n.engine.Settled()})
}

func (n *Node) setTimer(timer *time.Timer) {
	wait := time.Hour
	if at, ok := n.engine.Next(); ok {
		wait = max(0, time.Until(at))
	}
	timer.Reset(wait)
}

// perform does what the engine decided. It never waits.
func (n *Node) perform(a engine.Action) {
	switch a := a.(type) {
	case engine.Dial:
		n.task("a dial", func() { n.dial(a) })
	case engine.CloseLink:
		if a.Now {
			a.Link.Close(a.Reason)
		} else {
			n.closeLink(a.Link, a.Reason, a.Contacts)
		}
	case engine.SendLink:
		a.Link.AppendControl(a.Frame)
	case engine.SendFrame:
		n.emit(a.Frame, session.Choice{K: a.K})
	case engine.PingLink:
		a.Link.Ping(time.Now(), nonce())
	case engine.Reforward:
		n.reforward(a.Link)
	case engine.Compute:
		n.vital("a handshake of a session", func() {
			n.workers <- struct{}{}
			a.Job.Run()
			<-n.workers
			n.post(engine.Finished(a))
		})
	case engine.Tell:
		if a.Notice.Kind == engine.NoticePeerUp {
			n.live.admitted(a.Notice.Link.Number)
		}
		n.showState() // who acts on the event finds what it tells
		n.tell(a.Notice)
	}
}

// runTicker looks at the clocks of the links: often at those that owe or await
// an ack, seldom at the others. It also reports what was dropped.
func (n *Node) runTicker() {
	timer := time.NewTimer(limits.IdleTick)
	defer timer.Stop()
	lastIdle := time.Now()
	due := lastIdle.Add(limits.IdleTick)
	for {
		select {
		case <-timer.C:
		case <-n.busy: // a tick soon; never later than one that is due already
			if soon := time.Now().Add(limits.LinkTick); soon.Before(due) {
				due = soon
				timer.Reset(limits.LinkTick)
			}
			continue
		case <-n.ctx.Done():
			return
		}
		now := time.Now()
		n.clock.set(now)
		idle := now.Sub(lastIdle) >= limits.IdleTick
		if idle {
			lastIdle = now
			n.reportDrops(now)
			n.reportRepeats(now)
			n.tellTraffic()
			n.rtc.expire(now)
		}
		due = lastIdle.Add(limits.IdleTick)
		if n.tickLinks(now, idle) {
			due = now.Add(limits.LinkTick)
		}
		timer.Reset(time.Until(due))
	}
}

// tellTraffic tells the engine which peers this node exchanges much with. The slice
// is the engine's until it has seen it.
func (n *Node) tellTraffic() {
	if busy := n.sessions.Traffic(nil); len(busy) > 0 {
		n.post(engine.Traffic{Peers: busy})
	}
}

// tickLinks ticks the busy links, or all, and says whether one is still busy.
func (n *Node) tickLinks(now time.Time, all bool) (busy bool) {
	n.ticked = n.live.again(n.ticked)
	defer clear(n.ticked) // keep the memory, not the links
	for _, r := range n.ticked {
		if !all && !r.busy.Load() {
			continue
		}
		r.busy.Store(false) // first: what the link owes from here on sets it again
		h := r.link.Tick(now, nonce())
		if h.Busy {
			r.busy.Store(true)
			busy = true
		}
		switch {
		case h.Unacked:
			n.log.Info("link cut: its peer answers pings and acknowledges nothing", "peer", routing.ID(r.link.Peer), "link", r.link.Number, "for", limits.AckPatience)
			n.closeLink(r.link, h.Dead, nil)
		case h.Dead != reason.None:
			r.link.Close(h.Dead)
		}
		if h.Changed {
			n.post(engine.LinkHealth{Link: r.link})
		}
	}
	return busy
}

// coarseClock tells a time that is at most limits.IdleTick old, for what needs
// no better one: reading the real clock costs as much as sealing 64 bytes.
type coarseClock struct{ now atomic.Pointer[time.Time] }

func (c *coarseClock) set(now time.Time) { c.now.Store(&now) }
func (c *coarseClock) load() time.Time   { return *c.now.Load() }
