package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// The stages of a Connect.
const (
	ConnectNegotiate = "negotiate" // the node is asked over the mesh: for its URLs, to dial this node's, or for the answer to an offer of a link over WebRTC
	ConnectSignal    = "signal"    // descriptions and candidates are exchanged
	ConnectICE       = "ice"       // a way for packets between the two is looked for
	ConnectDTLS      = "dtls"      // the channel is encrypted and opened
	ConnectHello     = "hello"     // the other end proves who it is
	ConnectLookup    = "lookup"    // the mesh is asked for a record of the node's URLs
	ConnectDial      = "dial"      // URLs are dialled
	ConnectArrive    = "arrive"    // the link that the other side makes is waited for
)

// ConnectError is why there is no direct link to a node.
type ConnectError struct {
	ID    routing.ID
	Stage string // where the last attempt ended: one of the Connect constants
	Err   error  // why, of all attempts
}

// Error names the node, the stage and the causes, in one line.
func (e *ConnectError) Error() string {
	causes := strings.ReplaceAll(e.Err.Error(), "\n", "; ")
	return fmt.Sprintf("connect to %s: %s: %s", e.ID.Short(), e.Stage, causes)
}

// Unwrap returns the causes.
func (e *ConnectError) Unwrap() error { return e.Err }

// Timeout reports whether a time ran out.
func (e *ConnectError) Timeout() bool { return errors.Is(e.Err, ErrTimeout) }

// Temporary is the same as Timeout; it completes [net.Error].
func (e *ConnectError) Temporary() bool { return e.Timeout() }

// Connect makes a direct link with a node, and returns nil at once if there is
// one. It dials the URLs that it knows of the node; else it asks the node itself
// over the mesh, with an offer of a link over WebRTC in the question: the node
// tells its URLs, dials this node's, or answers the offer. A node that says nothing
// is looked up, and the URLs of its record are dialled. Learnt addresses are used
// only where whoever told of them can know what they mean. A Disconnect from before
// is forgotten.
//
// It lasts until ctx ends as long as the node has not answered: it is asked again
// after a pause, and where this node has no link, one is waited for. An answer of the
// node that leads to no link ends it, and so does an [ErrNoRoute] about an ID that was
// never reached (see [Node.Send]). The error is a [*ConnectError].
func (n *Node) Connect(ctx context.Context, id routing.ID) error {
	c := connecting{n: n, id: id}
	if err := c.run(ctx); err != nil {
		return &ConnectError{ID: id, Stage: c.stage, Err: err}
	}
	return nil
}

// connecting is one Connect under way, on one goroutine.
type connecting struct {
	n     *Node
	id    routing.ID
	stage string
	count uint32 // of dials, for the Hello
}

// run tries until there is a link, or an answer that says that there will be none.
func (c *connecting) run(ctx context.Context) error {
	for pause := limits.ConnectPause; ; pause = min(2*pause, limits.ConnectPauseMax) {
		_, changed := c.n.state.look()
		err := c.once(ctx)
		if err == nil || ctx.Err() != nil || !unanswered(err) {
			return err
		}
		wait := time.After(pause)
		if errors.Is(err, ErrNotConnected) {
			wait = nil // there is nothing to try before that changes
		} else {
			changed = nil
		}
		select {
		case <-wait:
		case <-changed:
		case <-c.n.ctx.Done():
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", contextCause(ctx), err)
		}
	}
}

// unanswered says of the error of an attempt that the node itself has said nothing: it
// may answer later.
func unanswered(err error) bool {
	var s *SendError
	return errors.Is(err, ErrNotConnected) || errors.As(err, &s) && (s.Timeout() || s.why == reason.PeerRestarted)
}

// once tries each way to a link, one after another.
func (c *connecting) once(ctx context.Context) error {
	c.stage = ConnectNegotiate
	switch {
	case c.id == c.n.id:
		return &refusal{reason.OwnID}
	case c.n.linkedWith(c.id):
		return nil
	case c.n.ended.Load():
		return ErrClosed
	case !c.n.state.load().linked:
		return ErrNotConnected
	}
	if c.dial(ctx, engine.Contact{ID: c.id}) == nil { // by URLs known already
		return nil
	}
	asked := c.ask(ctx)
	if asked == nil || ctx.Err() != nil || errors.Is(asked, ErrClosed) || !silent(asked) {
		return asked
	}
	if err := c.lookUp(ctx); err != nil {
		return errors.Join(asked, err)
	}
	return nil
}

// silent says that a node that was asked for a link has not answered.
func silent(err error) bool {
	var s *SendError
	return errors.As(err, &s)
}

// failed notes at which stage it ended.
func (c *connecting) failed(err error) error {
	if e := (*stageError)(nil); errors.As(err, &e) {
		c.stage = e.stage
		return e.err
	}
	return err
}

// lookUp dials the URLs that the mesh knows of the node.
func (c *connecting) lookUp(ctx context.Context) error {
	c.stage = ConnectLookup
	contacts, err := c.n.lookup(ctx, c.id.Key())
	if err != nil {
		return err
	}
	for _, found := range contacts {
		if found.ID == c.id {
			return c.dial(ctx, found)
		}
	}
	return ErrNoRoute
}

func (c *connecting) dial(ctx context.Context, to engine.Contact) error {
	c.stage = ConnectDial
	return c.n.reach(ctx, to, false, true)
}

// ask asks the node itself, and again when the peer gave an attempt up before there was
// an answer: of two offers that cross both may be lost (ADR 017).
func (c *connecting) ask(ctx context.Context) error {
	err := c.askOnce(ctx)
	for again := 0; again < limits.ConnectAgain && errors.Is(err, errGivenUp) && c.stage == ConnectSignal && ctx.Err() == nil; again++ {
		err = c.askOnce(ctx)
	}
	return err
}

// askOnce asks the node for a link, and when its URLs lead nowhere for one that does
// without them.
func (c *connecting) askOnce(ctx context.Context) error {
	b, err := c.bargain(ctx, wire.ConnectLink)
	if err != nil || b.reply.Kind != wire.ConnectDialMe {
		return c.conclude(ctx, b, err)
	}
	told := c.n.believed()
	dialled := c.dial(ctx, engine.Contact{ID: c.id, URLs: b.reply.URLs, Scopes: told.scopes})
	if dialled == nil || ctx.Err() != nil {
		return dialled
	}
	b, err = c.bargain(ctx, wire.ConnectLinkBack)
	if err = c.conclude(ctx, b, err); err != nil {
		return errors.Join(err, dialled)
	}
	return nil
}

func (c *connecting) bargain(ctx context.Context, kind wire.ConnectKind) (bargain, error) {
	c.stage, c.count = ConnectNegotiate, c.n.countDial()
	ctx, cancel := context.WithTimeout(ctx, limits.SignalTimeout)
	defer cancel()
	return c.n.bargain(ctx, c.id, wire.ConnectAsk{Kind: kind, Direct: true}, c.count, true)
}

// conclude brings what the other side said to a link.
func (c *connecting) conclude(ctx context.Context, b bargain, err error) error {
	switch {
	case err == nil && b.conn != nil:
		c.n.spawnLink(b.conn, b.remote, source{outbound: true, dial: c.count, direct: true, wanted: true})
		err = c.n.arrive(ctx, c.id, limits.ConnectArrive)
	case errors.Is(err, errElsewhere):
		err = c.n.arrive(ctx, c.id, limits.SignalTimeout)
	case err != nil:
	case b.reply.Kind == wire.ConnectLinked:
		err = c.n.arrive(ctx, c.id, limits.ConnectArrive)
	default:
		err = b.refused()
	}
	return c.failed(err)
}

// reach lets the engine dial a node, one URL after another, and waits for the
// link. byPeer: that node asks for it; direct: for the two of them.
func (n *Node) reach(ctx context.Context, to engine.Contact, byPeer, direct bool) error {
	var failed []error
	for range max(1, len(to.URLs)) { // the engine takes another URL each time
		end, err := n.reachOnce(ctx, to, byPeer, direct)
		if err != nil || end == nil {
			return err
		}
		if r := reason.None; errors.As(end, &r) { // no matter of the URL
			return errors.Join(append(failed, causeOf(r))...)
		}
		failed = append(failed, end)
	}
	return errors.Join(failed...)
}

// reachOnce returns in end how the dial ended, in err why that is not known.
func (n *Node) reachOnce(ctx context.Context, to engine.Contact, byPeer, direct bool) (end, err error) {
	done := make(chan error, 1)
	if !n.post(engine.Reach{Contact: to, ByPeer: byPeer, Direct: direct, Done: func(err error) { done <- err }}) {
		return nil, ErrClosed
	}
	return awaitAnswer(ctx, n, done)
}

// linkedWith says whether a link with a node has its place among the Peers.
func (n *Node) linkedWith(id routing.ID) bool {
	for _, l := range n.live.all() {
		if l.link.Peer == id && l.admitted.Load() {
			return true
		}
	}
	return false
}
