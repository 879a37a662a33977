package main

import (
	"context"
	"time"

	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/bench/systems/peermesh"
	"github.com/peermesh/peermesh/bench/trials"
)

const (
	// firstRuns is how often the first message is measured, firstSlow that of
	// slow systems.
	firstRuns, firstSlow = 10, 3
	// trialTime is what each flow of a trial is measured for, trialRuns how often
	// the light flow is.
	trialTime = 2 * time.Second
	trialRuns = 3
	// quicTime is what each QUIC stream is measured for, quicRuns how often both
	// are.
	quicTime = time.Second
	quicRuns = 5
	// relayLinks is the number of idle links of one relay.
	relayLinks = 1000
)

// first is the time until a system's first message.
type first struct {
	relays int
	times  []time.Duration
}

// measureFirst has two relays where the system can.
func measureFirst(ctx context.Context, s harness.System) (f first, err error) {
	f.relays = 1
	if harness.BoundsOf(s).Spans(2) {
		f.relays = 2
	}
	runs := firstRuns
	if harness.BoundsOf(s).Slow {
		runs = firstSlow
	}
	f.times, err = harness.First(ctx, s, f.relays, runs)
	return f, err
}

// trials makes the measurements of the node alone.
func (p *plan) trials(ctx context.Context) {
	if _, ours := p.system(peermesh.System{}.Name()); !ours {
		return
	}
	if p.wants("light") {
		var runs []trials.Light
		for range trialRuns {
			l, err := trials.MeasureLight(ctx, trialTime)
			p.note(err)
			runs = append(runs, l)
		}
		p.light = medianLight(runs)
	}
	if p.wants("loss") {
		l, err := trials.MeasureLoss(ctx, trialTime)
		p.note(err)
		p.loss = &l
	}
	if p.wants("relay") {
		r, err := trials.MeasureRelay(ctx, relayLinks)
		p.note(err)
		p.relay = &r
	}
	p.onceRTC(ctx)
	for range quicRuns {
		if p.wants("quic") {
			q, err := trials.MeasureQUIC(ctx, quicTime)
			p.note(err)
			p.quic = append(p.quic, q)
		}
	}
}
