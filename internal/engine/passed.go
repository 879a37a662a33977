package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

func (ev Passed) step(e *Engine, now time.Time) {
	f, err := wire.ParseFrame(ev.Frame)
	if err != nil {
		e.cfg.Drops.Add(reason.Malformed, 1)
		return
	}
	switch f.Type {
	case wire.TypeNearest:
		e.passedNearest(now, &ev, &f)
	case wire.TypeHandshake:
		e.tellRecord(now, &f)
	}
}

// passedNearest keeps the record of a Store that went on, and answers a question
// that ends here besides: a relay in front of the Key that does not carry hides
// nobody behind it.
func (e *Engine) passedNearest(now time.Time, ev *Passed, f *wire.Frame) {
	body, err := wire.ParseNearestBody(f.Body)
	if err != nil {
		e.cfg.Drops.Add(reason.Malformed, 1)
		return
	}
	if body.Op != wire.OpStore {
		e.nearestRequest(now, ev.Frame, f, &body)
		return
	}
	switch why := e.takeStore(now, ev.Link, &body); {
	case why != reason.None:
		e.cfg.Drops.Add(why, 1)
	case ev.End:
		e.copyAround(routing.Key(body.Target), body.Rest)
	}
}

// tellRecord sends the record by which the first message of a session went on to
// its source, who checks it. It is never longer than that message as it came, without
// the home that was put in here. wire.FirstFrameLen leaves room for any record of a
// leaf.
func (e *Engine) tellRecord(now time.Time, f *wire.Frame) {
	r := e.holder.store.byLeaf[f.Dst]
	if r == nil || !now.Before(r.end) {
		return
	}
	reply, came := e.replyTo(f), *f
	came.Waypoints = nil
	if reply.Len()+wire.NonceLen+1+len(r.raw) <= came.Len() {
		e.sendAnswer(&reply, &wire.AnswerBody{Nonce: wire.Echo(f.Body), Kind: wire.AnswerRecord, Record: r.raw})
	}
}
