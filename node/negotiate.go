package node

import (
	"context"
	"errors"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport/webrtc"
)

// stageError is at which stage a link failed.
type stageError struct {
	stage string
	err   error
}

func (e *stageError) Error() string { return e.stage + ": " + e.err.Error() }
func (e *stageError) Unwrap() error { return e.err }

// errElsewhere is the end of an attempt of this node when the peer makes the
// link, or has one.
var errElsewhere = errors.New("the peer makes the link")

// bargain is what a question for a link came to: a link over WebRTC that has
// proved itself, or else what the peer said.
type bargain struct {
	conn   *webrtc.Conn // nil: none
	remote *link.Remote
	reply  wire.ConnectReply
	own    reason.Reason // why this node made no offer; None: it made one, or makes none at all
}

// bargain asks a node for a link. The offer of one over WebRTC rides in the
// question, if this node makes such links. Whatever it returns, nothing is under
// way any more. Errors are a *stageError; errElsewhere means that the link is to
// be waited for.
func (n *Node) bargain(ctx context.Context, id routing.ID, ask wire.ConnectAsk, dial uint32, byUser bool) (bargain, error) {
	ask.URLs = n.believed().allowed(n.URLs())
	a, own, err := n.offer(ctx, id, &ask, byUser)
	if err != nil {
		return bargain{}, err
	}
	if a == nil {
		reply, err := n.question(ctx, id, &ask)
		return bargain{reply: reply, own: own}, err
	}
	b, err := n.bargainOver(a, &ask, dial)
	waits := err != nil && peerWaits(err)
	switch cause := context.Cause(a.ctx); {
	case errors.Is(cause, errYielded):
		err = errElsewhere
	case err != nil && errors.Is(cause, errGivenUp):
		err = &stageError{givenUpAt(err), errGivenUp}
	}
	promised := n.rtc.end(a, b.conn != nil)
	if b.conn == nil && (promised || waits && !a.yielded) {
		n.tellOver(a)
	}
	return b, err
}

// givenUpAt is the stage at which the peer gave up: that which this end was at.
func givenUpAt(err error) string {
	if at := (*stageError)(nil); errors.As(err, &at) && at.stage != ConnectNegotiate {
		return at.stage
	}
	return ConnectSignal
}

// peerWaits says of an attempt's failure that the peer may not know of it: it has
// the offer, and there was no channel whose end tells.
func peerWaits(err error) bool {
	var sent *SendError
	var at *stageError
	return !(errors.As(err, &sent) && sent.Outcome == Undelivered) && !(errors.As(err, &at) && at.stage == ConnectHello)
}

// tellOver tells the peer that an attempt is over, so that neither end holds on to
// what the other has closed. Who does not hear it waits for its time to run out.
func (n *Node) tellOver(a *attempt) {
	n.spawn(func() {
		ctx, cancel := context.WithTimeout(n.ctx, limits.SignalTimeout)
		defer cancel()
		m := message{kind: wire.PlainMessage, data: wire.AppendConnectOver(nil, &wire.ConnectOver{Session: a.session})}
		_, _ = n.send(ctx, wire.ConnectPort, Addr{a.peer, wire.ConnectPort}, m)
	})
}

// offer makes the offer that goes with a question; nil: the question goes without.
func (n *Node) offer(ctx context.Context, id routing.ID, ask *wire.ConnectAsk, byUser bool) (*attempt, reason.Reason, error) {
	if n.rtc.endpoint == nil {
		return nil, reason.None, nil
	}
	if byUser { // else it is the engine's own wish
		if why := n.room(engine.Offered{ID: id, Direct: true, Wanted: true}); why != reason.None {
			return nil, why, nil
		}
	}
	a, why := n.rtc.begin(ctx, id, ask)
	if why == reason.Duplicate { // the link that is under way will do
		return nil, why, errElsewhere
	} else if why != reason.None {
		return nil, why, nil
	}
	pc, err := n.rtc.endpoint.Offer(a.ctx, n.iceSetup())
	if err != nil {
		if n.rtc.end(a, false) {
			n.tellOver(a)
		}
		if errors.Is(context.Cause(a.ctx), errYielded) {
			return nil, reason.None, errElsewhere
		}
		n.log.Warn("no offer of a link over WebRTC", "peer", id, "err", err)
		return nil, noAttempt(err), nil
	}
	if !n.rtc.made(a, pc) {
		n.rtc.end(a, false)
		return nil, reason.None, errElsewhere
	}
	ask.Session, ask.SDP = a.session, pc.Description()
	return a, reason.None, nil
}

// noAttempt is the reason of an offer or answer that this node fails to make.
func noAttempt(err error) reason.Reason {
	if errors.Is(err, webrtc.ErrStuck) {
		return reason.SessionLimit
	}
	return reason.CarrierFailed
}

// bargainOver asks, and takes the answer to the offer.
func (n *Node) bargainOver(a *attempt, ask *wire.ConnectAsk, dial uint32) (bargain, error) {
	reply, err := n.question(a.ctx, a.peer, ask)
	switch {
	case err != nil:
		return bargain{}, err
	case reply.Kind == wire.ConnectYield && n.rtc.yielded(a):
		return bargain{}, errElsewhere
	case reply.Kind == wire.ConnectYield:
		return bargain{}, &stageError{ConnectSignal, errGivenUp}
	case reply.Kind != wire.ConnectAnswer:
		return bargain{reply: reply}, nil
	case !n.rtc.answered(a, reply.Session):
		return bargain{}, &stageError{ConnectSignal, &refusal{reason.Unsolicited}}
	}
	if err := a.pc.SetAnswer(a.ctx, reply.SDP); err != nil {
		return bargain{}, &stageError{ConnectSignal, err}
	}
	conn, remote, err := n.establish(a, dial)
	return bargain{conn: conn, remote: remote, reply: reply}, err
}

// question sends a question and waits for the reply.
func (n *Node) question(ctx context.Context, id routing.ID, ask *wire.ConnectAsk) (wire.ConnectReply, error) {
	m := message{kind: wire.PlainRequest, data: wire.AppendConnectAsk(nil, ask)}
	res, err := n.send(ctx, wire.ConnectPort, Addr{id, wire.ConnectPort}, m)
	if err != nil {
		return wire.ConnectReply{}, &stageError{ConnectNegotiate, err}
	}
	reply, err := wire.ParseConnectReply(res.Response)
	if err != nil {
		return wire.ConnectReply{}, &stageError{ConnectNegotiate, err}
	}
	return reply, nil
}

// countDial is the number of a dial that the engine did not ask for.
func (n *Node) countDial() uint32 {
	done := make(chan uint32, 1)
	n.post(engine.CountDial{Done: func(count uint32) { done <- count }})
	count, _ := awaitAnswer(n.ctx, n, done) // 0: the node has ended
	return count
}

// room asks the loop whether there is room for a link over WebRTC.
func (n *Node) room(offered engine.Offered) reason.Reason {
	done := make(chan reason.Reason, 1)
	offered.Done = func(why reason.Reason) { done <- why }
	n.post(offered)
	why, err := awaitAnswer(n.ctx, n, done)
	if err != nil {
		return reason.Closed
	}
	return why
}

// establish brings an attempt whose descriptions are set to a link that has proved
// itself: both ends tell what candidates they still find, the channel opens, and
// each shows that it holds the key of its ID and of this very channel.
func (n *Node) establish(a *attempt, dial uint32) (*webrtc.Conn, *link.Remote, error) {
	for _, line := range n.rtc.described(a) {
		n.tryCandidate(a.peer, a.pc, line)
	}
	n.spawn(func() { n.tellCandidates(a) })
	conn, err := a.pc.Wait(a.ctx)
	if err != nil {
		return nil, nil, openError(err)
	}
	remote, err := n.meet(a, conn, dial)
	if err != nil {
		return nil, nil, &stageError{ConnectHello, err}
	}
	n.counters.signalTimes.add(time.Since(a.began))
	return conn, remote, nil
}

// meet lets both ends prove themselves, in what is left of the attempt's time. On
// error conn is closed.
func (n *Node) meet(a *attempt, conn *webrtc.Conn, dial uint32) (*link.Remote, error) {
	now := time.Now()
	local := n.local(now)
	local.Hello.Need = a.need
	stop := context.AfterFunc(a.ctx, guard.Func("the end of a handshake", func() { conn.Close() }, n.note))
	remote, err := n.handshake(n.ctx, conn, func() (*link.Remote, error) {
		return link.Meet(conn, local, wire.ID(a.peer), a.session, a.offered, dial, now)
	})
	if !stop() {
		return nil, context.Cause(a.ctx)
	}
	return remote, err
}

// openError says in this package's words at which stage a connection failed.
func openError(err error) error {
	stage := ConnectSignal
	if e := (*webrtc.SetupError)(nil); errors.As(err, &e) {
		switch e.Stage {
		case webrtc.StageICE:
			stage = ConnectICE
		case webrtc.StageDTLS, webrtc.StageChannel:
			stage = ConnectDTLS
		}
		err = e.Err
	}
	return &stageError{stage, err}
}

func (n *Node) tryCandidate(peer routing.ID, pc *webrtc.Attempt, line string) {
	if err := pc.AddCandidate(line); err != nil {
		n.drops.Add(reason.Malformed, 1)
		n.log.Debug("candidate refused", "peer", peer, "err", err)
	}
}

// tellCandidates sends the peer the candidates that are found after the
// description left.
func (n *Node) tellCandidates(a *attempt) {
	sent := uint16(0)
	for line := range a.pc.Candidates() {
		c := wire.Candidates{Session: a.session, First: sent, Lines: []string{line}}
		sent++
		m := message{kind: wire.PlainMessage, data: wire.AppendCandidates(nil, &c)}
		if _, err := n.send(a.ctx, wire.ConnectPort, Addr{a.peer, wire.ConnectPort}, m); err != nil {
			return // the attempt's own end says what came of it
		}
	}
}

// arrive waits for a link that the other side makes, or has.
func (n *Node) arrive(ctx context.Context, id routing.ID, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		_, changed := n.state.look()
		if n.linkedWith(id) {
			return nil
		}
		if _, err := awaitAnswer(ctx, n, changed); err != nil {
			return &stageError{ConnectArrive, err}
		}
	}
}

// dialByAsking is dial for a target that is a node and not a URL: it is asked for
// a link over the mesh.
func (n *Node) dialByAsking(d engine.Dial, id routing.ID) {
	ctx, cancel := context.WithTimeout(n.ctx, limits.SignalTimeout)
	defer cancel()
	b, err := n.bargain(ctx, id, wire.ConnectAsk{Kind: wire.ConnectLinkBack, Direct: d.Direct, Need: d.Need}, d.Count, false)
	switch {
	case err == nil && b.conn != nil:
		n.counters.dialsLinked.Add(1)
		n.spawnLink(b.conn, b.remote, source{target: d.Target, outbound: true, dial: d.Count, direct: d.Direct})
		return
	case err == nil && b.reply.Kind == wire.ConnectLinked, errors.Is(err, errElsewhere):
		err = n.arrive(ctx, id, limits.SignalTimeout)
	case err == nil:
		err = b.refused()
	}
	if err == nil {
		n.post(engine.DialFailed{Target: d.Target, Stage: ConnectArrive, Err: errElsewhere})
		return
	}
	n.counters.dialsFailed.Add(1)
	stage := ConnectNegotiate
	if e := (*stageError)(nil); errors.As(err, &e) {
		stage, err = e.stage, e.err
	}
	late := stage == ConnectNegotiate && (errors.Is(err, ErrTimeout) || ctx.Err() != nil)
	if n.ctx.Err() == nil {
		n.post(engine.DialFailed{Target: d.Target, Stage: stage, Reason: refusalOf(err), Err: err, Silent: late})
	}
}

// refused is the error of a question that led to no link.
func (b *bargain) refused() error {
	why := reason.Unsupported
	switch r := reason.Reason(b.reply.Reason); {
	case b.own != reason.None:
		why = b.own
	case r != reason.None && int(r) < reason.Count:
		why = r
	}
	return &stageError{ConnectNegotiate, &refusal{why}}
}
