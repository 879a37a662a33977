package testnet

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/line"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/tcpsim"
)

// Rates in bytes/s.
const (
	kbit = 125
	mbit = 1_000 * kbit
)

// lineLab is a chain of relays with leaves: senders at its beginning, a receiver at
// its end. All links but those with a line of their own have a latency of 2 ms.
type lineLab struct {
	*Simulation
	relays   []int
	senders  []int
	receiver int
	began    time.Duration // when the load began
	flows    []*lineFlow
}

// lineLatency is that of links without a line.
const lineLatency = 2 * time.Millisecond

// newLineLab starts relays in a row and leaves: each sender at a relay, by number,
// the receiver at the last. lines are given before anybody links.
func newLineLab(t testing.TB, o Options, relays int, senders []int, lines func(*lineLab)) *lineLab {
	t.Helper()
	o.LatencyMin, o.LatencyMax, o.Homes = lineLatency, lineLatency, 1
	s, err := Sim(o)
	if err != nil {
		t.Fatal(err)
	}
	lab := &lineLab{Simulation: s}
	for i := range relays {
		lab.relays = append(lab.relays, i)
	}
	for i := range senders {
		lab.senders = append(lab.senders, relays+i)
	}
	lab.receiver = relays + len(senders)
	if lines != nil {
		lines(lab)
	}
	for i := range relays {
		s.add(s.draw(), false)
		if i > 0 {
			s.Join(i, i-1)
		}
		s.Advance(startPace)
	}
	for i, relay := range append(slices.Clone(senders), relays-1) {
		s.add(s.draw(), true)
		s.Join(relays+i, relay)
		s.Advance(startPace)
	}
	s.Settle()
	for i := relays; i <= lab.receiver; i++ { // a dial may take long, and nobody waits for one that has no link yet
		for end := s.now + 10*time.Second; len(s.Links(i)) == 0 && s.now < end; {
			s.Advance(settleLook)
		}
	}
	lab.greet(t)
	return lab
}

// greet lets sessions stand, so that the load finds a network at rest.
func (lab *lineLab) greet(t testing.TB) {
	t.Helper()
	for _, from := range lab.senders {
		m := lab.Send(from, lab.receiver)
		for end := lab.now + 30*time.Second; !lab.Acked(m) && lab.now < end; {
			lab.Advance(100 * time.Millisecond)
		}
		if !lab.Acked(m) {
			t.Fatalf("node %d cannot reach the receiver", from)
		}
	}
	lab.Advance(5 * time.Second)
	lab.began = lab.now
}

// duplexLine gives two nodes the same line both ways.
func (lab *lineLab) duplexLine(a, b int, l Line) {
	lab.SetLine(a, b, l)
	lab.SetLine(b, a, l)
}

// lineFlow is a sender of messages to the receiver.
type lineFlow struct {
	lab      *lineLab
	from     *simNode
	to       int // 0: the receiver
	size     int
	every    time.Duration // between two messages, on average; 0: as many as window are always under way
	window   int
	most     int // messages; 0: no bound
	deadline time.Duration
	start    time.Duration // after the load began
	end      time.Duration // the same
	messages []*simMessage
	unknown  int
	failed   int // undelivered
}

// flow adds a flow; run lets it go.
func (lab *lineLab) flow(f lineFlow) *lineFlow {
	f.lab = lab
	flow := &f
	lab.flows = append(lab.flows, flow)
	return flow
}

// run lets the flows go and waits until all messages are over.
func (lab *lineLab) run() {
	for _, f := range lab.flows {
		early := time.Duration(lab.rand.Int64N(int64(10 * time.Millisecond)))
		lab.heap.push(lab.began+f.start+early, f, 0)
	}
	last := time.Duration(0)
	for _, f := range lab.flows {
		last = max(last, f.end)
	}
	lab.Advance(lab.began + last - lab.now)
	for lab.load.open > 0 {
		lab.Advance(100 * time.Millisecond)
	}
}

// happen sends the next message, or the first ones.
func (f *lineFlow) happen(s *Simulation, _ simKind) {
	if s.now-f.lab.began >= f.end || f.most > 0 && len(f.messages) == f.most {
		return
	}
	if f.every > 0 {
		f.send()
		s.heap.push(s.now+f.every/2+time.Duration(s.rand.Int64N(int64(f.every))), f, 0)
		return
	}
	for range f.window {
		f.send()
	}
}

func (f *lineFlow) send() {
	m := f.lab.load.add()
	m.size, m.patience = f.size, f.deadline
	m.result = func(r session.Result) {
		switch {
		case r.Err == nil || m.delivered:
		case r.Outcome == session.Undelivered:
			f.failed++
		default:
			f.unknown++
		}
		if f.every == 0 && f.lab.now-f.lab.began < f.end {
			f.lab.heap.push(f.lab.now, lineAgain{f}, 0)
		}
	}
	f.messages = append(f.messages, m)
	to := f.to
	if to == 0 {
		to = f.lab.receiver
	}
	m.send(f.from, f.lab.nodes[to])
}

// lineAgain sends one more message of a flow that has a window.
type lineAgain struct{ *lineFlow }

func (a lineAgain) happen(*Simulation, simKind) { a.send() }

// arrived is how many messages were delivered in time.
func (f *lineFlow) arrived() (n int) {
	for _, m := range f.messages {
		if m.delivered && (f.deadline == 0 || m.arrived-m.began <= f.deadline) {
			n++
		}
	}
	return n
}

// delays of the delivered messages, from Send to the port, in order.
func (f *lineFlow) delays() (all []time.Duration) {
	for _, m := range f.messages {
		if m.delivered {
			all = append(all, m.arrived-m.began)
		}
	}
	slices.Sort(all)
	return all
}

// delay at a rank, such as 0.99; messages that were not delivered count as endless.
func (f *lineFlow) delay(rank float64) float64 {
	all := f.delays()
	i := int(math.Ceil(rank*float64(len(f.messages)))) - 1
	if i < 0 || i >= len(all) {
		return math.Inf(1)
	}
	return milliseconds(all[i])
}

// delayOfDelivered is the same of those alone that were delivered.
func (f *lineFlow) delayOfDelivered(rank float64) float64 {
	all := f.delays()
	if len(all) == 0 {
		return math.Inf(1)
	}
	return milliseconds(all[int(math.Ceil(rank*float64(len(all))))-1])
}

// goodput is bytes/s that were delivered in time from one moment of the load to
// another.
func (f *lineFlow) goodput(from, to time.Duration) float64 {
	bytes := 0
	for _, m := range f.messages {
		at := m.arrived - f.lab.began
		if m.delivered && at >= from && at < to && (f.deadline == 0 || m.arrived-m.began <= f.deadline) {
			bytes += f.size
		}
	}
	return float64(bytes) / (to - from).Seconds()
}

// wire is how many bytes a line sent from now on for each that was delivered.
func (lab *lineLab) wireFrom(from, to int) func() float64 {
	before := lab.LineStats(from, to).Sent
	return func() float64 {
		delivered := 0
		for _, f := range lab.flows {
			for _, m := range f.messages {
				if m.delivered {
					delivered += f.size
				}
			}
		}
		return float64(lab.LineStats(from, to).Sent-before) / float64(delivered)
	}
}

// duplicates is the share of copies that were refused as such.
func (lab *lineLab) duplicates() float64 {
	sent := 0
	for _, m := range lab.load.messages {
		sent += m.copies
	}
	return float64(lab.drops.Get(reason.Duplicate)) / float64(max(sent, 1))
}

// jain is the fairness of some shares, from 1/n to 1.
func jain(shares []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, x := range shares {
		sum += x
		squares += x * x
	}
	return sum * sum / float64(len(shares)) / squares
}

// bareTCP is a TCP connection that always has something to send, on the lines by
// which one node sends to another.
type bareTCP struct {
	from    *tcpsim.End
	arrived int
}

func (lab *lineLab) bareTCP(from, to int, cfg tcpsim.Config) *bareTCP {
	return bareOn(simClock{lab.Simulation},
		&tcpsim.Path{Lines: []*line.Line{lab.lines.links[[2]int32{int32(from), int32(to)}]}},
		&tcpsim.Path{Lines: []*line.Line{lab.lines.links[[2]int32{int32(to), int32(from)}]}}, cfg)
}

func bareOn(clock tcpsim.Clock, there, back *tcpsim.Path, cfg tcpsim.Config) *bareTCP {
	b := &bareTCP{}
	from, to := tcpsim.Connect(clock, there, back, cfg, cfg)
	to.Arrived = func(m any) { b.arrived += m.(int) }
	from.Room = func() {
		for !from.Full() {
			from.Write(16_000, 16_000)
		}
	}
	b.from = from
	from.Room()
	return b
}

// bareShare is what the carrier of a lab moves bare: bytes/s over one line and
// back, from one moment to another, the mean of some runs.
func bareShare(t testing.TB, l Line, control tcpsim.Algorithm, runs int, from, to time.Duration) (mean float64) {
	t.Helper()
	for run := range uint64(runs) {
		s, err := Sim(Options{Seed: run})
		if err != nil {
			t.Fatal(err)
		}
		there, back := line.New(l.config(), rand.New(rand.NewPCG(run, 1))), line.New(l.config(), rand.New(rand.NewPCG(run, 2)))
		b := bareOn(simClock{s}, &tcpsim.Path{Lines: []*line.Line{there}}, &tcpsim.Path{Lines: []*line.Line{back}}, tcpsim.Config{Control: control})
		s.Advance(from)
		before := b.arrived
		s.Advance(to - from)
		mean += float64(b.arrived-before) / (to - from).Seconds() / float64(runs)
	}
	return mean
}

// figure is what a scenario measured.
type figure struct {
	name  string
	value float64
}

func (f figure) String() string { return fmt.Sprintf("%s %.4g", f.name, f.value) }
