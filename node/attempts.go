package node

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/signal"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport/webrtc"
)

// rtc is what the links over WebRTC of this node share.
type rtc struct {
	endpoint *webrtc.Endpoint // nil: this node makes none

	mu       sync.Mutex
	table    *signal.Table
	attempts map[routing.ID]*attempt // as in the table
}

// attempt is a link over WebRTC that is being made, by either end.
type attempt struct {
	peer    routing.ID
	session wire.Session
	offered bool // by this node
	direct  bool
	need    bool // as Hello.Need: this node's own
	began   time.Time
	ctx     context.Context // ends with the attempt
	cancel  context.CancelCauseFunc
	pc      *webrtc.Attempt // nil: not made yet; guarded by rtc.mu
	yielded bool            // the peer's offer counts, which is waited for; guarded by rtc.mu
}

// errGivenUp ends an attempt whose peer says that it is over.
var errGivenUp = errors.New("the peer has given this link up")

// errYielded ends an attempt whose peer has made an offer that counts instead.
var errYielded = errors.New("the peer's own offer counts")

// begin enters an attempt of this node, or says why there is none.
func (r *rtc) begin(ctx context.Context, peer routing.ID, ask *wire.ConnectAsk) (*attempt, reason.Reason) {
	var session wire.Session
	_, _ = rand.Read(session[:]) // never fails, see crypto/rand
	r.mu.Lock()
	defer r.mu.Unlock()
	if why := r.table.Begin(time.Now(), wire.ID(peer), session); why != reason.None {
		return nil, why
	}
	return r.enter(ctx, attempt{peer: peer, session: session, offered: true, direct: ask.Direct, need: ask.Need}), reason.None
}

// enter needs mu.
func (r *rtc) enter(ctx context.Context, a attempt) *attempt {
	a.began = time.Now()
	timed, stop := context.WithTimeoutCause(ctx, limits.SignalTimeout, ErrTimeout)
	cancellable, cancel := context.WithCancelCause(timed)
	a.ctx, a.cancel = cancellable, func(cause error) {
		cancel(cause)
		stop()
	}
	r.attempts[a.peer] = &a
	return &a
}

// offered enters an attempt of a peer. Where its offer counts and this node's
// own does not, that one is ended first.
func (r *rtc) offered(ctx context.Context, peer routing.ID, ask *wire.ConnectAsk) (*attempt, signal.Verdict) {
	r.mu.Lock()
	verdict := r.table.Offered(time.Now(), wire.ID(peer), ask.Session)
	old := r.attempts[peer]
	if verdict.Action != signal.Accept && verdict.Action != signal.AcceptDroppingOurs {
		r.mu.Unlock()
		return nil, verdict
	}
	a := r.enter(ctx, attempt{peer: peer, session: ask.Session, direct: ask.Direct})
	var pc *webrtc.Attempt
	if old != nil {
		pc = old.pc
	}
	r.mu.Unlock()
	if old != nil {
		old.cancel(errYielded)
	}
	if pc != nil {
		_ = pc.Close()
	}
	return a, verdict
}

// made gives an attempt its connection; false: the attempt has ended meanwhile
// and the connection is closed.
func (r *rtc) made(a *attempt, pc *webrtc.Attempt) bool {
	r.mu.Lock()
	live := r.attempts[a.peer] == a
	if live {
		a.pc = pc
	}
	r.mu.Unlock()
	if !live {
		_ = pc.Close()
	}
	return live
}

// end forgets an attempt. Its connection is closed unless it has become a link.
// True: the peer was told that this offer counts, and may wait for it.
func (r *rtc) end(a *attempt, linked bool) (promised bool) {
	a.cancel(context.Canceled)
	r.mu.Lock()
	if !a.yielded {
		promised = r.table.End(wire.ID(a.peer), a.session)
	}
	if r.attempts[a.peer] == a {
		delete(r.attempts, a.peer)
	}
	pc := a.pc
	r.mu.Unlock()
	if pc != nil && !linked {
		_ = pc.Close()
	}
	return promised
}

// over takes a peer's word that a session is over. Who runs the attempt closes it.
func (r *rtc) over(peer routing.ID, session wire.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.table.Over(time.Now(), wire.ID(peer), session) {
		return
	}
	if a := r.attempts[peer]; a != nil && a.session == session {
		a.cancel(errGivenUp)
	}
}

// answered takes the answer to an offer of this node, once.
func (r *rtc) answered(a *attempt, session wire.Session) bool {
	return r.table.Answered(time.Now(), wire.ID(a.peer), session)
}

// yielded notes that the peer's offer counts and not that of a. The table keeps the
// attempt until that offer comes, or is over. False: there is none to wait for.
func (r *rtc) yielded(a *attempt) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.yielded = r.table.Yielded(time.Now(), wire.ID(a.peer), a.session)
	return a.yielded
}

// expire ends the attempts whose time is over.
func (r *rtc) expire(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, over := range r.table.Expired(now) {
		if a := r.attempts[routing.ID(over.Peer)]; a != nil && a.session == over.Session {
			a.cancel(ErrTimeout)
		}
	}
}

// described says that the peer's description is set, and returns the candidates
// that came before it.
func (r *rtc) described(a *attempt) []string {
	return r.table.Described(wire.ID(a.peer), a.session)
}

// candidates takes candidates of a peer and returns those that can be tried now.
func (r *rtc) candidates(peer routing.ID, c *wire.Candidates) (*webrtc.Attempt, []string, reason.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines, why := r.table.Candidates(time.Now(), wire.ID(peer), c.Session, c.First, c.Lines)
	a := r.attempts[peer]
	if a == nil || a.pc == nil {
		return nil, nil, why
	}
	return a.pc, lines, why
}
