package link

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
)

// Held says what a link has done with a frame of this node.
type Held uint8

// The answers of Link.Holds.
const (
	NotHeld Held = iota // the neighbour has taken it, it went another way, or it was never here
	Waits               // it waits in the queue
	Sent                // it was written, and the neighbour has not acked it
)

// held are this node's own sealed frames that a link had at one time. To look for one
// frame costs as much as to look for all, so all that ask within limits.LinkTick
// share one look.
type held struct {
	at      time.Time
	waiting []uint64 // transmissions, in their order
	sent    []sentFrame
}

type sentFrame struct {
	copy   uint64
	number uint64 // among the kept frames of the link
}

// Holds looks for the frame of class 0 to 2, from self, that copy names, see
// session.Transmission. It has been here for limits.LinkTick at least. The caller
// keeps mark between its calls for the same frame; it begins with zero.
//
// What newer frames have pushed out of the sent ring cannot be looked for. While
// there are such frames that the neighbour has not acked, a frame that is nowhere
// else counts as one of them.
func (l *Link) Holds(now time.Time, self *wire.ID, copy uint64, mark *uint64) Held {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return NotHeld
	}
	if past := now.Sub(l.held.at); past < 0 || past >= limits.LinkTick {
		l.look(now, self)
	}
	if _, ok := slices.BinarySearch(l.held.waiting, copy); ok {
		return Waits
	}
	r := &l.ring
	if i, ok := slices.BinarySearchFunc(l.held.sent, copy, func(f sentFrame, copy uint64) int { return cmp.Compare(f.copy, copy) }); ok {
		*mark = l.held.sent[i].number
	} else if *mark == 0 {
		*mark = r.acked
	}
	if *mark > max(r.told, r.moved) {
		return Sent
	}
	return NotHeld
}

// look notes which frames of self the link has. It needs mu.
func (l *Link) look(now time.Time, self *wire.ID) {
	h := &l.held
	h.at, h.waiting, h.sent = now, h.waiting[:0], h.sent[:0]
	l.queue.each(func(frame []byte) {
		if copy, ok := ownCopy(frame, self); ok {
			h.waiting = append(h.waiting, copy)
		}
	})
	l.ring.each(func(number uint64, frame []byte) {
		if copy, ok := ownCopy(frame, self); ok {
			h.sent = append(h.sent, sentFrame{copy, number})
		}
	})
	slices.Sort(h.waiting)
	slices.SortFunc(h.sent, func(a, b sentFrame) int { return cmp.Compare(a.copy, b.copy) })
}

// forgetLook gives up the memory of a look that is old. It needs mu.
func (l *Link) forgetLook(now time.Time) {
	if now.Sub(l.held.at) >= limits.IdleTick {
		l.held = held{}
	}
}

// ownCopy returns which copy a frame is, if it is a sealed one of self.
func ownCopy(frame []byte, self *wire.ID) (copy uint64, ok bool) {
	if len(frame) < wire.HeaderLen || wire.FrameType(frame) != wire.TypeData || !wire.SameID(wire.FrameSrc(frame), self) {
		return 0, false
	}
	f, err := wire.ParseFrame(frame)
	if err != nil || len(f.Body) < wire.DataHeaderLen {
		return 0, false
	}
	return session.Transmission(f.Body), true
}

// each calls do for every frame that waits, of the classes that are kept.
func (q *queue) each(do func(frame []byte)) {
	if q.flows != nil {
		q.flows.each(do)
	}
	for _, in := range q.inlets {
		for class := range in.byClass[:wire.ClassBulk] {
			for c := in.byClass[class].head; c != nil; c = c.next {
				eachFrame(c.buf, do)
			}
		}
	}
}

// each calls do for every frame that waits in a flow; those of a flow for the rest may
// be of any class.
func (fl *flows) each(do func(frame []byte)) {
	for _, f := range fl.byKey {
		if f.key.class < wire.ClassBulk {
			f.each(do)
		}
	}
	for _, s := range fl.sources {
		if s.rest != nil {
			s.rest.each(do)
		}
	}
}

func (f *flow) each(do func(frame []byte)) {
	for c := f.frames.head; c != nil; c = c.next {
		eachFrame(c.buf, do)
	}
}

// each calls do for every frame that is kept, with its number among all that were.
func (r *ring) each(do func(number uint64, frame []byte)) {
	if r.empty() {
		return
	}
	first := r.entries[r.first]
	number := first.last - uint64(first.frames)
	eachFrame(r.read(make([]byte, 0, r.bytes)), func(frame []byte) {
		number++
		do(number, frame)
	})
}

// eachFrame calls do for every frame of a run.
func eachFrame(run []byte, do func(frame []byte)) {
	for len(run) > 0 {
		end := wire.BatchHeader + int(binary.BigEndian.Uint16(run))
		do(run[wire.BatchHeader:end])
		run = run[end:]
	}
}
