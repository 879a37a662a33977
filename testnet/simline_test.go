package testnet

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// within lets time pass until a message is acknowledged, and says how long it took.
func (s *Simulation) within(t *testing.T, from, to int, most time.Duration) time.Duration {
	t.Helper()
	m := s.Send(from, to)
	for end := s.now + most; s.now < end && !s.Acked(m); {
		s.Advance(time.Millisecond)
	}
	if !s.Acked(m) {
		t.Fatalf("got no ack from %d within %v, want one", to, most)
	}
	return s.load.messages[m].took
}

// A line with a delay takes the place of the latency, in its direction alone.
func TestSimLineHasItsOwnDelay(t *testing.T) {
	lab := newLineLab(t, Options{Seed: 1}, 1, []int{0}, func(lab *lineLab) {
		lab.SetLine(0, 2, Line{Delay: 300 * time.Millisecond})
	})
	if took, want := lab.within(t, 1, 2, time.Second), 300*time.Millisecond+3*lineLatency; took < want || took > want+5*time.Millisecond {
		t.Errorf("got an ack after %v, want %v", took, want)
	}
	lab.SetLine(0, 2, Line{Delay: 10 * time.Millisecond})
	if took := lab.within(t, 1, 2, time.Second); took > 25*time.Millisecond {
		t.Errorf("after a change: got an ack after %v, want 16ms", took)
	}
}

// All links of a node share its lines; up and down are two.
func TestSimNodeLinesAreShared(t *testing.T) {
	for _, c := range []struct {
		name     string
		up, down Line
		least    float64
		most     float64
	}{
		{"narrow down", Line{}, Line{Rate: mbit, Buffer: 50}, .8, 1},
		{"narrow up", Line{Rate: mbit, Buffer: 50}, Line{}, 1.5, 100}, // acks alone
	} {
		t.Run(c.name, func(t *testing.T) {
			lab := newLineLab(t, Options{Seed: 1}, 2, []int{0, 1}, func(lab *lineLab) {
				lab.SetNodeLines(lab.receiver, c.up, c.down)
			})
			for _, from := range lab.senders {
				lab.flow(lineFlow{from: lab.nodes[from], size: 4_000, window: 32, deadline: 20 * time.Second, end: 6 * time.Second})
			}
			lab.run()
			sum := 0.0
			for _, f := range lab.flows {
				sum += f.goodput(time.Second, 6*time.Second) / mbit
			}
			if sum < c.least || sum > c.most {
				t.Errorf("got %.2f of the line for both, want %.2f to %.2f", sum, c.least, c.most)
			}
		})
	}
}

// A cut loses what is on its way on a line; TCP brings it again.
func TestSimLineSitsACutThrough(t *testing.T) {
	lab := newLineLab(t, Options{Seed: 1}, 1, []int{0}, func(lab *lineLab) { lab.duplexLine(0, 2, slowLine) })
	lab.CutOneWay(0, 2)
	m := lab.Send(1, 2)
	lab.Advance(2 * time.Second)
	if lab.Acked(m) {
		t.Fatal("got an ack over a cut, want none")
	}
	lab.Heal()
	lab.Advance(5 * time.Second)
	if !lab.Acked(m) {
		t.Error("got no ack after the cut, want one")
	}
}

// The reader of a link waits for room as a real node's does, and what comes behind
// keeps its order and its memory. The first windows of 24 senders, which one link
// brings, are more than the queue has room for.
func TestSimReaderWaitsForRoom(t *testing.T) {
	lab := newLineLab(t, Options{Seed: 1}, 2, make([]int, 24), func(lab *lineLab) {
		lab.duplexLine(1, lab.receiver, Line{Rate: 64 * kbit, Delay: 20 * time.Millisecond, Buffer: 50})
	})
	for _, from := range lab.senders {
		lab.flow(lineFlow{from: lab.nodes[from], size: 15_000, window: 40, deadline: 10 * time.Second, end: 3 * time.Second})
	}
	waited, longest := 0, time.Duration(0)
	var since time.Duration
	lab.watch(lab.began+3*time.Second, func() {
		waits := false
		for _, l := range lab.nodes[1].links {
			waits = waits || l.wait != nil
		}
		switch {
		case waits && since == 0:
			since = lab.now
			waited++
		case !waits && since > 0:
			longest = max(longest, lab.now-since)
			since = 0
		}
	})
	lab.run()
	t.Logf("%d waits, the longest of %v", waited, longest)
	if waited == 0 {
		t.Error("got no reader that waited, want some: the queue was full")
	}
	if longest > limits.TransitWait*4 {
		t.Errorf("got a wait of %v, want %v for each frame that finds no room", longest, limits.TransitWait)
	}
}

// watch calls f each millisecond until a moment.
func (lab *lineLab) watch(until time.Duration, f func()) {
	var again lineCall
	again = func() {
		f()
		if lab.now < until {
			lab.heap.push(lab.now+time.Millisecond, again, 0)
		}
	}
	lab.heap.push(lab.now+time.Millisecond, again, 0)
}

// A node that dies takes its connections with it, and one that dies silently is
// found out.
func TestSimLinesOfTheDead(t *testing.T) {
	for _, silent := range []bool{false, true} {
		s := star(t, 4, Options{Seed: 4, Line: Line{Rate: mbit, Delay: 10 * time.Millisecond, Buffer: 50}})
		s.Kill(2, silent)
		s.Advance(20 * time.Second)
		for i := range 2 {
			for _, peer := range s.Links(i) {
				if peer == 2 {
					t.Errorf("silent %v: node %d got a link with the dead one, want none", silent, i)
				}
			}
		}
		s.within(t, 1, 3, time.Second)
	}
}

func TestSimWithLinesIsTheSameForTheSameSeed(t *testing.T) {
	run := func(seed uint64) string {
		o := Options{
			Nodes: 20, Leaves: .3, Seed: seed, Messages: 50, Kill: .1, Silent: .5,
			Line: Line{Rate: 10 * mbit, Delay: 20 * time.Millisecond, Jitter: 3 * time.Millisecond, Buffer: 30, Loss: .005},
		}
		r := newSim(t, o).Run()
		wantClean(t, r)
		if r.Delivered < r.Sent*9/10 {
			t.Errorf("got %d of %d delivered, want nearly all", r.Delivered, r.Sent)
		}
		return r.TraceHash
	}
	first := run(7)
	if again := run(7); again != first {
		t.Errorf("seed 7: got trace %s at first and %s again, want the same", first, again)
	}
	if other := run(8); other == first {
		t.Errorf("seeds 7 and 8: got trace %s for both, want two", first)
	}
}

func TestSimRefusesWrongLines(t *testing.T) {
	for _, l := range []Line{{Rate: -1}, {Loss: 1}, {Rate: 1, Buffer: -1}, {Rates: []RateFor{{time.Second, 0}}}} {
		if _, err := Sim(Options{Line: l}); err == nil {
			t.Errorf("%+v: got no error, want one", l)
		}
	}
}
