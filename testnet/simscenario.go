package testnet

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

// The pace of a scenario, in virtual time.
const (
	startPace  = 50 * time.Millisecond // between two starts
	startAll   = 300 * time.Second     // the most that all starts take
	settleMost = 60 * time.Second      // a network has settled so long after the last start at the latest
	settleLook = 250 * time.Millisecond
	loadPace   = 10 * time.Millisecond // between two messages
	loadMost   = 60 * time.Second      // the most that all messages are spread over
	matureAge  = 30 * time.Second      // of the ends of a message while nodes come and go

	messagePatience = 30 * time.Second // how long a message may take to be acknowledged
	sybilPace       = 20 * time.Millisecond
	overtimeLook    = 100 * time.Millisecond
)

// forSim returns the options of a simulation with the defaults in their place,
// or all their mistakes.
func (o Options) forSim() (Options, error) {
	for _, d := range []struct {
		field *int
		value int
	}{{&o.Nodes, 50}, {&o.Homes, limits.LeafHomes}, {&o.MaxPeers, limits.RelayLinks}, {&o.MaxLeaves, limits.LeafLinksPort}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.LatencyMin == 0 && o.LatencyMax == 0 {
		o.LatencyMin, o.LatencyMax = 20*time.Millisecond, 80*time.Millisecond
	}
	if o.Patience == 0 {
		o.Patience = messagePatience
	}
	return o, errors.Join(o.checkCounts(), o.checkShares(), o.checkVirtual(), o.Line.check())
}

// checkVirtual looks at what only a simulation can do.
func (o *Options) checkVirtual() error {
	var errs []error
	if o.LatencyMin <= 0 || o.LatencyMax < o.LatencyMin {
		errs = append(errs, fmt.Errorf("options: latencies are %v to %v: give two above zero, the lower one first", o.LatencyMin, o.LatencyMax))
	}
	if !(o.Loss >= 0 && o.Loss < 1) {
		errs = append(errs, fmt.Errorf("options: Loss is %v: give a share from 0 to less than 1", o.Loss))
	}
	if o.Session < 0 || o.Patience < 0 {
		errs = append(errs, fmt.Errorf("options: Session is %v and Patience %v: give no time below zero", o.Session, o.Patience))
	}
	for _, c := range []struct {
		field string
		got   int
	}{{"Sybils", o.Sybils}, {"MaxWebRTC", o.MaxWebRTC}} {
		if c.got < 0 {
			errs = append(errs, fmt.Errorf("options: %s is %d: give no number below zero", c.field, c.got))
		}
	}
	return errors.Join(errs...)
}

// Run does all that the Options describe, and reports.
func (s *Simulation) Run() Report {
	s.startNodes()
	s.Settle()
	s.perNode = s.bytesPerNode()
	if s.opts.Session > 0 {
		s.beginChurn()
	}
	s.killShare()
	s.partition()
	s.addSybils()
	s.Advance(s.opts.Duration)
	s.sendAll()
	return s.Report()
}

func (s *Simulation) tell(format string, args ...any) {
	if s.opts.Progress != nil {
		fmt.Fprintf(s.opts.Progress, "%8.1f s  %s\n", s.now.Seconds(), fmt.Sprintf(format, args...))
	}
}

// startNodes starts one node after the other. The leaves are spread evenly
// among them, and among the relays those without a URL; the first is neither.
func (s *Simulation) startNodes() {
	s.tell("starting %d nodes", s.opts.Nodes)
	pace := min(startPace, startAll/time.Duration(max(s.opts.Nodes, 1)))
	relays := 0
	for i := range s.opts.Nodes {
		leaf := i > 0 && due(s.opts.Leaves, i)
		s.start(leaf, !leaf && relays > 0 && due(s.opts.NoURL, relays))
		if !leaf {
			relays++
		}
		s.Advance(pace)
		if (i+1)%1_000 == 0 {
			s.tell("%d nodes started", i+1)
		}
	}
}

// due says whether number i, from 0, is one of those that a share means.
func due(share float64, i int) bool {
	return math.Floor(float64(i+1)*share) > math.Floor(float64(i)*share)
}

// Settle lets virtual time pass until every node has found its place, for at
// most a minute.
func (s *Simulation) Settle() {
	for end := s.now + settleMost; s.now < end && !s.allSettled(); {
		s.Advance(settleLook)
	}
	took := s.now - s.lastStart
	if s.settledAt == 0 {
		s.settledAt, s.settled, s.settling = s.now, s.counts, took
	}
	s.tell("settled %.1f s after the last start", took.Seconds())
}

func (s *Simulation) allSettled() bool {
	for _, n := range s.alive {
		if !n.engine.Settled() {
			return false
		}
	}
	return true
}

// beginChurn gives each running node, and each that comes, the rest of its life.
func (s *Simulation) beginChurn() {
	s.churn = true
	for _, n := range s.alive {
		s.expire(n)
	}
}

func (s *Simulation) expire(n *simNode) {
	life := time.Duration(s.rand.ExpFloat64() * float64(s.opts.Session))
	s.heap.push(s.now+life, n, nodeExpire)
}

// expired ends a node whose life is over and starts another one. Sybils and
// their victim stay.
func (s *Simulation) expired(n *simNode) {
	if n.sybil || n == s.victim {
		return
	}
	s.end(n, s.rand.Float64() < s.opts.Silent)
	s.start(n.leaf, n.noURL)
}

// killShare kills what Options.Kill says.
func (s *Simulation) killShare() {
	dead := s.sample(s.opts.Kill)
	silent := int(math.Round(s.opts.Silent * float64(len(dead))))
	for i, n := range dead {
		s.end(n, i < silent)
	}
	s.drain()
	if len(dead) > 0 {
		s.tell("%d nodes killed, %d of them silently", len(dead), silent)
	}
}

// partition cuts the network in two for a while.
func (s *Simulation) partition() {
	if s.opts.Partition == 0 {
		return
	}
	s.Partition(s.opts.Partition)
	s.tell("cut in two")
	s.Advance(s.opts.Cut)
	s.Heal()
	s.tell("healed")
}

// addSybils grinds the IDs of nodes that join next to a victim.
func (s *Simulation) addSybils() {
	if s.opts.Sybils == 0 {
		return
	}
	s.Advance(limits.ProvenAfter) // by now the links stand
	s.victim = s.randomRelay(nil)
	for i := range s.opts.Sybils {
		if i > 0 && i%500 == 0 {
			s.tell("%d Sybils joined", i)
		}
		n := s.add(s.grind(s.victim.id.Key()), false)
		n.sybil = true
		s.join(n, s.randomRelay(n))
		s.Advance(sybilPace)
	}
	s.tell("%d Sybils joined next to node %d", s.opts.Sybils, s.victim.index)
	s.Settle()
}

// sendAll sends the messages and waits until all are over.
func (s *Simulation) sendAll() {
	if s.opts.Messages == 0 {
		return
	}
	s.load.counting = true
	spread := min(loadMost, loadPace*time.Duration(s.opts.Messages))
	if s.churn {
		spread = loadMost
	}
	for i := range s.opts.Messages {
		s.heap.push(s.now+spread*time.Duration(i)/time.Duration(s.opts.Messages), s.load.add(), messageStart)
	}
	for s.load.open > 0 {
		s.Advance(overtimeLook)
	}
	s.tell("%d messages are over", s.opts.Messages)
}

// pair is who sends to whom: random nodes, of the leaves when there are any,
// across the cut when there was one, to the victim when there is one.
func (s *Simulation) pair() (from, to *simNode, ok bool) {
	leaves := s.opts.Leaves > 0
	fits := func(n *simNode) bool {
		return !n.sybil && !n.leaving && (!leaves || n.leaf) && (!s.churn || s.now-n.started >= matureAge)
	}
	from = s.random(func(n *simNode) bool { return fits(n) && n != s.victim })
	switch {
	case s.victim != nil || from == nil:
		to = s.victim
	case s.opts.Nearest:
		to = s.nearest(from, fits)
	default:
		across := s.opts.Partition > 0
		to = s.random(func(n *simNode) bool { return fits(n) && n != from && (!across || n.side != from.side) })
	}
	return from, to, from != nil && to != nil
}

// nearest is the running node other than n that fits and whose Key is nearest
// that of n, nil when there is none.
func (s *Simulation) nearest(n *simNode, fits func(*simNode) bool) (near *simNode) {
	own, best := n.id.Key(), routing.Key{}
	for _, o := range s.alive {
		if o == n || !fits(o) {
			continue
		}
		if key := o.id.Key(); near == nil || routing.Closer(key, best, own) {
			near, best = o, key
		}
	}
	return near
}
