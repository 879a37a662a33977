//go:build !nowebrtc

package webrtc

import (
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
)

// bounded runs what ends something of the library, and waits for it,
// limits.CloseMost at most. Of one way in which the library locks up for good a
// sctpLogger takes care. Should there be another, nobody waits for it, but the end
// counts as stuck until it is over.
func (e *Endpoint) bounded(end func()) {
	done := make(chan struct{})
	go guard.Do("the end of a connection over WebRTC", func() {
		defer close(done)
		end()
	}, nil)
	late := time.NewTimer(limits.CloseMost)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		e.config.Logger.Error("a connection over WebRTC does not end; what it holds stays until it does, or the program ends",
			"waited", limits.CloseMost, "stuck", e.countStuck(1), "most", limits.StuckEndsMost)
		go guard.Do("a late end of a connection over WebRTC", func() {
			<-done
			e.config.Logger.Warn("a connection over WebRTC has ended late", "stuck", e.countStuck(-1))
		}, nil)
	}
}

func (e *Endpoint) countStuck(more int) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stuck += more
	return e.stuck
}

// Stuck is how many ends have not ended within limits.CloseMost and still have not.
// From limits.StuckEnds on peers must tell their sctp-init, from
// limits.StuckEndsMost on there are no new attempts: both are an ErrStuck.
func (e *Endpoint) Stuck() int { return e.countStuck(0) }

// checkStuck refuses a peer's description when that one may lock up the library.
// Where both ends tell their sctp-init there is no handshake to lock up in.
func (e *Endpoint) checkStuck(d description) error {
	if !d.shaken && e.Stuck() >= limits.StuckEnds {
		return ErrStuck
	}
	return nil
}
