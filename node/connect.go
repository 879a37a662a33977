package node

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// The stages of a Connect, in their order.
const (
	ConnectLookup = "lookup" // the mesh is asked for a record of the node's URLs
	ConnectDial   = "dial"   // its URLs are dialled
	ConnectAsk    = "ask"    // the node itself is asked, over the mesh
	ConnectArrive = "arrive" // the link that it says is up is waited for
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

// errNoWay is the end when neither node has a URL that the other can dial.
var errNoWay = &refusal{reason.Unsupported}

// Connect makes a direct link with a node, and returns nil at once if there is
// one. It dials the URLs that the mesh knows of the node; else it asks the node
// itself over the mesh, which tells its URLs or dials this node's. Learnt URLs are
// dialled only where whoever told of them can know what they mean. A Disconnect
// from before is forgotten. ctx bounds it; the error is a [*ConnectError].
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
}

func (c *connecting) run(ctx context.Context) error {
	c.stage = ConnectLookup
	switch {
	case c.id == c.n.id:
		return &refusal{reason.OwnID}
	case c.n.linkedWith(c.id):
		return nil
	}
	contacts, err := c.n.lookup(ctx, c.id.Key())
	if err != nil {
		return err
	}
	dialled := c.dial(ctx, c.contact(contacts))
	if dialled == nil || ctx.Err() != nil || errors.Is(dialled, ErrClosed) {
		return dialled
	}
	if err := c.ask(ctx); err != nil {
		return errors.Join(err, dialled)
	}
	return nil
}

// contact is the node's among those found; without one the engine may still
// have URLs of it.
func (c *connecting) contact(found []engine.Contact) engine.Contact {
	for _, f := range found {
		if f.ID == c.id {
			return f
		}
	}
	return engine.Contact{ID: c.id}
}

func (c *connecting) dial(ctx context.Context, to engine.Contact) error {
	c.stage = ConnectDial
	return c.n.reach(ctx, to, false)
}

// ask asks the node itself: for its URLs and, when they lead nowhere, to dial
// ours.
func (c *connecting) ask(ctx context.Context) error {
	told := c.n.believed()
	first := wire.ConnectAsk{Kind: wire.ConnectLink, Direct: true, URLs: told.allowed(c.n.URLs())}
	answer, err := c.request(ctx, first)
	if err != nil {
		return err
	}
	if answer.Kind != wire.ConnectDialMe {
		return c.conclude(ctx, answer)
	}
	dialled := c.dial(ctx, engine.Contact{ID: c.id, URLs: answer.URLs, Scopes: told.scopes})
	if dialled == nil || ctx.Err() != nil || len(first.URLs) == 0 {
		return dialled
	}
	first.Kind = wire.ConnectLinkBack
	answer, err = c.request(ctx, first)
	if err == nil {
		err = c.conclude(ctx, answer)
	}
	if err != nil {
		return errors.Join(err, dialled)
	}
	return nil
}

func (c *connecting) request(ctx context.Context, a wire.ConnectAsk) (wire.ConnectReply, error) {
	c.stage = ConnectAsk
	m := message{kind: wire.PlainRequest, data: wire.AppendConnectAsk(nil, &a)}
	res, err := c.n.send(ctx, wire.ConnectPort, Addr{c.id, wire.ConnectPort}, m)
	if err != nil {
		return wire.ConnectReply{}, err
	}
	return wire.ParseConnectReply(res.Response)
}

// conclude waits for the link that the other side has, or had, if it says so.
func (c *connecting) conclude(ctx context.Context, answer wire.ConnectReply) error {
	if answer.Kind != wire.ConnectLinked {
		return errNoWay
	}
	c.stage = ConnectArrive
	ctx, cancel := context.WithTimeout(ctx, limits.ConnectArrive)
	defer cancel()
	for {
		_, changed := c.n.state.look()
		if c.n.linkedWith(c.id) {
			return nil
		}
		if _, err := awaitAnswer(ctx, c.n, changed); err != nil {
			return err
		}
	}
}

// reach lets the engine dial a node, one URL after another, and waits for the
// link. byPeer: that node asks for it.
func (n *Node) reach(ctx context.Context, to engine.Contact, byPeer bool) error {
	var failed []error
	for range max(1, len(to.URLs)) { // the engine takes another URL each time
		end, err := n.reachOnce(ctx, to, byPeer)
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
func (n *Node) reachOnce(ctx context.Context, to engine.Contact, byPeer bool) (end, err error) {
	done := make(chan error, 1)
	if !n.post(engine.Reach{Contact: to, ByPeer: byPeer, Done: func(err error) { done <- err }}) {
		return nil, ErrClosed
	}
	return awaitAnswer(ctx, n, done)
}

// linkedWith says whether a link with a node runs.
func (n *Node) linkedWith(id routing.ID) bool {
	for _, l := range n.live.all() {
		if l.link.Peer == id {
			return true
		}
	}
	return false
}
