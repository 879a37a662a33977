package node

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"golang.org/x/time/rate"
)

// walker takes the batches of one link apart: frames to be forwarded go on in
// runs, frames for this node are delivered or given to the loop. It belongs to
// the link's reader goroutine; one more belongs to the loop and gives the
// frames of failed links a new way.
type walker struct {
	n       *Node
	link    *link.Link // nil: the loop's
	src     uint64     // its number; 0: the loop's
	in      *engine.Ingress
	batch   *session.Batch // nil: nothing came for this node yet
	run     run
	touched []*link.Link // got something and have not been kicked
	fed     []*Port      // this node's own ports that got something and have not been woken
	late    lateness     // of these
	shunned *link.Link   // the suspect link whose frames the loop gives a new way
	ports   *map[uint16]*Port
	port    *Port // found last in ports
	prio    *rate.Limiter
	timer   *time.Timer // nil: it never waited
	busy    atomic.Bool // ticked often; not the reader's alone

	allowance allowance
	admitted  atomic.Bool // it has its place among the links

	snapshot             *engine.Snapshot // for this batch
	forwarded, delivered int              // in this batch
	hops                 int              // links that those of delivered crossed
	crossed              engine.Crossings // in this batch
	batches              uint32           // so far
	began                time.Time        // when this batch did; zero: it is not timed
}

// run is a stretch of a batch whose frames go to one link in one class.
type run struct {
	to     *link.Link
	class  wire.Class
	batch  []byte
	lo, hi int // bounds in batch, length prefixes included
	frames int
}

func newWalker(n *Node) *walker {
	return &walker{n: n, prio: rate.NewLimiter(limits.PriorityRate, limits.PriorityBurst)}
}

// bind makes w the walker of a link.
func (w *walker) bind(l *link.Link, p *engine.Peer) {
	w.link, w.src, w.in = l, l.Number, engine.NewIngress(p)
	w.late.passOn = w.passOn
}

// HandleBatch implements [link.Handler].
func (w *walker) HandleBatch(l *link.Link, batch []byte) reason.Reason {
	now, exact := w.n.clock.load(), false // datagrams need no better time
	frames, kept, own := 0, 0, 0
	cause := reason.None
	w.snapshot = w.n.engine.Snapshot()
	if w.batches++; w.batches%forwardSample == 1 {
		w.began = time.Now()
	}
	for off := 0; off < len(batch); {
		frame, _, err := wire.NextInBatch(batch[off:])
		if err != nil {
			cause = reason.ProtocolError
			break
		}
		end := off + wire.BatchHeader + len(frame)
		if !exact && !isBulk(frame) {
			now, exact = time.Now(), true
		}
		if wire.IsLink(frame) {
			own++
			w.crossed.Count(frame)
			if cause = w.n.linkFrame(w, frame, now); cause != reason.None {
				break
			}
			off = end
			continue
		}
		frames++
		if len(frame) >= wire.HeaderLen && wire.FrameFlags(frame).Class() < wire.ClassBulk {
			kept++
			if wire.FrameFlags(frame).Class() == wire.ClassControl { // no program's frame is
				w.crossed.Count(frame)
			}
		}
		w.frame(batch, off, end, now)
		off = end
	}
	w.finish(frames, len(batch), now)
	w.sendOn()
	l.Took(frames, kept)
	if w.allowance.take(len(batch), frames+own, time.Now) {
		w.n.counters.yields.Add(1)
		runtime.Gosched()
	}
	return cause
}

// isBulk says whether a frame is a mesh frame of class 3.
func isBulk(frame []byte) bool {
	return len(frame) >= wire.HeaderLen && !wire.IsLink(frame) && wire.FrameFlags(frame).Class() == wire.ClassBulk
}

// finish queues what is left of a batch and counts. passOn has it sent on.
func (w *walker) finish(frames, bytes int, now time.Time) {
	w.flushRun()
	if !w.began.IsZero() {
		w.timed()
	}
	if w.batch != nil {
		w.n.sessions.EndBatch(w.batch, now)
	}
	w.late.frames += frames
	w.late.bytes += bytes
	w.n.counters.forwarded.Add(uint64(w.forwarded))
	w.forwarded = 0
	w.countDelivered()
	if w.crossed != (engine.Crossings{}) {
		w.n.counters.crossed(&w.crossed)
		w.crossed = engine.Crossings{}
	}
	w.snapshot = nil // an idle link keeps no old picture alive
}

// timed notes how long the frames of this batch that go on took.
func (w *walker) timed() {
	if w.forwarded > 0 {
		w.n.counters.forwardTimes.add(time.Since(w.began))
	}
	w.began = time.Time{}
}

// countDelivered counts what was delivered since the last call.
func (w *walker) countDelivered() {
	if w.delivered > 0 {
		w.n.counters.delivered[w.hops].Add(uint64(w.delivered))
		w.delivered = 0
	}
}

// frame deals with the mesh frame in batch[off:end], its length included.
func (w *walker) frame(batch []byte, off, end int, now time.Time) {
	frame := batch[off+wire.BatchHeader : end]
	switch to, mine := w.snapshot.Express(w.in, frame); {
	case to != nil:
		w.forwarded++
		w.extend(to.Link, batch, off, end, now)
		return
	case mine:
		w.deliver(frame, now)
		return
	}
	v := w.snapshot.Forward(w.in, frame, now)
	switch v.Action {
	case engine.ActionSend:
		if v.Reason != reason.None {
			w.n.hint(v.Frame, v.Reason)
		}
		if v.Peer.Link == w.shunned {
			return // its only way, by which it has left already
		}
		w.forwarded++
		if v.Copy {
			w.passed(&v)
		}
		if len(v.Frame) == len(frame) && &v.Frame[0] == &frame[0] {
			w.extend(v.Peer.Link, batch, off, end, now)
		} else {
			w.rewritten(v.Peer.Link, v.Frame, now)
		}
	case engine.ActionDeliver:
		w.deliver(v.Frame, now)
	case engine.ActionAnswer:
		w.toLoop(v.Frame)
	case engine.ActionHint:
		w.n.drops.Add(v.Reason, 1)
		w.n.hint(v.Frame, v.Reason)
	case engine.ActionDrop:
		w.n.drops.Add(v.Reason, 1)
	}
}

// class is the class in which a frame queues: urgent ones beyond their rate
// queue as interactive.
func (w *walker) class(frame []byte, now time.Time) wire.Class {
	class := wire.FrameFlags(frame).Class()
	if class < wire.ClassInteractive && !w.prio.AllowN(now, min(len(frame), limits.PriorityBurst)) {
		return wire.ClassInteractive
	}
	return class
}

// extend puts a frame into the run under way, or begins the next one.
func (w *walker) extend(to *link.Link, batch []byte, off, end int, now time.Time) {
	class := w.class(batch[off+wire.BatchHeader:end], now)
	r := &w.run
	if r.to == to && r.class == class && r.hi == off && end-r.lo <= limits.MaxRun {
		r.hi = end
		r.frames++
		return
	}
	w.flushRun()
	*r = run{to, class, batch, off, end, 1}
}

func (w *walker) flushRun() {
	r := &w.run
	if r.to == nil {
		return
	}
	w.append(r.to, r.class, r.batch[r.lo:r.hi], r.frames)
	*r = run{}
}

// rewritten sends on a frame that Forward had to change.
func (w *walker) rewritten(to *link.Link, frame []byte, now time.Time) {
	w.flushRun()
	w.touch(to)
	class := w.class(frame, now)
	for a := to.AppendFrame(w.ingress(), class, frame); a != link.Queued; a = to.AppendFrame(w.ingress(), class, frame) {
		if !w.waitFor(to, a, wire.BatchHeader+len(frame), 1) {
			return
		}
	}
}

// append queues a run, waiting a bounded time for room. What finds none is
// dropped and counted.
func (w *walker) append(to *link.Link, class wire.Class, run []byte, frames int) {
	w.touch(to)
	for {
		rest, a := to.Append(w.ingress(), class, run, frames)
		if a == link.Queued {
			return
		}
		first, more, err := wire.NextInBatch(rest)
		if err != nil {
			return // not reached: it is a part of what was parsed
		}
		if len(rest) < len(run) {
			for frames = 1; len(more) > 0; frames++ {
				_, more, _ = wire.NextInBatch(more)
			}
		}
		if run = rest; !w.waitFor(to, a, wire.BatchHeader+len(first), frames) {
			return
		}
	}
}

// ingress is the source number on outgoing links. What the loop gives a new way is
// not this node's own.
func (w *walker) ingress() uint64 {
	if w.link == nil {
		return link.Returned
	}
	return w.src
}

// waitFor waits for room after an Append was not admitted; false: give the
// frames up, they are counted.
func (w *walker) waitFor(to *link.Link, a link.Admission, n, frames int) bool {
	if a == link.Full && w.link != nil {
		w.passOn() // the room may depend on what was appended
		w.touch(to)
		w.setTimer(limits.TransitWait)
		if to.Wait(w.src, n, w.timer.C) {
			w.timer.Stop()
			return true
		}
		to.MarkStalled(w.src)
	}
	why := reason.QueueFull
	if a == link.Ended {
		why = reason.LinkLost
	} else if a == link.Crowded {
		why = reason.MemoryLimit
	}
	w.n.drops.Add(why, frames)
	w.forwarded -= frames // which were counted when their way was found, in this batch
	return false
}

func (w *walker) setTimer(d time.Duration) {
	if w.timer == nil {
		w.timer = time.NewTimer(d)
		return
	}
	w.timer.Reset(d)
}

// deliver takes a frame for this node.
func (w *walker) deliver(frame []byte, now time.Time) {
	if wire.FrameType(frame) != wire.TypeData {
		w.toLoop(frame)
		return
	}
	if w.batch == nil {
		w.batch = &session.Batch{Context: w}
	}
	hops := wire.MaxHopLimit + 1 - int(wire.FrameHopLimit(frame))
	switch why := w.n.sessions.Receive(w.batch, now, frame); why { // which counts its drops
	case reason.None:
		if hops != w.hops {
			w.countDelivered()
			w.hops = hops
		}
		w.delivered++
	case reason.UnknownSession:
		if w.in.AllowHint(now) {
			w.n.hint(frame, why)
		}
	}
}

// passed gives the loop a copy of a frame that goes on. Forward has charged it to
// the link's budget.
func (w *walker) passed(v *engine.Verdict) {
	if !w.n.postControl(engine.Passed{Link: w.src, Frame: append([]byte(nil), v.Frame...), End: v.End}) {
		w.n.drops.Add(reason.QueueFull, 1)
	}
}

// toLoop gives the loop a copy of a control frame. Forward has charged it to the
// link's budget.
func (w *walker) toLoop(frame []byte) {
	if !w.n.postControl(engine.Control{Link: w.src, Frame: append([]byte(nil), frame...)}) {
		w.n.drops.Add(reason.QueueFull, 1)
	}
}

// reforward gives the frames that a link's peer did not take a new way. It runs
// on the loop and never waits.
func (n *Node) reforward(l *link.Link) {
	batch := l.TakeRing()
	select {
	case <-l.Done():
		rest, lost := l.Leftover()
		batch = append(batch, rest...)
		n.drops.Add(reason.LinkLost, lost)
	default:
	}
	w, now := n.retry, time.Now()
	w.snapshot, w.shunned = n.engine.Snapshot(), l
	frames := 0
	for off := 0; off < len(batch); frames++ {
		frame, _, err := wire.NextInBatch(batch[off:])
		if err != nil {
			break // not reached: these are frames this node wrote
		}
		end := off + wire.BatchHeader + len(frame)
		w.frame(batch, off, end, now)
		off = end
	}
	w.finish(frames, len(batch), now)
	w.passOn()
	n.sessions.Yield(now, l.Peer)
}
