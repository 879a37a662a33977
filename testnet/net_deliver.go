package testnet

import (
	"context"
	"encoding/binary"
	"runtime"
	"sync"
	"time"

	"github.com/peermesh/peermesh/node"
)

const (
	// trafficPort takes the messages of Deliver. It is the last one that a
	// program can open, so that tests have port 0 and the others for themselves.
	trafficPort = 0xFEFF

	// patience bounds each message of Deliver.
	patience = 30 * time.Second

	// errorsTold is how many errors of one Deliver are told as progress.
	errorsTold = 10

	// numberLen is the length of a message: its number, 8 bytes, big-endian.
	numberLen = 8
)

// Pair is a sender and a receiver, by their indices.
type Pair struct{ From, To int }

// AllPairs returns every ordered pair of two running nodes.
func (n *Net) AllPairs() []Pair {
	running := n.Running()
	pairs := make([]Pair, 0, len(running)*len(running))
	for _, from := range running {
		for _, to := range running {
			if from != to {
				pairs = append(pairs, Pair{from, to})
			}
		}
	}
	return pairs
}

// RandomPairs returns so many random pairs of two running nodes each; none when
// fewer than two run.
func (n *Net) RandomPairs(count int) []Pair {
	running := n.Running()
	return n.pairsOf([2][]int{running, running}, count)
}

// pairsOf returns random pairs of one node of each side, by turns in either
// direction. The sides are the same or have no node in common.
func (n *Net) pairsOf(sides [2][]int, count int) []Pair {
	if len(sides[0]) == 0 || len(sides[1]) == 0 || len(sides[0]) == 1 && sides[0][0] == sides[1][0] {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	pairs := make([]Pair, count)
	for i := range pairs {
		from, to := sides[i%2], sides[1-i%2]
		for pairs[i].From == pairs[i].To {
			pairs[i] = Pair{from[n.rand.IntN(len(from))], to[n.rand.IntN(len(to))]}
		}
	}
	return pairs
}

// atOnce is how many messages of Deliver are on their way at a time: enough to
// keep the processors busy, few enough that none waits long for them.
func atOnce() int { return 2 * runtime.GOMAXPROCS(0) }

// Deliver sends one acknowledged message for each pair, a few at a time and each
// for at most 30 seconds, and reports what became of them. When ctx ends, those
// that are left count as sent and not delivered.
//
// A message counts as first when the transmission that was delivered is the first
// one. On a busy machine a later one, which goes another way, can overtake it: in
// real time the number is a measurement, not a promise.
func (n *Net) Deliver(ctx context.Context, pairs []Pair) Report {
	all := n.all()
	flights := make([]*flight, len(pairs))
	for i, p := range pairs {
		flights[i] = &flight{from: all[p.From], to: all[p.To]}
	}
	n.traffic.add(flights)
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce())
	for _, f := range flights {
		slots <- struct{}{}
		wg.Go(func() {
			n.traffic.send(ctx, f)
			<-slots
		})
	}
	wg.Wait()
	n.traffic.drain(flights)
	n.tellErrors(flights)
	return n.report(flights)
}

// tellErrors tells how the first few messages ended that were not acknowledged.
func (n *Net) tellErrors(flights []*flight) {
	n.traffic.mu.Lock()
	defer n.traffic.mu.Unlock()
	left := errorsTold
	for _, f := range flights {
		if f.err != nil && left > 0 {
			left--
			n.say("message from %s after %v: %v", f.from.node.ID().Short(), f.latency.Round(time.Millisecond), f.err)
		}
	}
}

// traffic is all messages of a Net.
type traffic struct {
	mu      sync.Mutex
	flights []*flight // by the message's number
	strays  int       // arrivals at another node than the message was for, or from another
}

// flight is one message. The traffic's mu guards what changes.
type flight struct {
	number   uint64
	from, to *member
	sent     time.Time
	arrived  time.Duration // the first copy, after sent
	hops     int           // of the first copy
	copies   int           // how often it was delivered
	copy     uint64        // names the transmission that arrived first
	left     uint64        // and the one that left first; 0: none, or the send has not ended
	over     bool          // the send has ended
	err      error         // how it ended; nil when over: acknowledged
	latency  time.Duration // from sent to that end
}

func (t *traffic) add(flights []*flight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range flights {
		f.number = uint64(len(t.flights))
		t.flights = append(t.flights, f)
	}
}

// send sends a message and waits for its ack.
func (t *traffic) send(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	t.mu.Lock()
	f.sent = began
	t.mu.Unlock()
	to := node.Addr{ID: f.to.node.ID(), Port: trafficPort}
	sent, err := f.from.port.SendWithReceipt(ctx, to, binary.BigEndian.AppendUint64(nil, f.number))
	t.mu.Lock()
	defer t.mu.Unlock()
	f.over, f.err, f.latency, f.left = true, err, time.Since(began), sent.First
}

// drain waits until what was acknowledged was handled: an ack means that the
// port's queue has the message. It gives up after a second.
func (t *traffic) drain(flights []*flight) {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	overdue := time.After(time.Second)
	for !t.handled(flights) {
		select {
		case <-look.C:
		case <-overdue:
			return
		}
	}
}

func (t *traffic) handled(flights []*flight) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range flights {
		if f.acked() && f.copies == 0 && !f.to.gone.Load() {
			return false
		}
	}
	return true
}

// receiver takes the messages for one node.
type receiver struct {
	traffic *traffic
	owner   *member
}

// HandleMessage implements node.Handler.
func (r *receiver) HandleMessage(_ context.Context, m *node.Message) {
	r.traffic.take(r.owner, m, time.Now())
}

func (t *traffic) take(at *member, m *node.Message, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.find(m.Data)
	if f == nil || f.to != at || f.from.node.ID() != m.From.ID {
		t.strays++
		return
	}
	if f.copies == 0 {
		f.arrived, f.hops, f.copy = now.Sub(f.sent), m.Hops, m.Transmission
	}
	f.copies++
}

func (t *traffic) find(data []byte) *flight {
	if len(data) != numberLen {
		return nil
	}
	if number := binary.BigEndian.Uint64(data); number < uint64(len(t.flights)) {
		return t.flights[number]
	}
	return nil
}

func (f *flight) acked() bool { return f.over && f.err == nil }

// first says whether the first transmission arrived, see Deliver.
func (f *flight) first() bool {
	return f.over && f.copies > 0 && f.copy == f.left
}
