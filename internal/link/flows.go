package link

import (
	"unsafe"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// sourceKey names who sends: an ID, as it comes in by one link. A relay could invent
// IDs, but not have them come in by another link.
type sourceKey struct {
	src  uint64
	from wire.ID
}

// flowKey is what the frames of a flow have in common: they keep their order.
type flowKey struct {
	sourceKey
	to    wire.ID
	class wire.Class
}

// keyOf is the key of a frame that came by a source in a class.
func keyOf(src uint64, class wire.Class, frame []byte) flowKey {
	k := flowKey{sourceKey: sourceKey{src: src}, class: class}
	if len(frame) >= wire.HeaderLen {
		k.from, k.to = *wire.FrameSrc(frame), *wire.FrameDst(frame)
	}
	return k
}

// flow is what waits from one node for another in one class.
type flow struct {
	place
	key      flowKey
	from     *source
	frames   chunks // one in each
	bytes    int
	cut      inPieces // of its first frame
	refused  bool     // a frame of this node's own, for the flow had as much waiting as it may
	codel    codel
	standing standing
}

// source is the flows of one node.
type source struct {
	place
	key   sourceKey
	in    *inlet
	flows round
	apart int   // of its flows, those that stand apart: see slots
	rest  *flow // for the frames of all flows that have none of their own; nil: there are none
}

// flows is what waits on a slow link, by who sends it and to whom. The keys are
// exact, not hashed to a number of buckets: in buckets the thousand flows of one
// node would be everywhere. Beyond limits.LinkFlows there are no new ones: what
// comes goes into one flow of its source or, if that has none, of its link. It goes
// on to do so until that flow is empty, and so nothing overtakes.
type flows struct {
	round   round
	byKey   map[flowKey]*flow
	sources map[sourceKey]*source
	last    *flow // looked up last
	slots   slots
	count   int
	most    int // count has been since the maps were made: they do not shrink
}

// find returns the flow in which frames of the key wait; nil: a new one is wanted.
func (fl *flows) find(k *flowKey) *flow {
	if f := fl.last; f != nil && f.key.class == k.class && f.key.src == k.src &&
		wire.SameID(&f.key.to, &k.to) && wire.SameID(&f.key.from, &k.from) {
		return f
	}
	if f := fl.byKey[*k]; f != nil {
		fl.last = f
		return f
	}
	s := fl.sources[k.sourceKey]
	if s == nil {
		s = fl.sources[sourceKey{src: k.src}]
	}
	if s == nil {
		return nil
	}
	return s.rest
}

// open makes the flow that find does not know.
func (fl *flows) open(in *inlet, k flowKey) *flow {
	full := max(fl.count, len(fl.sources)) >= limits.LinkFlows || max(in.flows, in.sources) >= limits.LinkFlows/2
	s := fl.sources[k.sourceKey]
	if s == nil {
		if full {
			k.from = wire.ID{}
		}
		s = fl.source(in, k.sourceKey)
	}
	f := &flow{key: k, from: s}
	f.place.flow = f
	if full {
		f.key.to, f.key.class = wire.ID{}, restClass
		s.rest = f
	} else {
		fl.byKey[k] = f
		fl.last = f
	}
	in.flows++
	fl.count++
	fl.most = max(fl.most, fl.count, len(fl.sources))
	return f
}

// restClass is the class in the key of a flow for the rest, which has frames of all.
const restClass = wire.Class(classes)

// source returns the source of a key, which may be new.
func (fl *flows) source(in *inlet, k sourceKey) *source {
	if s := fl.sources[k]; s != nil {
		return s
	}
	if fl.sources == nil {
		fl.sources, fl.byKey = make(map[sourceKey]*source), make(map[flowKey]*flow)
	}
	s := &source{key: k, in: in}
	s.place.source = s
	fl.sources[k] = s
	in.sources++
	return s
}

// forget drops a flow that has left the round of its source.
func (fl *flows) forget(f *flow) {
	if fl.last == f {
		fl.last = nil
	}
	if f.from.rest == f {
		f.from.rest = nil
	} else {
		delete(fl.byKey, f.key)
	}
	f.from.in.flows--
	fl.count--
}

// forgetSource drops a source that has left the round, and so has no flows.
func (fl *flows) forgetSource(s *source) {
	delete(fl.sources, s.key)
	s.in.sources--
}

// turn is the flow whose turn it is, by turns of so many bytes; nil: nothing waits, but
// of flows that stand apart.
func (fl *flows) turn(quantum int) *flow {
	for {
		p := fl.round.front(quantum)
		if p == nil {
			return nil
		}
		s := p.source
		of := s.flows.front(quantum)
		switch {
		case of == nil:
			if fl.round.leave() && s.apart == 0 {
				fl.forgetSource(s)
			}
		case of.flow.frames.head == nil:
			if s.flows.leave() {
				fl.forget(of.flow)
			}
		default:
			return of.flow
		}
	}
}

// spent charges a flow whose turn it is, and its source, with bytes that have left.
func (fl *flows) spent(f *flow, n, quantum int) {
	f.from.flows.spend(n, quantum)
	fl.round.spend(n, quantum)
}

// enter gives a flow, and its source, a turn for n bytes.
func (fl *flows) enter(f *flow, n, quantum int) {
	fl.round.enter(&f.from.place, n, quantum)
	f.from.flows.enter(&f.place, n, quantum)
}

// flowMemory is what a flow with a source of its own retains at most: both, and their
// entries in maps that have just grown.
const flowMemory = int(unsafe.Sizeof(flow{})+unsafe.Sizeof(source{})) +
	5*int(unsafe.Sizeof(flowKey{})+unsafe.Sizeof(sourceKey{})+2*unsafe.Sizeof(uintptr(0)))/2

// memory is what all of them retain, their frames apart.
func (fl *flows) memory() int { return fl.most * flowMemory }
