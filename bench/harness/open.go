package harness

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// openLimit bounds the time from Open until a path carries messages both
	// ways. The slowest system seen (a cluster of two servers) needs ~2 s.
	openLimit = 15 * time.Second
	// openLimitSlow bounds the same for one trial of a slow system, of which
	// each carries messages after 4 s or never.
	openLimitSlow = 8 * time.Second
	// probeEvery is the pause between probes of a path that does not answer.
	probeEvery = 2 * time.Millisecond
	// closeLimit bounds Close.
	closeLimit = 10 * time.Second
)

// open opens a path of s and returns when one probe has crossed it each way.
// o.AtA and o.AtC are called for messages only, not for probes. A slow system
// gets three trials.
func open(ctx context.Context, s System, o Options) (Path, error) {
	if !BoundsOf(s).Slow {
		return openWithin(ctx, openLimit, s, o)
	}
	var p Path
	var err error
	for range 3 {
		if p, err = openWithin(ctx, openLimitSlow, s, o); err == nil || ctx.Err() != nil {
			return p, err
		}
	}
	return nil, err
}

func openWithin(ctx context.Context, limit time.Duration, s System, o Options) (Path, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	probeA, probeC := make(chan struct{}, 1), make(chan struct{}, 1)
	o.AtA, o.AtC = withoutProbes(o.AtA, probeA), withoutProbes(o.AtC, probeC)
	p, err := s.Open(o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s.Name(), err)
	}
	err = errors.Join(probe(ctx, p.SendToC, probeC), probe(ctx, p.SendToA, probeA))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("probe %s: %w", s.Name(), err), closePath(s, p))
	}
	return p, nil
}

func withoutProbes(h Handler, seen chan<- struct{}) Handler {
	return func(msg []byte) {
		if len(msg) != probeLen {
			h(msg)
			return
		}
		select {
		case seen <- struct{}{}:
		default:
		}
	}
}

// probe sends until one probe has arrived.
func probe(ctx context.Context, send func([]byte) error, seen <-chan struct{}) error {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		if err := send(make([]byte, probeLen)); err != nil && !errors.Is(err, ErrDropped) {
			return err
		}
		select {
		case <-seen:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// closePath closes p and gives up on one that does not return.
func closePath(s System, p Path) error {
	done := make(chan error, 1)
	go func() { done <- p.Close() }()
	select {
	case err := <-done:
		return err
	case <-time.After(closeLimit):
		return fmt.Errorf("close %s: still busy after %v", s.Name(), closeLimit)
	}
}
