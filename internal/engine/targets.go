package engine

import (
	"cmp"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/routing"
)

// TargetSpec names a URL to join by.
type TargetSpec struct {
	URL secret.URL
	Pin routing.ID // zero: whoever answers
	// Name: the URL has a host name, which may lead to several nodes, and to others
	// tomorrow.
	Name bool
	// Scopes are the address scopes that the URL may lead to; zero: any, as the
	// user gave it.
	Scopes Scopes
}

// Target is a URL that the node joins by, for as long as it runs. Owned by the
// engine; URL and Pin never change.
type Target struct {
	TargetSpec
	known    *known     // nil: a URL that the user gave
	peer     routing.ID // who answered last
	met      bool       // a link by it was proved: the mesh is known without it
	dialing  bool
	brief    bool // the last link by it ended before the peer had taken it
	never    bool // it leads to this very node
	linked   int  // links that came up by it and are alive
	attempts int  // since the last link
	failures int  // times replaced in a row
	next     time.Time
	lookAt   time.Time     // of a name: when another address of it is tried beside the link; zero: not yet
	began    time.Duration // when it was dialled last, by Engine.clock
	lastErr  error
	stage    string
}

// TargetInfo is a picture of a Target.
type TargetInfo struct {
	TargetSpec
	Up       bool // there is a link by it
	Linked   bool // and the peer has this node among its links
	Peer     routing.ID
	Attempts int
	Stage    string // where the last dial failed
	Err      error  // why; nil: it did not
	Next     time.Time
}

type targets struct {
	list    []*Target
	byURL   map[secret.URL]*Target
	flying  int
	dials   uint32
	stopped bool
}

// Targets are the URLs that the node joins by, in the order given.
func (e *Engine) Targets() []TargetInfo {
	infos := make([]TargetInfo, 0, len(e.targets.list))
	for _, t := range e.targets.list {
		infos = append(infos, TargetInfo{
			TargetSpec: t.TargetSpec, Linked: e.satisfied(t) && e.links.reached(t.peer) && e.serves(t.peer), Peer: t.peer, Up: t.linked > 0,
			Attempts: t.attempts, Stage: t.stage, Err: t.lastErr, Next: t.next,
		})
	}
	return infos
}

func (ev Join) step(e *Engine, now time.Time) {
	for _, spec := range ev.Targets {
		t := e.targets.byURL[spec.URL]
		if t == nil {
			if len(e.targets.list) >= limits.BootstrapURLs {
				continue
			}
			t = &Target{TargetSpec: spec}
			e.targets.byURL[spec.URL] = t
			e.targets.list = append(e.targets.list, t)
		}
		e.welcome(t.peer)
		e.welcome(spec.Pin)
		t.next, t.lastErr, t.stage, t.never, t.lookAt = now, nil, "", false, time.Time{}
	}
}

// satisfied says that a target needs no dial: its link is up, or another to the
// same peer is, or it has brought this node into a mesh that holds it well.
func (e *Engine) satisfied(t *Target) bool {
	return t.linked > 0 || t.met && e.links.relays >= limits.NearSet || !t.peer.IsZero() && e.links.linked(t.peer)
}

// dialDue dials what is due, within the bound on dials under way.
func (e *Engine) dialDue(now time.Time) {
	if e.targets.stopped {
		return
	}
	for e.targets.flying < limits.DialsInFlight {
		t := e.firstDue()
		if t == nil || now.Before(t.next) {
			break
		}
		t.attempts++
		e.dialNow(now, t, Dial{Need: true})
	}
	e.lookDue(now)
}

// dialNow dials a target of the user's.
func (e *Engine) dialNow(now time.Time, t *Target, d Dial) {
	t.dialing, t.began = true, e.clock(now)
	e.targets.flying++
	e.targets.dials++
	d.Target, d.Count = t, e.targets.dials
	e.do(d)
}

// nextTarget is when the first target is due.
func (e *Engine) nextTarget() (at time.Time, ok bool) {
	if e.targets.stopped || e.targets.flying >= limits.DialsInFlight {
		return at, false
	}
	at, ok = e.nextLook()
	if t := e.firstDue(); t != nil && (!ok || t.next.Before(at)) {
		return t.next, true
	}
	return at, ok
}

// firstDue is the target whose next try comes first, or nil.
func (e *Engine) firstDue() (first *Target) {
	for _, t := range e.targets.list {
		if !t.dialing && !t.never && !e.satisfied(t) && (first == nil || t.next.Before(first.next)) {
			first = t
		}
	}
	return first
}

// proved notes that a peer has taken this node among its links by t.
func (t *Target) proved() {
	if t.attempts, t.met = 0, true; t.stage != StageAttach {
		t.lastErr, t.stage = nil, ""
	}
}

// landed notes that a dial of t is over, whatever came of it.
func (e *Engine) landed(t *Target) {
	if t.known != nil {
		e.dialOver(t.known)
		return
	}
	if t.dialing {
		t.dialing = false
		e.targets.flying--
	}
}

func (ev CountDial) step(e *Engine, _ time.Time) {
	e.targets.dials++
	ev.Done(e.targets.dials)
}

func (ev DialFailed) step(e *Engine, now time.Time) {
	if ev.Again {
		e.dialAgain(now, ev.Target)
		return
	}
	k := ev.Target.known
	if k != nil && k.hot {
		e.hotFailed(now, ev.Target, cmp.Or[error](ev.Err, ev.Reason))
		return
	}
	e.landed(ev.Target)
	if k != nil && isWebRTC(ev.Target.URL.Reveal()) {
		e.paced(now, &ev)
		if e.links.linked(k.ID) {
			e.answerReach(k.ID, nil) // the peer's own offer became the link
			return
		}
	}
	if k != nil {
		e.failed(now, k, noPlace(ev.Reason))
		e.answerReach(k.ID, cmp.Or[error](ev.Err, ev.Reason))
		e.fillSoon(now, 0)
		return
	}
	if ev.More { // the verdict is about one address of the name
		ev.Target.next = now
		return
	}
	if ev.Reason == reason.OwnID {
		e.foundSelf(ev.Target, now)
	}
	ev.Target.lastErr, ev.Target.stage = ev.Err, ev.Stage
	e.schedule(ev.Target, now)
	kind := NoticeRetry
	if ev.Reason != reason.None {
		kind = NoticeRefused
		e.cfg.Drops.Add(ev.Reason, 1)
	}
	e.do(Tell{Notice{Kind: kind, URL: ev.Target.URL, Stage: ev.Stage, Reason: ev.Reason, Err: ev.Err, After: ev.Target.next.Sub(now)}})
}

// retry notes that a link of t came up but was not admitted.
func (e *Engine) retry(t *Target, now time.Time, stage string, why error) {
	e.landed(t)
	t.lastErr, t.stage = why, stage
	e.schedule(t, now)
}

// lost notes that the link n of a target has ended. If the peer had taken this
// node among its links and asked for no patience, the next try comes at once,
// spread a little so that not everybody comes back in the same moment.
func (e *Engine) lost(n *neighbour, now time.Time, why reason.Reason, err error) {
	t := n.target
	e.landed(t)
	t.linked--
	t.lastErr, t.stage = err, "link"
	if why != reason.Replaced {
		t.failures = 0
	}
	switch {
	case !n.answered:
		e.schedule(t, now)
	case !now.Before(t.next):
		t.next = now.Add(e.jitter(limits.BootstrapRetry / 8))
	}
}

// schedule sets the next try of t: soon while no link is up, with growing
// pauses beside live ones. A longer pause that was asked for stands. While no link is
// up a dial that nobody answered was pause enough: the network may be back.
func (e *Engine) schedule(t *Target, now time.Time) {
	pause := limits.BootstrapRetry
	if e.links.live() > 0 {
		pause = min(limits.BootstrapRetry<<min(t.attempts, 8), limits.BootstrapRetryLive)
	} else if took := e.clock(now) - t.began; took >= limits.BootstrapRetry {
		pause = limits.BootstrapRetry / 8
	}
	if at := now.Add(pause/2 + e.jitter(pause/2)); t.next.Before(at) {
		t.next = at
	}
}

// hurry brings every target's next try within the short pause: the last link
// is gone. Targets that were told to stay away keep their time.
func (e *Engine) hurry(now time.Time, last *neighbour) {
	for _, t := range e.targets.list {
		if t == last.target && !last.answered {
			continue // that one did not want this node
		}
		if soon := now.Add(e.jitter(limits.BootstrapRetry)); t.failures == 0 && soon.Before(t.next) && t.next.Sub(now) <= limits.BootstrapRetryLive {
			t.next = soon
		}
	}
}

// replaced notes that the peer gave this node's place to another process with
// the same identity: wait, longer each time.
func (t *Target) replaced(now time.Time) {
	t.hold(now.Add(min(limits.ReplacedWait<<min(t.failures, 8), limits.ReplacedWaitMax)))
	t.failures++
}

// hold keeps t from being dialled before at.
func (t *Target) hold(at time.Time) {
	if t.next.Before(at) {
		t.next = at
	}
}

// jitter is a random duration in [0, d).
func (e *Engine) jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(e.cfg.Rand.Int64N(int64(d)))
}
