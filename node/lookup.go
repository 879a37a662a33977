package node

import (
	"context"
	"fmt"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

// Lookup asks the mesh for the relays nearest a Key and returns their IDs, the
// nearest first, at most 20. Each has proved its ID with a signed record; that
// there is none nearer is as true as the answers. Without a link the error is
// [ErrNotConnected].
func (n *Node) Lookup(ctx context.Context, key routing.Key) ([]routing.ID, error) {
	contacts, err := n.lookup(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("lookup: %w", err)
	}
	ids := make([]routing.ID, len(contacts))
	for i, c := range contacts {
		ids[i] = c.ID
	}
	return ids, nil
}

func (n *Node) lookup(ctx context.Context, key routing.Key) ([]engine.Contact, error) {
	if err := n.canAsk(ctx); err != nil {
		return nil, err
	}
	found := make(chan []engine.Contact, 1)
	if !n.post(engine.Lookup{Target: key, Count: limits.NodesEntries, Done: func(c []engine.Contact) { found <- c }}) {
		return nil, ErrClosed
	}
	return awaitAnswer(ctx, n, found)
}

// canAsk says why the mesh cannot be asked anything now.
func (n *Node) canAsk(ctx context.Context) error {
	switch {
	case n.ended.Load():
		return ErrClosed
	case ctx.Err() != nil:
		return contextCause(ctx)
	case len(n.live.all()) == 0:
		return ErrNotConnected
	}
	return nil
}

// awaitAnswer waits for what the loop sends to c.
func awaitAnswer[T any](ctx context.Context, n *Node, c <-chan T) (answer T, err error) {
	select {
	case answer = <-c:
		return answer, nil
	case <-ctx.Done():
		return answer, contextCause(ctx)
	case <-n.ctx.Done():
		return answer, ErrClosed
	}
}
