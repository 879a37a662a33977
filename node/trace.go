package node

import (
	"context"
	"fmt"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// Hop is a node on the way to another. What it says of itself is told by whoever
// answered, not proven.
type Hop struct {
	ID        routing.ID    // zero: nobody answered for this hop
	Transport string        // of the link by which the probe reached it: ws, webrtc, mem
	Queued    int           // bytes that wait at it on that link
	RTT       time.Duration // from this node to it and back; 0: no answer
}

// Trace asks each node on the way to another for a sign of life: the first hop
// comes first, the target last. The probes go one by one and need not all take
// the same way. When the target does not answer, the hops that did come with an
// error that is [ErrNoRoute], or tells how ctx ended.
func (n *Node) Trace(ctx context.Context, id routing.ID) ([]Hop, error) {
	err := n.canAsk(ctx)
	if id == n.id {
		err = &refusal{reason.OwnID}
	}
	var hops []Hop
	if err == nil {
		hops, err = newTracing(n, id).run(ctx)
	}
	if err != nil {
		err = fmt.Errorf("trace %s: %w", id.Short(), err)
	}
	return hops, err
}

// tracing is one Trace under way, on one goroutine.
type tracing struct {
	n       *Node
	to      routing.ID
	answers chan probed // room for all: the loop never waits
	hops    []Hop       // by hop limit - 1
	asked   int         // probes sent
	flying  int
	last    int // no probe beyond
	reached bool
	lost    bool // so many probes in a row had no answer that the rest will have none
}

// probed is how one probe ended.
type probed struct {
	limit int
	hop   Hop
}

func newTracing(n *Node, to routing.ID) *tracing {
	return &tracing{
		n: n, to: to, answers: make(chan probed, limits.TraceHops), hops: make([]Hop, limits.TraceHops), last: limits.TraceHops,
	}
}

func (t *tracing) run(ctx context.Context) ([]Hop, error) {
	for !t.lost && (t.flying > 0 || t.asked < t.last) {
		if t.flying < limits.TraceInFlight && t.asked < t.last {
			if !t.probe() {
				return t.answered(), ErrClosed
			}
			continue
		}
		p, err := awaitAnswer(ctx, t.n, t.answers)
		if err != nil {
			return t.answered(), err
		}
		t.take(p)
	}
	if !t.reached {
		return t.answered(), ErrNoRoute
	}
	return t.hops[:t.last], nil
}

// probe sends the next probe, which goes one hop further than the one before.
func (t *tracing) probe() bool {
	t.asked++
	t.flying++
	limit, start := t.asked, time.Now()
	return t.n.post(engine.Trace{To: t.to, Hops: uint8(limit), Done: func(r wire.ProbeReport, ok bool) {
		p := probed{limit: limit}
		if ok {
			p.hop = Hop{ID: routing.ID(r.ID), Transport: r.LinkKind.String(), Queued: int(r.QueueBytes), RTT: time.Since(start)}
		}
		t.answers <- p
	}})
}

// take notes an answer. The target's is the last that counts.
func (t *tracing) take(p probed) {
	t.flying--
	t.hops[p.limit-1] = p.hop
	if p.hop.ID == t.to {
		t.reached = true
		t.last = min(t.last, p.limit)
	}
	silent := t.asked - t.flying - len(t.answered())
	t.lost = !t.reached && silent >= limits.TraceSilent
}

// answered are the hops up to the last one that answered.
func (t *tracing) answered() []Hop {
	for i := t.asked; i > 0; i-- {
		if !t.hops[i-1].ID.IsZero() {
			return t.hops[:i]
		}
	}
	return nil
}
