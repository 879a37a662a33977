package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/secret"
)

// board is what the loop shows of its state.
type board struct {
	targets []engine.TargetInfo
	linked  bool // a peer has this node among its links and, for a leaf, the mesh can find it
	settled bool
}

// stateBoard shows the loop's state to anybody who waits for it to change.
type stateBoard struct {
	mu      sync.Mutex
	now     board
	changed chan struct{} // closed at the next change
}

func (s *stateBoard) init() { s.changed = make(chan struct{}) }

func (s *stateBoard) publish(now board) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stateBoard) load() board {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *stateBoard) look() (board, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.changed
}

// Ready waits until the node can be reached: its first link is up, or it has no
// URL to join by. When ctx ends first, the error is an [ErrTimeout] (or the
// context's) and holds one [*JoinError] per URL with its last cause. It returns
// early when no URL can ever lead to a peer, see Join.
func (n *Node) Ready(ctx context.Context) error {
	if len(n.cfg.Bootstrap) == 0 {
		return nil
	}
	return n.await(ctx, func(b board) (bool, error) {
		if b.linked {
			return true, nil
		}
		return false, hopeless(b, n.cfg.Bootstrap)
	}, n.cfg.Bootstrap)
}

// Settled says that the node has found its place in the mesh: a relay has the
// links that it needs, a leaf its homes. It may change with every peer that
// comes or goes.
func (n *Node) Settled() bool { return n.state.load().settled }

// Join adds URLs that the node joins by, from now on for as long as it runs,
// and waits until a link by one of them is up. It returns early when each of
// them leads to a node that can never be a peer: another ID than the pinned
// one, another network key, no common version, this very node.
func (n *Node) Join(ctx context.Context, urls ...string) error {
	specs, err := parseTargets(urls, n.dialers)
	if err != nil {
		return err
	}
	if len(specs) == 0 {
		return errors.New("join: no URL given")
	}
	for _, url := range urls {
		n.names.forget(secret.URL(url))
	}
	posted := join{engine.Join{Targets: specs}, make(chan struct{})}
	if !n.post(posted) {
		return ErrClosed
	}
	select { // only then the state is that of this call
	case <-posted.done:
	case <-n.ctx.Done():
		return ErrClosed
	}
	return n.await(ctx, func(b board) (bool, error) {
		if joined(b, urls) {
			return true, nil
		}
		return false, hopeless(b, urls)
	}, urls)
}

// joined says whether one of the URLs is linked.
func joined(b board, urls []string) bool {
	return slices.ContainsFunc(urls, func(url string) bool {
		t, ok := find(b.targets, url)
		return ok && t.Linked
	})
}

// hopeless is why none of the URLs can ever lead to a peer; nil: one may.
func hopeless(b board, urls []string) error {
	var errs []error
	for _, url := range urls {
		t, ok := find(b.targets, url)
		if !ok || !permanent(t.Err) {
			return nil
		}
		errs = append(errs, joinError(t))
	}
	return fmt.Errorf("not linked: %w: %w", ErrRefused, errors.Join(errs...))
}

func find(targets []engine.TargetInfo, url string) (engine.TargetInfo, bool) {
	for _, t := range targets {
		if t.URL == secret.URL(url) {
			return t, true
		}
	}
	return engine.TargetInfo{}, false
}

// permanent says that trying again cannot help.
func permanent(err error) bool {
	switch refusalOf(err) {
	case reason.WrongID, reason.OwnID, reason.BadVersion, reason.WrongNetwork:
		return true
	}
	return false
}

func joinError(t engine.TargetInfo) error {
	stage, err := troubleOf(&t)
	if err == nil {
		err = errors.New("no answer yet")
	}
	return &JoinError{URL: t.URL, Stage: stage, Reason: causeName(err), Err: err}
}

// await waits until ok says so. The error names what became of the URLs.
func (n *Node) await(ctx context.Context, ok func(board) (bool, error), urls []string) error {
	for {
		b, changed := n.state.look()
		if done, err := ok(b); done || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-n.ctx.Done():
			return ErrClosed
		case <-ctx.Done():
			errs, last := []error{contextCause(ctx)}, n.state.load()
			for _, u := range urls {
				if t, ok := find(last.targets, u); ok {
					errs = append(errs, joinError(t))
				}
			}
			return fmt.Errorf("not linked: %w", errors.Join(errs...))
		}
	}
}
