package session

import (
	"bytes"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// bottleneck is one link over a slow line as a relay or a sender has it: a queue
// of flows served piece by piece in turns, back-pressure on those who bring
// frames, and marks on what leaves a standing queue.
type bottleneck struct {
	w       *world
	rate    func() float64 // bytes/s now
	delay   time.Duration  // of the line, one way
	own     bool           // the sender's own link: it takes 50 ms of the rate from a flow and marks nothing
	unsaid  bool           // it marks nothing
	onRoom  func()         // of an own link that refused a frame: it may take one again
	deliver func(frame []byte)

	turn    []*lineFlow
	flows   map[wire.ID]*lineFlow   // by source; by destination on an own link
	waiting map[wire.ID][]lateFrame // what the readers of ingress links hold back
	sources []wire.ID               // of waiting, in the order in which they came
	held    int
	busy    bool
	awaited bool // a frame was refused, and onRoom not called since

	bytes, sent, marked, dropped int
	refused                      int // messages
}

type lateFrame struct {
	frame []byte
	since time.Time
}

type lineFlow struct {
	frames []lateFrame
	bytes  int
	at     int       // bytes of the first frame that have left
	over   time.Time // since when all that left has waited longer than the target
}

const (
	linePiece    = 1_400
	lineTarget   = 50 * time.Millisecond
	lineInterval = 200 * time.Millisecond
)

func newBottleneck(w *world, rate float64, delay time.Duration) *bottleneck {
	b := &bottleneck{w: w, rate: func() float64 { return rate }, delay: delay, flows: map[wire.ID]*lineFlow{}, waiting: map[wire.ID][]lateFrame{}}
	b.deliver = func(frame []byte) { w.nodes[*wire.FrameDst(frame)].arrive(frame) }
	return b
}

// between puts the line between all nodes and one, and leaves the way back free.
func (b *bottleneck) between(to *testNode) {
	b.w.hold = func(n *testNode, frame []byte) {
		if n != to || *wire.FrameSrc(frame) == to.self {
			b.w.after(b.delay, func() { n.arrive(frame) })
			return
		}
		b.ingress(frame)
	}
}

// ownOf makes the line the only link of a node.
func (b *bottleneck) ownOf(n *testNode) {
	b.own, n.link = true, b
	b.onRoom = func() { n.t.Room(b.w.now, hopID(0)) }
	n.t.cfg.Holds = func(*wire.ID, uint64, *uint64) Holding {
		if b.held > 0 {
			return Moving
		}
		return Gone
	}
}

func (b *bottleneck) flow(frame []byte) *lineFlow {
	key := *wire.FrameSrc(frame)
	if b.own {
		key = *wire.FrameDst(frame)
	}
	f := b.flows[key]
	if f == nil {
		f = &lineFlow{}
		b.flows[key] = f
	}
	return f
}

// ingress takes a frame as a relay's reader does: it waits for room, for
// limits.TransitWait, and everything behind it waits as well.
func (b *bottleneck) ingress(frame []byte) {
	src := *wire.FrameSrc(frame)
	if len(b.waiting[src]) == 0 && b.fits(frame) {
		b.append(frame)
		return
	}
	if b.waiting[src] == nil {
		b.sources = append(b.sources, src)
	}
	b.waiting[src] = append(b.waiting[src], lateFrame{frame, b.w.now})
	if len(b.waiting[src]) == 1 {
		b.await(src)
	}
}

// await drops the first frame that a reader holds when it has waited too long.
func (b *bottleneck) await(src wire.ID) {
	since := b.w.now
	b.waiting[src][0].since = since
	b.w.after(limits.TransitWait, func() {
		if all := b.waiting[src]; len(all) > 0 && all[0].since.Equal(since) {
			b.dropped++
			b.next(src)
		}
	})
}

// next lets the reader go on with the frame behind its first.
func (b *bottleneck) next(src wire.ID) {
	b.waiting[src] = b.waiting[src][1:]
	for len(b.waiting[src]) > 0 {
		frame := b.waiting[src][0].frame
		if !b.fits(frame) {
			b.await(src)
			return
		}
		b.append(frame)
		b.waiting[src] = b.waiting[src][1:]
	}
}

func (b *bottleneck) fits(frame []byte) bool {
	room := min(256<<10, max(16<<10, int(b.rate()/2)))
	return b.held == 0 || b.held+len(frame) <= room
}

// emit takes a frame of the link's own node, or refuses it.
func (b *bottleneck) emit(frame []byte) (wire.ID, bool) {
	f := b.flow(frame)
	if f.bytes > 0 && f.bytes+len(frame) > int(b.rate()/20) || !b.fits(frame) {
		if isMessage(frame) {
			b.refused++
		}
		b.awaited = true
		return hopID(0), false
	}
	b.append(bytes.Clone(frame))
	return hopID(0), true
}

func (b *bottleneck) append(frame []byte) {
	f := b.flow(frame)
	f.frames = append(f.frames, lateFrame{frame, b.w.now})
	f.bytes += len(frame)
	b.held += len(frame)
	if len(f.frames) == 1 {
		b.turn = append(b.turn, f)
	}
	b.serve()
}

// serve writes a piece of the flow whose turn it is.
func (b *bottleneck) serve() {
	if b.busy || len(b.turn) == 0 {
		return
	}
	f := b.turn[0]
	b.turn = b.turn[1:]
	n := min(linePiece, len(f.frames[0].frame)-f.at)
	f.at += n
	b.busy, b.bytes = true, b.bytes+n
	b.w.after(time.Duration(float64(n)/b.rate()*1e9), func() {
		b.busy = false
		if f.at == len(f.frames[0].frame) {
			b.leave(f)
		}
		if len(f.frames) > 0 {
			b.turn = append(b.turn, f)
		}
		b.serve()
	})
}

// leave sends on the first frame of a flow, and tells those who wait for room.
func (b *bottleneck) leave(f *lineFlow) {
	v := f.frames[0]
	f.frames, f.at = f.frames[1:], 0
	f.bytes -= len(v.frame)
	b.held -= len(v.frame)
	b.sent++
	b.mark(f, v)
	b.w.after(b.delay, func() { b.deliver(v.frame) })
	for _, src := range b.sources {
		if all := b.waiting[src]; len(all) > 0 && b.fits(all[0].frame) {
			b.append(all[0].frame)
			b.next(src)
		}
	}
	if b.awaited && b.onRoom != nil {
		b.awaited = false
		b.w.after(0, b.onRoom)
	}
}

// mark marks a frame that leaves a standing queue.
func (b *bottleneck) mark(f *lineFlow, v lateFrame) {
	switch {
	case b.own || b.unsaid || !isMessage(v.frame):
	case b.w.now.Sub(v.since) <= lineTarget:
		f.over = time.Time{}
	case f.over.IsZero():
		f.over = b.w.now
	case b.w.now.Sub(f.over) >= lineInterval:
		b.marked++
		wire.MarkFrame(v.frame)
	}
}
