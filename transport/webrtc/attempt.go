//go:build !nowebrtc

package webrtc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	pion "github.com/pion/webrtc/v4"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// Attempt is one end of a pipe that is being negotiated. Its methods may be
// called by several goroutines.
type Attempt struct {
	endpoint *Endpoint
	pc       *pion.PeerConnection
	gather   *gathering

	stopDials context.CancelFunc // of servers

	text   string        // own description
	opened chan struct{} // closed when conn is set
	over   chan struct{} // closed when cause is set
	end    sync.Once     // of all that the attempt holds

	mu       sync.Mutex
	vetting  vetting
	remote   bool // the peer's description is set
	stage    string
	conn     *Conn // not nil: the channel is open
	taken    bool  // Wait has returned it
	cause    error // why the attempt is over, a *SetupError or ErrClosed
	expected bool  // this end made the offer and waits for the answer
}

// Description is the offer or answer for the peer, with the candidates found
// so far.
func (a *Attempt) Description() string { return a.text }

// Candidates carries what is found after the description, one line each. It
// is closed after the last, and never fills up: there are at most
// limits.Candidates in all.
func (a *Attempt) Candidates() <-chan string { return a.gather.late }

// SetAnswer takes the peer's answer, once, on the end that made the offer. It waits
// while many others shake hands, until ctx ends.
func (a *Attempt) SetAnswer(ctx context.Context, text string) error {
	parsed, err := parseDescription(text)
	if err != nil {
		return err
	}
	if err := a.endpoint.checkStuck(parsed); err != nil {
		return err
	}
	a.mu.Lock()
	expected := a.expected
	a.expected = false
	a.mu.Unlock()
	if !expected {
		return fmt.Errorf("%w: an answer is taken once, and by who made the offer", ErrOrder)
	}
	if err := a.endpoint.turns.enter(ctx, a.over, true); err != nil {
		return err
	}
	go guard.Do("a handshake over WebRTC", a.shakeHands, a.broke)
	if err := a.setRemote(pion.SDPTypeAnswer, parsed); err != nil {
		return fmt.Errorf("%w: %w", ErrDescription, err)
	}
	return nil
}

// shakeHands holds a turn while the processor is what the attempt waits for. What
// takes longer than limits.HandshakeTurn waits for the network.
func (a *Attempt) shakeHands() {
	defer a.endpoint.turns.leave()
	long := time.NewTimer(limits.HandshakeTurn)
	defer long.Stop()
	select {
	case <-a.opened:
	case <-a.over:
	case <-long.C:
	}
}

// setRemote sets the peer's description and then adds its candidates.
func (a *Attempt) setRemote(kind pion.SDPType, d description) error {
	if err := a.pc.SetRemoteDescription(pion.SessionDescription{Type: kind, SDP: d.text}); err != nil {
		return fmt.Errorf("%w: %w", ErrDescription, err)
	}
	a.mu.Lock()
	a.remote = true
	a.mu.Unlock()
	for _, line := range d.candidates {
		if err := a.AddCandidate(line); err != nil {
			return err
		}
	}
	return nil
}

// AddCandidate takes a candidate that the peer told after its description;
// before that is an ErrOrder. Those that are not to be tried are passed over
// without an error. An empty line, the end of the candidates, is fine. What
// is malformed or one too many is an ErrCandidate.
func (a *Attempt) AddCandidate(line string) error {
	if line == "" {
		return nil
	}
	a.mu.Lock()
	if !a.remote {
		a.mu.Unlock()
		return fmt.Errorf("%w: a candidate is added after the peer's description, queue it until then", ErrOrder)
	}
	now, err := a.vetting.add(line)
	a.mu.Unlock()
	if err != nil {
		return err
	}
	return a.try(now)
}

func (a *Attempt) try(list []candidate) error {
	var errs []error
	for _, c := range list {
		errs = append(errs, a.pc.AddICECandidate(pion.ICECandidateInit{Candidate: c.String()}))
	}
	return errors.Join(errs...)
}

// seenAs tells how a server sees this end.
func (a *Attempt) seenAs(addr netip.Addr) {
	a.mu.Lock()
	now := a.vetting.ownAddress(addr)
	a.mu.Unlock()
	_ = a.try(now)
}

// Wait returns the pipe when it is open. It is the caller's then and the
// attempt is done. An error is a *SetupError and closes the attempt.
func (a *Attempt) Wait(ctx context.Context) (*Conn, error) {
	select {
	case <-a.opened:
	case <-a.over:
	case <-ctx.Done():
		a.fail(a.late(ctx.Err()))
	}
	conn, err := a.take()
	if err != nil {
		_ = a.Close()
	}
	return conn, err
}

// late says what an attempt was waiting for that is not done in time.
func (a *Attempt) late(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.expected {
		return fmt.Errorf("the peer has not answered: %w", err)
	}
	return fmt.Errorf("not done in time: %w", err)
}

// take returns the pipe once.
func (a *Attempt) take() (*Conn, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.cause != nil:
		return nil, a.cause
	case a.taken:
		return nil, &SetupError{StageChannel, fmt.Errorf("%w: Wait has returned the pipe before", ErrOrder)}
	}
	a.taken = true
	return a.conn, nil
}

// Close ends the attempt and returns when it holds nothing any more. It may be
// called often; once Wait has returned the pipe it does nothing.
func (a *Attempt) Close() error {
	a.mu.Lock()
	taken := a.taken
	a.mu.Unlock()
	if !taken {
		a.fail(transport.ErrClosed)
		a.release()
	}
	return nil
}

// endAll ends the attempt or its pipe.
func (a *Attempt) endAll() {
	_ = a.Close()
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
}

// fail says why the attempt is over, unless it is already, and wakes whoever
// waits. It releases nothing, so that the library's callbacks may call it.
func (a *Attempt) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cause != nil || a.taken {
		return
	}
	a.cause = &SetupError{a.stage, err}
	close(a.over)
}

// overWith returns why the attempt is over, nil if it is not.
func (a *Attempt) overWith() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cause
}

// release gives back all that the attempt or its pipe holds and waits until it
// is gone. The library's callbacks must not call it.
func (a *Attempt) release() {
	a.end.Do(func() {
		a.gather.stop()
		a.stopDials()
		a.endpoint.bounded(func() { _ = a.pc.GracefulClose() })
		a.endpoint.remove(a)
	})
}
