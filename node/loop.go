package node

import (
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
)

// linkUp is engine.LinkUp for a link whose reader waits until it is in the
// snapshot: what the peer hears from this node then proves that it can be reached.
type linkUp struct {
	engine.LinkUp
	admitted chan struct{}
}

// runLoop is the control loop: the one goroutine that steps the engine.
func (n *Node) runLoop() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
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
		for _, a := range n.engine.Step(time.Now(), ev) {
			n.perform(a)
		}
		if up, ok := ev.(linkUp); ok {
			close(up.admitted)
		}
		n.state.publish(n.engine.Targets(), n.engine.Reached())
	}
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
		n.wg.Go(func() { n.dial(a.Target, a.Count) })
	case engine.CloseLink:
		n.closeLink(a.Link, a.Reason)
	case engine.PingLink:
		a.Link.Ping(time.Now(), nonce())
	case engine.Reforward:
		n.reforward(a.Link)
	case engine.Compute:
		n.wg.Go(func() {
			n.workers <- struct{}{}
			a.Job.Run()
			<-n.workers
			n.post(engine.Finished(a))
		})
	case engine.Tell:
		n.tell(a.Notice)
	}
}

// runTicker looks at the clocks of the links: often at those that owe or await
// an ack, seldom at the others. It also reports what was dropped.
func (n *Node) runTicker() {
	timer := time.NewTimer(limits.IdleTick)
	defer timer.Stop()
	lastIdle := time.Now()
	for {
		select {
		case <-timer.C:
		case <-n.busy:
			timer.Reset(limits.LinkTick)
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
		}
		if n.tickLinks(now, idle) {
			timer.Reset(limits.LinkTick)
		} else {
			timer.Reset(max(0, limits.IdleTick-now.Sub(lastIdle)))
		}
	}
}

// tickLinks ticks the busy links, or all, and says whether one is still busy.
func (n *Node) tickLinks(now time.Time, all bool) (busy bool) {
	for _, r := range n.live.all() {
		if !all && !r.busy.Load() {
			continue
		}
		h := r.link.Tick(now, nonce())
		r.busy.Store(h.Busy)
		busy = busy || h.Busy
		if h.Dead != reason.None {
			r.link.Close(h.Dead)
		}
		if h.Changed {
			n.post(engine.LinkHealth{Link: r.link, Suspect: h.Suspect})
		}
	}
	return busy
}

// coarseClock tells a time that is at most limits.IdleTick old, for what needs
// no better one: reading the real clock costs as much as sealing 64 bytes.
type coarseClock struct{ now atomic.Pointer[time.Time] }

func (c *coarseClock) set(now time.Time) { c.now.Store(&now) }
func (c *coarseClock) load() time.Time   { return *c.now.Load() }
