package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/bench/systems/peermesh"
	"github.com/peermesh/peermesh/bench/trials"
)

const (
	// window is the credit of the win mode, in messages; windowLarge that for
	// messages of largeSize bytes and more.
	window      = 128
	windowLarge = 32
	largeSize   = 16 << 10
	// hopSize is the message size of the hop measurement, overheadSize that of
	// the overhead measurement, in bytes.
	hopSize      = 1024
	overheadSize = 64
	// opening is what it takes to open and close a path, on average.
	opening = 60 * time.Millisecond
	// slowOpening is that of a slow system, slowRounds how many rounds it runs.
	slowOpening = 4 * time.Second
	slowRounds  = 3
)

// cell is one thing measured in every round for every system.
type cell struct {
	mode   string // win, own or echo
	size   int
	relays int
}

// result is the place of one series of rounds.
type result struct {
	system string
	cell   cell
}

// plan is what to measure, and what has been measured.
type plan struct {
	options
	cells    []cell
	rates    map[result][]harness.Rate
	trips    map[result][]harness.RTT
	idle     map[string]harness.Memory
	wire     map[string]harness.Wire
	start    []time.Duration
	first    map[string]first
	light    *trials.Light
	loss     *trials.Loss
	relay    *trials.Relay
	quic     []trials.QUIC
	rtc      rtc
	load     []float64
	started  time.Time
	failures []string
}

func newPlan(o options) *plan {
	p := &plan{
		options: o, started: time.Now(), failures: []string{},
		rates: make(map[result][]harness.Rate), trips: make(map[result][]harness.RTT),
		rtc: newRTC(), idle: make(map[string]harness.Memory), wire: make(map[string]harness.Wire), first: make(map[string]first),
	}
	for _, size := range o.sizes {
		for _, mode := range []string{"win", "own", "echo"} {
			if p.wants(mode) {
				p.add(cell{mode, size, 1})
			}
		}
	}
	if p.wants("hop") {
		for _, mode := range []string{"win", "own"} {
			p.add(cell{mode, hopSize, 1})
			p.add(cell{mode, hopSize, 2})
		}
	}
	return p
}

func (p *plan) system(name string) (harness.System, bool) {
	i := slices.Index(names(p.systems), name)
	if i < 0 {
		return nil, false
	}
	return p.systems[i], true
}

func (p *plan) wants(mode string) bool { return slices.Contains(p.modes, mode) }

func (p *plan) add(c cell) {
	if !slices.Contains(p.cells, c) {
		p.cells = append(p.cells, c)
	}
}

// expected is how long the run should take.
func (p *plan) expected() time.Duration {
	const once = 3 * time.Second // idle and overhead of one system
	total := time.Duration(len(p.systems)) * once
	for _, s := range p.systems {
		for _, c := range p.cells {
			for round := range p.rounds {
				if p.runs(s, c, round) {
					total += p.measured(c) + p.warm(c) + openingOf(s)
				}
			}
		}
	}
	if p.wants("start") {
		total += 10 * time.Second // to build the program, mostly
	}
	if p.wants("first") {
		total += time.Duration(len(p.systems)) * 2 * time.Second
	}
	total += p.expectedRTC()
	for _, mode := range []string{"light", "loss", "relay", "quic"} {
		if p.wants(mode) {
			total += 10 * time.Second
		}
	}
	return total
}

func openingOf(s harness.System) time.Duration {
	if harness.BoundsOf(s).Slow {
		return slowOpening
	}
	return opening
}

// runs says whether s measures c in a round.
func (p *plan) runs(s harness.System, c cell, round int) bool {
	b := harness.BoundsOf(s)
	return b.Spans(c.relays) && (!b.Slow || round < slowRounds)
}

func (p *plan) measured(c cell) time.Duration {
	if c.mode == "echo" {
		return p.time / 2
	}
	return p.time
}

func (p *plan) warm(c cell) time.Duration { return p.measured(c) / 5 }

// run makes all measurements. What fails is noted and the rest goes on.
func (p *plan) run(ctx context.Context, log io.Writer) {
	p.once(ctx)
	for round := range p.rounds {
		p.load = append(p.load, loadAverage())
		fmt.Fprintf(log, "round %d of %d, load %.1f\n", round+1, p.rounds, p.load[round])
		for _, c := range p.cells {
			for i := range p.systems {
				// Each round begins with another system, so that none always
				// has the same one before it.
				s := p.systems[(i+round)%len(p.systems)]
				if p.runs(s, c, round) {
					p.measure(ctx, s, c)
				}
			}
		}
		p.measureRTC(ctx, round)
	}
	p.load = append(p.load, loadAverage())
}

// startRuns is how often the start of processes is measured.
const startRuns = 10

// once makes the measurements that need no interleaving.
func (p *plan) once(ctx context.Context) {
	if _, ours := p.system(peermesh.System{}.Name()); ours && p.wants("start") {
		var err error
		p.start, err = peermesh.Start(ctx, startRuns)
		p.note(err)
	}
	p.memory()
	for _, s := range p.systems {
		var err error
		if p.wants("first") {
			p.first[s.Name()], err = measureFirst(ctx, s)
			p.note(err)
		}
		if p.wants("overhead") && !harness.BoundsOf(s).Slow {
			p.wire[s.Name()], err = harness.Overhead(ctx, s, overheadSize)
			p.note(err)
		}
	}
	p.trials(ctx)
}

// memory measures idle links, before anything else has filled the heap with what
// would go meanwhile.
func (p *plan) memory() {
	for _, s := range p.systems {
		if idler, ok := s.(harness.Idler); ok && p.wants("idle") {
			var err error
			p.idle[s.Name()], err = harness.Idle(idler, p.links)
			p.note(err)
		}
	}
}

// measure adds one round to a series. A failed round is all zeros.
func (p *plan) measure(ctx context.Context, s harness.System, c cell) {
	if ctx.Err() != nil {
		p.note(ctx.Err())
		return
	}
	at := result{s.Name(), c}
	if c.mode == "echo" {
		trip, err := harness.Echo(ctx, s, harness.EchoOptions{
			Relays: c.relays, Size: c.size, Warm: p.warm(c), Run: p.measured(c),
		})
		p.trips[at] = append(p.trips[at], noted(p, trip, err))
		return
	}
	rate, err := harness.Flood(ctx, s, harness.FloodOptions{
		Relays: c.relays, Size: c.size, Window: windowOf(c), Warm: p.warm(c), Run: p.measured(c),
	})
	p.rates[at] = append(p.rates[at], noted(p, rate, err))
}

// noted keeps the failure and returns the figures, zeros after a failure.
func noted[T any](p *plan, figures T, err error) T {
	if err != nil {
		p.note(err)
		return *new(T)
	}
	return figures
}

func windowOf(c cell) int {
	switch {
	case c.mode == "own":
		return 0
	case c.size >= largeSize:
		return windowLarge
	default:
		return window
	}
}

// note keeps each failure once.
func (p *plan) note(err error) {
	if err != nil && !slices.Contains(p.failures, err.Error()) {
		p.failures = append(p.failures, err.Error())
	}
}
