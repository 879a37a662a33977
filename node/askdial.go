package node

import (
	"context"
	"errors"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// Why AskDial asks nobody.
var (
	errLinkedAlready = errors.New("there is a link already, so its dial would show nothing")
	errNoURLs        = errors.New("this node has no URL that means something to the mesh: it has no port, or only addresses of a smaller network")
)

// AskDial asks a node over the mesh to dial this node's URLs, and returns nil
// once the link that it dialled is up: then others can reach this node's port.
// It is an error if the two are linked already. The node asked dials only URLs
// that the asker's own links may tell of. ctx bounds it; the error is a
// [*ConnectError], of [ErrRefused] and the reason "wrong-id" if another node
// answers at a URL.
func (n *Node) AskDial(ctx context.Context, id routing.ID) error {
	c := connecting{n: n, id: id, stage: ConnectNegotiate}
	if err := c.askBack(ctx); err != nil {
		return &ConnectError{ID: id, Stage: c.stage, Err: err}
	}
	return nil
}

func (c *connecting) askBack(ctx context.Context) error {
	urls := c.n.believed().allowed(c.n.URLs())
	switch {
	case c.id == c.n.id:
		return &refusal{reason.OwnID}
	case c.n.linkedWith(c.id):
		return errLinkedAlready
	case len(urls) == 0:
		return errNoURLs
	}
	reply, err := c.n.question(ctx, c.id, &wire.ConnectAsk{Kind: wire.ConnectLinkBack, URLs: urls})
	return c.conclude(ctx, bargain{reply: reply}, err)
}
