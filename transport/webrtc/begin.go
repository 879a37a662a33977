//go:build !nowebrtc

package webrtc

import (
	"context"
	"time"

	pion "github.com/pion/webrtc/v4"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
)

// Offer begins a pipe and returns when its description can be sent to the
// peer: when all candidates are found, after limits.GatherTime, or when ctx
// ends with an error. It waits while many others begin.
func (e *Endpoint) Offer(ctx context.Context, s Setup) (*Attempt, error) {
	if err := e.turns.enter(ctx, e.ended, false); err != nil {
		return nil, err
	}
	a, err := e.makeOffer(s)
	e.turns.leave()
	if err != nil {
		return nil, err
	}
	return a.describe(ctx)
}

func (e *Endpoint) makeOffer(s Setup) (*Attempt, error) {
	a, err := e.attempt(s, true)
	if err != nil {
		return nil, err
	}
	return a.begin(a.pc.CreateOffer(nil))
}

// Answer takes a peer's offer and returns, as Offer does, when the answer can
// be sent back. An offer that is not taken is an ErrDescription or an ErrStuck.
func (e *Endpoint) Answer(ctx context.Context, s Setup, offer string) (*Attempt, error) {
	parsed, err := parseDescription(offer)
	if err != nil {
		return nil, err
	}
	if err := e.checkStuck(parsed); err != nil {
		return nil, err
	}
	if err := e.turns.enter(ctx, e.ended, true); err != nil {
		return nil, err
	}
	a, err := e.makeAnswer(s, parsed)
	e.turns.leave()
	if err != nil {
		return nil, err
	}
	return a.describe(ctx)
}

func (e *Endpoint) makeAnswer(s Setup, offer description) (*Attempt, error) {
	a, err := e.attempt(s, false)
	if err != nil {
		return nil, err
	}
	if err := a.setRemote(pion.SDPTypeOffer, offer); err != nil {
		return nil, a.giveUp(err)
	}
	return a.begin(a.pc.CreateAnswer(nil))
}

// attempt makes what both ends have. Who offers has been asked to by nobody, and
// leads the checks of ICE; who answers sends packets to where a stranger says.
func (e *Endpoint) attempt(s Setup, offer bool) (*Attempt, error) {
	ctx, stopDials := context.WithCancel(context.Background())
	pc, err := e.connection(ctx, s, offer)
	if err != nil {
		stopDials()
		return nil, err
	}
	own := e.networks()
	a := &Attempt{
		endpoint: e, pc: pc, stopDials: stopDials, stage: StageICE, expected: offer,
		opened: make(chan struct{}), over: make(chan struct{}),
		vetting: vetting{take: s.take, networks: own},
	}
	a.gather = newGathering(own, s.tell, a.seenAs)
	if err := e.add(a); err != nil {
		stopDials()
		_ = pc.Close()
		return nil, err
	}
	if err := a.openChannel(); err != nil {
		return nil, a.giveUp(err)
	}
	const what = "a callback of the library of WebRTC"
	pc.OnICECandidate(guard.With(what, a.gather.found, a.broke))
	pc.OnICEConnectionStateChange(guard.With(what, a.iceState, a.broke))
	pc.OnConnectionStateChange(guard.With(what, a.connectionState, a.broke))
	pc.SCTP().Transport().OnStateChange(guard.With(what, a.dtlsState, a.broke))
	return a, nil
}

// begin sets the own description, which the library has made, and gathers.
func (a *Attempt) begin(own pion.SessionDescription, err error) (*Attempt, error) {
	if err == nil {
		err = a.pc.SetLocalDescription(own)
	}
	if err != nil {
		return nil, a.giveUp(err)
	}
	a.text = own.SDP
	return a, nil
}

// describe waits for candidates and completes the own description.
func (a *Attempt) describe(ctx context.Context) (*Attempt, error) {
	patience := time.NewTimer(limits.GatherTime)
	defer patience.Stop()
	select {
	case <-a.gather.complete:
	case <-patience.C:
	case <-ctx.Done():
		return nil, a.giveUp(ctx.Err())
	}
	if err := a.overWith(); err != nil {
		return nil, err
	}
	lines, all := a.gather.describe()
	a.text = joinDescription(a.text, lines, all)
	return a, nil
}

// giveUp ends an attempt that nobody has seen yet.
func (a *Attempt) giveUp(err error) error {
	a.fail(err)
	a.release()
	return a.overWith()
}
