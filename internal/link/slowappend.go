package link

import (
	"encoding/binary"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
)

// appendRun is Append while the link is slow: frame by frame. It needs mu.
func (l *Link) appendRun(in *inlet, class wire.Class, run []byte) (rest []byte, a Admission) {
	for now := l.since(); len(run) > 0; {
		end := wire.BatchHeader + int(binary.BigEndian.Uint16(run))
		if a := l.appendSlow(in, class, run[wire.BatchHeader:end], now); a != Queued {
			return run, a
		}
		run = run[end:]
	}
	return nil, Queued
}

// appendSlow lets one frame, without its length, wait in its flow. It needs mu.
func (l *Link) appendSlow(in *inlet, class wire.Class, frame []byte, now time.Duration) Admission {
	q, n := &l.queue, wire.BatchHeader+len(frame)
	k := keyOf(in.src, class, frame)
	f := q.flows.find(&k)
	light, a := l.admits(in, f, class, n)
	if a != Queued {
		return a
	}
	if f == nil {
		f = q.open(in, k)
	}
	c := newFrame(class, n, now)
	c.light = light
	c.buf = wire.AppendToBatch(c.buf, frame)
	q.put(f, c)
	return Queued
}

// admits says whether n more bytes of a flow may wait; nil: of a new one. It needs mu.
func (l *Link) admits(in *inlet, f *flow, class wire.Class, n int) (light bool, a Admission) {
	q := &l.queue
	if q.ample(f, in.src, class, n) {
		f.refused = true
		return false, Full
	}
	if !l.affords(n + frameMemory + flowMemory) {
		return false, l.refused(in.src, class, Crowded)
	}
	ok, light := q.admits(in, f, class, n)
	switch {
	case ok:
		return light, Queued
	case in.stalled:
		return false, l.refused(in.src, class, Stalled)
	}
	return false, l.refused(in.src, class, Full)
}

// appendDatagramSlow is AppendDatagram while the link is slow. It needs mu.
func (l *Link) appendDatagramSlow(o *session.Opening, data []byte) Admission {
	q, in := &l.queue, l.queue.inlet(Self)
	k := keyOf(Self, wire.ClassBulk, o.Head)
	f := q.flows.find(&k)
	if f != nil {
		if more := f.frames.more(o, len(data), q.recordMax); more > 0 {
			_, a := l.admits(in, f, wire.ClassBulk, more)
			if a == Queued {
				c := f.frames.tail
				held := c.memory()
				c.add(data)
				q.count(f, c, more, c.memory()-held)
			}
			return a
		}
	}
	n := wire.BatchHeader + o.Len(len(data))
	light, a := l.admits(in, f, wire.ClassBulk, n)
	if a != Queued {
		return a
	}
	counter, ok := o.Count()
	if !ok {
		return Spent
	}
	if f == nil {
		f = q.open(in, k)
	}
	c := newFrame(wire.ClassBulk, n, l.since())
	c.frames, c.light = 0, light // begin counts the frame
	c.begin(o, counter, data)
	q.put(f, c)
	return Queued
}

// take takes what a flush is to write. It needs mu.
func (l *Link) take(out *chunks) (frames, single int) {
	q := &l.queue
	if q.flows == nil {
		return q.take(out)
	}
	frames, single = q.takeSlow(out, l.since())
	if q.late > 0 && l.Drops != nil {
		l.Drops.Add(reason.QueueDelay, q.late)
	}
	q.late = 0
	return frames, single
}
