//go:build !nowebrtc

package webrtc

import (
	"context"
	"slices"
	"sync"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// turns lets a few at a time do what costs processor time: many handshakes at once
// on a busy machine all come too late. Who has a turn waits for no other turn, at
// this end or another, so two ends cannot hold each other up.
type turns struct {
	mu     sync.Mutex
	taken  int
	urgent []chan struct{} // of those who wait with a peer that has begun; first come, first served
	others []chan struct{} // who have not begun
}

// enter waits for a turn. Without an error leave has to be called once.
func (t *turns) enter(ctx context.Context, over <-chan struct{}, urgent bool) error {
	t.mu.Lock()
	if t.taken < limits.HandshakeTurns {
		t.taken++
		t.mu.Unlock()
		return nil
	}
	line := &t.others
	if urgent {
		line = &t.urgent
	}
	mine := make(chan struct{})
	*line = append(*line, mine)
	t.mu.Unlock()
	err := transport.ErrClosed
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-over:
	}
	t.mu.Lock()
	i := slices.Index(*line, mine)
	if i >= 0 {
		*line = slices.Delete(*line, i, i+1)
	}
	t.mu.Unlock()
	if i < 0 { // its turn has come meanwhile
		t.leave()
	}
	return err
}

// leave gives a turn to the next.
func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, line := range []*[]chan struct{}{&t.urgent, &t.others} {
		if len(*line) > 0 {
			close((*line)[0])
			*line = slices.Delete(*line, 0, 1)
			return
		}
	}
	t.taken--
}
