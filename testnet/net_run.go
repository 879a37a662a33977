package testnet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

const (
	// settleTime bounds how long Run waits for a network to settle.
	settleTime = time.Minute

	// quiet is how long no link comes or goes in a network that is at rest, and
	// restTime bounds how long Run waits for that.
	quiet    = 500 * time.Millisecond
	restTime = 10 * time.Second

	// lateCopies is how long Run waits for second copies of the last messages.
	lateCopies = 2 * limits.MessageRTOMin
)

// errNoPairs is why no message was sent.
var errNoPairs = errors.New("there are no two nodes left to send messages between")

// Run waits until the network has settled, kills and cuts off the nodes that its
// options say, lets the Duration go by and sends the messages: between random
// pairs of the nodes that are left, of the leaves where there are two, and across
// the cut where there was one. A network that does not settle within a minute is
// a failure in the report. The error is that ctx ended, or that there was nobody
// to send a message to; the report then tells how far it came.
func (n *Net) Run(ctx context.Context) (Report, error) {
	late := n.settle(ctx)
	err := context.Cause(ctx)
	for _, step := range []func(context.Context) error{n.kill, n.cut, n.live, n.talk} {
		if err == nil {
			err = step(ctx)
		}
	}
	r := n.Report()
	if late != nil && err == nil {
		r.Failures = append(r.Failures, late.Error())
	}
	return r, err
}

// settle is WaitReady for a bounded time.
func (n *Net) settle(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := n.WaitReady(bounded); err != nil {
		return fmt.Errorf("after %v: %w", settleTime, err)
	}
	n.mu.Lock()
	took := n.settled
	n.mu.Unlock()
	n.say("settled %v after the last start", took.Round(time.Millisecond))
	n.rest(ctx)
	return nil
}

// rest waits until the nodes have filled up their links, which goes on for a
// moment after they have settled and keeps the processors from the messages.
func (n *Net) rest(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, restTime)
	defer cancel()
	before, since := n.Graph(), time.Now()
	for time.Since(since) < quiet && pause(bounded, lookAgain) == nil {
		if now := n.Graph(); !slices.EqualFunc(before, now, slices.Equal) {
			before, since = now, time.Now()
		}
	}
}

// live lets time go by.
func (n *Net) live(ctx context.Context) error {
	if n.opts.Duration > 0 {
		n.say("living for %v", n.opts.Duration)
	}
	return pause(ctx, n.opts.Duration)
}

// kill lets a share of the nodes die at once, and a share of these silently.
func (n *Net) kill(context.Context) error {
	victims := n.pick(n.opts.Kill)
	silent := share(n.opts.Silent, len(victims))
	if len(victims) > 0 {
		n.say("killing %d nodes, %d of them silently", len(victims), silent)
	}
	n.silence(victims[:silent])
	n.killAll(victims[silent:])
	return nil
}

// cut divides the network for a time.
func (n *Net) cut(ctx context.Context) error {
	group := n.pick(n.opts.Partition)
	if len(group) == 0 {
		return nil
	}
	n.say("cutting %d nodes off for %v", len(group), n.opts.Cut)
	n.Partition(group)
	n.mu.Lock()
	n.wasCut = group
	n.mu.Unlock()
	defer n.Heal()
	return pause(ctx, n.opts.Cut)
}

// talk sends the messages.
func (n *Net) talk(ctx context.Context) error {
	if n.opts.Messages == 0 {
		return nil
	}
	n.say("sending %d messages", n.opts.Messages)
	pairs := n.runPairs()
	if len(pairs) == 0 {
		return errNoPairs
	}
	n.Deliver(ctx, pairs)
	return pause(ctx, lateCopies)
}

// runPairs are the senders and receivers of Run.
func (n *Net) runPairs() []Pair {
	n.mu.Lock()
	group := n.wasCut
	n.mu.Unlock()
	var sides [2][]int // of the cut
	for _, i := range n.talkers() {
		if slices.Contains(group, i) {
			sides[1] = append(sides[1], i)
		} else {
			sides[0] = append(sides[0], i)
		}
	}
	if len(group) == 0 {
		sides[1] = sides[0]
	}
	return n.pairsOf(sides, n.opts.Messages)
}

// talkers are the running leaves, or all that run where that is but one.
func (n *Net) talkers() []int {
	all, running := n.all(), n.Running()
	var leaves []int
	for _, i := range running {
		if all[i].leaf {
			leaves = append(leaves, i)
		}
	}
	if len(leaves) < 2 {
		return running
	}
	return leaves
}

// pick returns a random share of the running nodes.
func (n *Net) pick(part float64) []int {
	running := n.Running()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rand.Shuffle(len(running), func(i, j int) { running[i], running[j] = running[j], running[i] })
	return running[:share(part, len(running))]
}

// pause waits; an error is that of the context that ended first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
