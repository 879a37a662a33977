package session

import (
	"bytes"
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// world is a network in virtual time: nodes, faults drawn from a seed, and a
// heap of events that one goroutine plays. The same seed gives the same run.
type world struct {
	t      testing.TB
	now    time.Time
	rand   *rand.Rand
	events eventHeap
	seq    uint64
	nodes  map[wire.ID]*testNode

	// faults
	loss, dup     float64
	delay, jitter time.Duration
	dead          func(from *testNode, hop int) bool    // true: a first hop that drops all
	cut           func(from, to *testNode) bool         // true: nothing passes
	tap           func(from *testNode, frame []byte)    // sees every frame that leaves; must not keep it
	tamper        func(to *testNode, frame []byte) bool // sees and may change what arrives; false: it is lost
	noRoute       func(from *testNode, hop int) bool    // true: a relay behind that hop answers no-route
	why           reason.Reason                         // what such a relay says instead, if anything
	whyBy         func(hop int) reason.Reason           // the same by first hop; nil: why
	sent          []*outcome                            // a test's own
	ingress       func(from wire.ID) Ingress            // nil: all come by one link
	hops          int                                   // first hops that every node has
	hold          func(to *testNode, frame []byte)      // takes every frame instead of the network
	noHints       bool
	frames        int
}

type event struct {
	at  time.Time
	seq uint64
	do  func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || h[i].at.Equal(h[j].at) && h[i].seq < h[j].seq
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = event{}
	*h = old[:len(old)-1]
	return x
}

func newWorld(t testing.TB, seed uint64) *world {
	return &world{
		t: t, now: time.Unix(1_700_000_000, 0), rand: rand.New(rand.NewPCG(seed, 1)),
		nodes: map[wire.ID]*testNode{}, delay: 10 * time.Millisecond, hops: 4,
	}
}

// pair returns a world of two nodes, the first with the lower ID.
func pair(t testing.TB, seed uint64) (w *world, lo, hi *testNode) {
	w = newWorld(t, seed)
	lo, hi = w.add(nil), w.add(nil)
	if bytes.Compare(lo.self[:], hi.self[:]) > 0 {
		lo, hi = hi, lo
	}
	return w, lo, hi
}

// add makes a node; change, if not nil, may change its Config.
func (w *world) add(change func(*testNode, *Config)) *testNode {
	id, err := identity.New(seeded(w.rand.Uint64()))
	if err != nil {
		w.t.Fatal(err)
	}
	n := &testNode{w: w, id: id, self: id.ID(), emitted: map[uint8]int{}}
	w.nodes[n.self] = n
	n.start(change)
	return n
}

// hopID names a first hop.
func hopID(hop int) wire.ID { return wire.ID{0xFF, byte(hop)} }

// carry takes a frame of from through the network, with its faults.
func (w *world) carry(from *testNode, frame []byte, hop int) {
	w.frames++
	to := w.nodes[*wire.FrameDst(frame)]
	if to != nil && w.hold != nil {
		w.hold(to, frame)
		return
	}
	if to == nil || w.cut != nil && w.cut(from, to) {
		return
	}
	if w.dead != nil && w.dead(from, hop) {
		return
	}
	if w.noRoute != nil && wire.FrameType(frame) != wire.TypeHint && w.noRoute(from, hop) {
		why := reason.NoRoute
		if w.why != reason.None {
			why = w.why
		}
		if w.whyBy != nil {
			why = w.whyBy(hop)
		}
		w.after(w.delay, func() { from.hinted(frame, why) })
		return
	}
	copies := 1
	if w.rand.Float64() < w.dup {
		copies = 2
	}
	for range copies {
		if w.rand.Float64() < w.loss {
			continue
		}
		wait := w.delay
		if w.jitter > 0 {
			wait += time.Duration(w.rand.Int64N(int64(w.jitter)))
		}
		b := bytes.Clone(frame)
		w.after(wait, func() { to.arrive(b) })
	}
}

func (w *world) after(d time.Duration, do func()) { w.push(w.now.Add(d), do) }

func (w *world) push(at time.Time, do func()) {
	w.seq++
	heap.Push(&w.events, event{at, w.seq, do})
}

// run plays events for a time.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.events) > 0 && !w.events[0].at.After(end) {
		w.step()
	}
	w.now = end
}

func (w *world) step() {
	e := heap.Pop(&w.events).(event)
	if e.at.After(w.now) {
		w.now = e.at
	}
	e.do()
}

// until plays events until what holds, at most for a time; it fails the test otherwise.
func (w *world) until(d time.Duration, what func() bool) {
	w.t.Helper()
	end := w.now.Add(d)
	for !what() {
		if len(w.events) == 0 || w.events[0].at.After(end) {
			w.t.Fatalf("nothing came of it within %v (%d events left)", d, len(w.events))
		}
		w.step()
	}
}

// connect makes a session that a began, both ends sure of it.
func (w *world) connect(a, b *testNode) {
	w.t.Helper()
	before := len(b.got)
	o := a.send(b, "hello")
	w.until(10*time.Second, func() bool { return o.calls == 1 })
	if o.Err != nil {
		w.t.Fatalf("connect: %v", o.Err)
	}
	b.got = b.got[:before]
	w.run(100 * time.Millisecond)
}
