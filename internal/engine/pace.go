package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

// pace bounds how many links over WebRTC a node tries to make for its table at
// once. A question that nobody answers in time tells that the mesh, or the machine,
// has more to do than it can: then fewer are asked at once, and at the end one,
// after pauses that grow. Each that is answered lets one more be asked. Without
// that, nodes that are slow because of what they try go on to try it. What a user
// or a pair that talks much wants is not held up. Times are those of Engine.clock.
type pace struct {
	fewer  int           // than limits.LearntDials at once
	silent int           // questions in a row without an answer, once there is one at a time
	since  time.Duration // the last of these counts; what was asked before that counts no more
	next   time.Duration // nothing is asked before
	held   bool          // somebody whom this node needs waits for his turn
}

// window is how many may be under way at once, at least one.
func (p *pace) window() int { return limits.LearntDials - p.fewer }

// open says whether one more may be begun beside those under way.
func (p *pace) open(clock time.Duration, underWay int) bool {
	return underWay < p.window() && clock >= p.next
}

// answered notes that somebody answered a question for a link, or made one.
func (p *pace) answered() {
	p.fewer, p.silent, p.next = max(p.fewer-1, 0), 0, 0
}

// unanswered notes that nobody has answered a question that was asked at began.
// Those under way at the same time count once.
func (e *Engine) unanswered(now time.Time, began time.Duration) {
	p, clock := &e.pace, e.clock(now)
	if began < p.since {
		return
	}
	p.since = clock
	if window := p.window(); window > 1 {
		p.fewer = limits.LearntDials - window/2
		return
	}
	pause := min(limits.AskPause<<min(p.silent, 16), limits.AskPauseMax)
	p.next = clock + pause/2 + e.jitter(pause/2)
	p.silent++
}

// paced takes from the end of a dial over WebRTC what it tells of the pace. A link
// that was agreed on and did not come up tells nothing: the two may be behind NATs.
func (e *Engine) paced(now time.Time, ev *DialFailed) {
	switch {
	case ev.Silent:
		e.unanswered(now, ev.Target.began)
	case ev.Reason != reason.None || e.links.linked(ev.Target.known.ID):
		e.pace.answered()
	}
}

// holdBack notes whether somebody whom this node needs and has never asked has to
// wait, and looks again when the pause is over.
func (e *Engine) holdBack(now time.Time) {
	p, clock := &e.pace, e.clock(now)
	p.held = false
	if p.open(clock, e.carried.dials) {
		return
	}
	if wait := p.next - clock; wait > 0 {
		e.fillSoon(now, wait)
	}
	places := e.places()
	for _, k := range e.book.list {
		if k.noURL && k.failures == 0 && clock >= k.next && !k.dialing && !e.links.linked(k.ID) && e.filler.Need(places, k.key) > routing.NeedSpread {
			p.held = true
			return
		}
	}
}
