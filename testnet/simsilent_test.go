package testnet

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
)

// flow is a stream of datagrams from one node to another, each answered with one
// if it is an echo.
type flow struct {
	sim      *Simulation
	from, to *simNode
	every    time.Duration
	echo     bool
	end      time.Duration
	there    []*simMessage
	back     []*simMessage
}

func (f *flow) happen(s *Simulation, kind simKind) {
	m := f.datagram(f.from, f.to)
	if m != nil {
		f.there = append(f.there, m)
		if f.echo {
			m.answer = func() {
				if b := f.datagram(f.to, f.from); b != nil {
					f.back = append(f.back, b)
				}
			}
		}
	}
	if s.now < f.end {
		s.heap.push(s.now+f.every, f, kind)
	}
}

func (f *flow) datagram(from, to *simNode) *simMessage {
	m := f.sim.load.add()
	m.from, m.to, m.began = from, to, f.sim.now
	data := binary.BigEndian.AppendUint64(nil, uint64(m.number))
	frame, ok := from.sessions.AppendDatagram(nil, f.sim.time(), wire.ID(to.id), 0, 0, wire.ClassBulk, data)
	if ok {
		from.emit(frame, session.Choice{Via: from.sessions.Via(f.sim.time(), (*wire.ID)(&to.id))})
	}
	return m
}

// gap is the longest time in which nothing arrived that was sent.
func gap(all []*simMessage) (longest time.Duration) {
	var last time.Duration
	arrived := make([]time.Duration, 0, len(all))
	for _, m := range all {
		if m.delivered {
			arrived = append(arrived, m.arrived)
		}
	}
	slices.Sort(arrived)
	for _, at := range arrived {
		if last > 0 {
			longest = max(longest, at-last)
		}
		last = at
	}
	return longest
}

// begin starts a flow between nodes that have a session.
func begin(t *testing.T, s *Simulation, from, to *simNode, every time.Duration, echo bool, d time.Duration) *flow {
	t.Helper()
	for _, pair := range [][2]*simNode{{from, to}, {to, from}} {
		m := s.Send(int(pair[0].index), int(pair[1].index))
		s.Advance(2 * time.Second)
		if !s.Acked(m) {
			t.Fatal("got no ack of a message")
		}
	}
	f := &flow{sim: s, from: from, to: to, every: every, echo: echo, end: s.now + d}
	s.heap.push(s.now, f, 0)
	return f
}

// neighbour is the node at the other end of the link of n on which most frames
// came, or went, of late.
func (s *Simulation) neighbour(n *simNode, came bool) *simNode {
	count := func(l *simLink) uint64 {
		if came {
			return l.link.Stats().RxFrames
		}
		return l.link.Stats().TxFrames
	}
	before := make(map[*simLink]uint64)
	for _, l := range n.links {
		before[l] = count(l)
	}
	s.Advance(time.Second)
	var best *simLink
	for _, l := range n.links {
		if best == nil || count(l)-before[l] > count(best)-before[best] {
			best = l
		}
	}
	return best.link.Carrier.(*simEnd).other.node
}

// The relay in use stops: datagrams go another way within a second, whichever
// relay it is, and when it goes on nothing arrives twice.
func TestSimSilentRelay(t *testing.T) {
	for _, mesh := range []struct {
		name string
		o    Options
	}{
		{"three relays", Options{Nodes: 3, Seed: 1}},
		{"a mesh", Options{Nodes: 40, Leaves: .3, Seed: 5}},
	} {
		for _, stop := range []string{"first hop", "last hop"} {
			for _, rate := range []int{50, 1000} {
				for _, echo := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s/%d per s/echo %v", mesh.name, stop, rate, echo), func(t *testing.T) {
						for trial := range uint64(2 - rate/1000) {
							o := mesh.o
							o.Seed += trial
							s := newSim(t, o)
							s.Run()
							a, b := s.nodes[s.Add(true)], s.nodes[s.Add(true)]
							s.Settle()
							s.Advance(5 * time.Second)
							f := begin(t, s, a, b, time.Second/time.Duration(rate), echo, 9*time.Second)
							s.Advance(2 * time.Second)
							used := s.neighbour(a, false)
							if stop == "last hop" {
								used = s.neighbour(b, true)
							}
							s.Freeze(int(used.index))
							s.Advance(5 * time.Second)
							s.Thaw(int(used.index))
							s.Advance(3 * time.Second)
							longest := gap(f.there)
							back := gap(f.back)
							t.Logf("gap %v, back %v, %d duplicates", longest, back, s.load.duplicates)
							if longest > time.Second || back > time.Second || s.load.duplicates > 0 {
								t.Errorf("trial %d: got a gap of %v, back of %v, and %d duplicates; want 1 s at most, and none", trial, longest, back, s.load.duplicates)
							}
						}
					})
				}
			}
		}
	}
}
