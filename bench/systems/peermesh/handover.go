package peermesh

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/peermesh/peermesh/transport/webrtc"
)

// HandOver measures how long the carrier over WebRTC takes where there is no
// relay: of fresh pairs of endpoints, one after the other, from the begin of the
// offer until both ends are open. Two nodes cannot be measured so: those that have
// no link have no way to signal, and those that have one make no second. So the
// descriptions and candidates go from one end to the other within the process, and
// there is neither signalling nor the Hello of a link.
func HandOver(ctx context.Context, pairs int) (times []time.Duration, err error) {
	for range pairs {
		if ctx.Err() != nil {
			return times, ctx.Err()
		}
		took, err := freshPipe(ctx)
		if err != nil {
			return times, fmt.Errorf("a pipe over WebRTC without a relay: %w", err)
		}
		times = append(times, took)
	}
	return times, nil
}

// freshPipe makes two endpoints, opens a pipe between them, and ends them.
func freshPipe(ctx context.Context) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	var ends [2]*webrtc.Endpoint
	for i := range ends {
		if ends[i], err = webrtc.New(webrtc.Config{}); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, ends[i].Close()) }()
	}
	begun := time.Now()
	err = openPipe(ctx, ends[0], ends[1])
	return time.Since(begun), err
}

// openPipe returns when both ends are open.
func openPipe(ctx context.Context, from, to *webrtc.Endpoint) error {
	all := func(netip.Addr) bool { return true } // as nodes on one machine do
	setup := webrtc.Setup{Tell: all, Take: all}
	a, err := from.Offer(ctx, setup)
	if err != nil {
		return err
	}
	c, err := to.Answer(ctx, setup, a.Description())
	if err != nil {
		return err
	}
	if err := a.SetAnswer(ctx, c.Description()); err != nil {
		return err
	}
	var running sync.WaitGroup
	var errs [4]error
	running.Go(func() { errs[0] = tellCandidates(a, c) })
	running.Go(func() { errs[1] = tellCandidates(c, a) })
	running.Go(func() { _, errs[2] = a.Wait(ctx) })
	running.Go(func() { _, errs[3] = c.Wait(ctx) })
	running.Wait()
	return errors.Join(errs[:]...)
}

// tellCandidates hands over what an end finds after its description.
func tellCandidates(from, to *webrtc.Attempt) error {
	for line := range from.Candidates() {
		if err := to.AddCandidate(line); err != nil {
			return err
		}
	}
	return nil
}
