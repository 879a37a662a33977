package node

import (
	"context"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
)

// submit hands a message to the sessions. Where messages of this node wait for as many
// peers as there may be, it waits for one of them to go, until ctx ends.
func (n *Node) submit(ctx context.Context, m session.Message, done func(session.Result)) (*session.Pending, error) {
	pending, err := n.sessions.Send(time.Now(), m, done)
	if err != reason.SessionLimit {
		return pending, err
	}
	select { // one after another: to ask is not cheap in a full table
	case n.turn <- struct{}{}:
		defer func() { <-n.turn }()
	case <-ctx.Done():
		return nil, contextCause(ctx)
	}
	look := time.NewTicker(limits.SessionTurn)
	defer look.Stop()
	for {
		if pending, err = n.sessions.Send(time.Now(), m, done); err != reason.SessionLimit {
			return pending, err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil, contextCause(ctx)
		}
	}
}
