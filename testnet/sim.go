package testnet

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/routing"
)

// simEpoch is when every simulation begins, on the clocks of its nodes.
var simEpoch = time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)

// Simulation is a network in virtual time. It is run by one goroutine, and all
// that happens in it follows from its Options: the same ones give the same
// trace. Nodes are named by their index, from 0 in the order of their start.
//
// The nodes are the engines, links and sessions of real ones. What is simulated
// are carriers (as TCP: a lost packet is a delay of a round trip and no less
// than 200 ms; a cut holds all until it heals, and only a node that died
// silently swallows what it is sent; on a Line a modelled TCP connection), clocks, keys (sessions and links have none;
// records are signed) and the time that computing takes, which is none.
type Simulation struct {
	opts  Options
	rand  *rand.Rand // of the network and the scenario
	keys  simRandom
	salt  uint64 // of latencies
	now   time.Duration
	heap  simHeap
	nodes []*simNode
	byID  map[routing.ID]*simNode // of those that speak WebRTC
	alive []*simNode              // in the order of their start

	posted  []simPosted // what engines have to be told in this instant
	dirty   []*simLink  // have something to write
	own     *engine.Ingress
	retry   *engine.Ingress
	scratch engine.Scratch // of the Ingresses of all links

	lines   simLines
	trace   simTrace
	records simRecords
	buffers simBuffers
	load    simLoad
	laid    *simLaid // nil: nobody counts
	drops   reason.Counters
	counts  engine.Crossings
	settled engine.Crossings // counts when the network had settled

	loss   float64
	parted bool
	oneWay map[[2]int32]bool
	held   []*simEnd // by a cut

	allCarry   bool // of engine.Config
	churn      bool
	victim     *simNode // of the Sybils
	lastStart  time.Duration
	settledAt  time.Duration // for the first time; 0: not yet
	settling   time.Duration // how long that took from the last start
	heapBefore uint64
	perNode    int
	mostRelays int
	lost       int // proven links displaced
	happened   int // events
	failures   []string
}

// simPosted is an event on its way to an engine.
type simPosted struct {
	node  *simNode
	event engine.Event
}

// progressEvents is after how many events a simulation says that it goes on: a few
// seconds of a machine.
const progressEvents = 2_000_000

// Sim returns a simulation in which nothing has happened yet: Run does all that
// o describes, and the other methods do it piece by piece.
func Sim(o Options) (*Simulation, error) {
	o, err := o.forSim()
	if err != nil {
		return nil, err
	}
	s := &Simulation{
		opts: o, rand: rand.New(rand.NewPCG(o.Seed, 1)), keys: newSimRandom(o.Seed, 2), salt: mix(o.Seed ^ 3),
		own: engine.NewIngress(nil), retry: engine.NewIngress(nil), loss: o.Loss,
	}
	s.load.sim, s.byID = s, make(map[routing.ID]*simNode)
	s.heapBefore = heapBytes()
	return s, nil
}

// heapBytes is what lives on the heap.
func heapBytes() uint64 {
	runtime.GC()
	runtime.GC() // the second empties the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// time is what the nodes' clocks show.
func (s *Simulation) time() time.Time { return simEpoch.Add(s.now) }

// Now is how much virtual time has passed.
func (s *Simulation) Now() time.Duration { return s.now }

// Len is how many nodes were started, dead ones included.
func (s *Simulation) Len() int { return len(s.nodes) }

// Advance lets virtual time pass.
func (s *Simulation) Advance(d time.Duration) {
	end := s.now + d
	for e, ok := s.heap.due(end); ok; e, ok = s.heap.due(end) {
		s.now = e.at
		if s.happened++; s.happened%progressEvents == 0 {
			s.tell("%d million events", s.happened/1_000_000)
		}
		e.who.happen(s, e.kind)
		s.drain()
	}
	s.now = end
}

// post tells an engine of an event, later in this instant.
func (s *Simulation) post(n *simNode, ev engine.Event) {
	s.posted = append(s.posted, simPosted{n, ev})
}

// drain tells the engines what they have to know, and writes what waits, until
// nothing is left to be done in this instant.
func (s *Simulation) drain() {
	for len(s.posted) > 0 || len(s.dirty) > 0 {
		for i := 0; i < len(s.posted); i++ {
			s.posted[i].node.step(s.posted[i].event)
		}
		clear(s.posted)
		s.posted = s.posted[:0]
		for i := 0; i < len(s.dirty); i++ {
			l := s.dirty[i]
			l.dirty = false
			if !l.node.dead {
				l.pump()
			}
		}
		clear(s.dirty)
		s.dirty = s.dirty[:0]
	}
}

// mix scatters the bits of x (splitmix64's finisher).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// latency is the one-way latency between two nodes, the same both ways.
func (s *Simulation) latency(a, b *simNode) time.Duration {
	return s.opts.LatencyMin + time.Duration(s.lot(a, b, s.salt)*float64(s.opts.LatencyMax-s.opts.LatencyMin))
}

// lot draws a number in [0, 1) for a pair of nodes, the same for the same salt.
func (s *Simulation) lot(a, b *simNode, salt uint64) float64 {
	low, high := uint64(min(a.index, b.index)), uint64(max(a.index, b.index))
	return float64(mix(salt^mix(low<<32|high))>>11) / (1 << 53)
}

// cut says whether nothing gets from one node to another.
func (s *Simulation) cut(from, to *simNode) bool {
	return s.parted && from.side != to.side || len(s.oneWay) > 0 && s.oneWay[[2]int32{from.index, to.index}]
}

// fail notes a promise that was broken.
func (s *Simulation) fail(format string, args ...any) {
	const most = 20
	if len(s.failures) < most {
		s.failures = append(s.failures, fmt.Sprintf(format, args...))
	}
}

// grace is for how long a node may have more links than its cap: the two ends
// of a new link take two round trips to agree which of two goes, and losses
// make each longer.
func (s *Simulation) grace() time.Duration {
	g := 4 * s.opts.LatencyMax
	if s.loss > 0 {
		g += 4 * lossDelay
	}
	return g
}

// displaced notes that a node ends a link to make room for another.
func (s *Simulation) displaced(l *simLink, why reason.Reason) {
	if s.victim != nil && l.relay && !l.node.sybil && why == reason.LinkLimit && s.now-l.since >= limits.ProvenAfter {
		s.lost++
	}
}

// Add starts one more node, which knows the address of one random running relay
// and nothing else, and returns its index.
func (s *Simulation) Add(leaf bool) int { return s.start(leaf, false) }

// start is Add of a node, or of one that nobody can dial but over WebRTC.
func (s *Simulation) start(leaf, noURL bool) int {
	n := s.make(s.draw(), leaf, noURL)
	if via := s.randomRelay(n); via != nil {
		s.join(n, via)
	}
	return int(n.index)
}

// Join gives a node the address of another one.
func (s *Simulation) Join(i, via int) { s.join(s.nodes[i], s.nodes[via]) }

func (s *Simulation) join(n, via *simNode) {
	s.post(n, engine.Join{Targets: []engine.TargetSpec{{URL: secret.URL(via.url())}}})
	s.drain()
}

func (s *Simulation) add(keys *identity.Identity, leaf bool) *simNode {
	return s.make(keys, leaf, false)
}

func (s *Simulation) make(keys *identity.Identity, leaf, noURL bool) *simNode {
	n := s.prepare(keys, leaf, noURL)
	s.run(n)
	return n
}

// prepare gives a node its place; run starts it.
func (s *Simulation) prepare(keys *identity.Identity, leaf, noURL bool) *simNode {
	n := &simNode{
		sim: s, index: int32(len(s.nodes)), leaf: leaf, noURL: noURL, keys: keys,
	}
	s.nodes = append(s.nodes, n)
	return n
}

// run starts a node that has its place.
func (s *Simulation) run(n *simNode) {
	n.random = newSimRandom(s.keys.Uint64(), s.keys.Uint64())
	if err := n.start(); err != nil {
		n.dead = true
		s.fail("node %d: %v", n.index, err)
		return
	}
	s.alive = append(s.alive, n)
	s.lastStart = s.now
	if s.churn {
		s.expire(n)
	}
}

// randomRelay is a running relay other than n, nil when there is none.
func (s *Simulation) randomRelay(n *simNode) *simNode {
	return s.random(func(o *simNode) bool { return o != n && !o.leaf && !o.noURL && !o.leaving && !o.sybil })
}

// random is a running node that fits, nil when none was found.
func (s *Simulation) random(fits func(*simNode) bool) *simNode {
	for range 1_000 {
		if len(s.alive) == 0 {
			return nil
		}
		if n := s.alive[s.rand.IntN(len(s.alive))]; fits(n) {
			return n
		}
	}
	for _, n := range s.alive {
		if fits(n) {
			return n
		}
	}
	return nil
}

// Send sends an acknowledged message from one running node to another and
// returns its number.
func (s *Simulation) Send(from, to int) int {
	m := s.load.add()
	m.send(s.nodes[from], s.nodes[to])
	s.drain()
	return m.number
}

// Acked says whether a message was acknowledged.
func (s *Simulation) Acked(message int) bool { return s.load.messages[message].acked }

// Links returns the other ends of a node's links, by index.
func (s *Simulation) Links(i int) []int {
	var all []int
	for _, l := range s.nodes[i].links {
		if l.admitted {
			all = append(all, int(l.link.Carrier.(*simEnd).other.node.index))
		}
	}
	return all
}

var _ link.Carrier = (*simEnd)(nil)
