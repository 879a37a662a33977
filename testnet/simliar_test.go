package testnet

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// TestSimOfALiar has one relay among 30 that says it is linked with every other
// one, and drops what it is to forward. It joins a mesh that stands, or was there
// when that grew.
func TestSimOfALiar(t *testing.T) {
	for _, late := range []bool{true, false} {
		name := "first"
		if late {
			name = "late"
		}
		t.Run(name, func(t *testing.T) {
			s := newSim(t, Options{Nodes: 30, Seed: 61, MaxPeers: 12})
			var liar *simNode
			if !late {
				liar = s.add(s.draw(), false)
				liar.lies = true
			}
			s.startNodes()
			s.Settle()
			s.Advance(limits.ProvenAfter + time.Minute)
			honest := s.sendMany(t, liar, 120)
			if late {
				liar = s.add(s.draw(), false)
				liar.lies = true
				s.join(liar, s.nodes[0])
			}
			for _, n := range s.alive {
				if n != liar {
					s.Join(int(liar.index), int(n.index))
				}
			}
			s.Settle()
			s.Advance(time.Minute)
			liar.drops = true
			with := s.sendMany(t, liar, 120)
			datagrams := s.datagrams(liar, 600)
			t.Logf("%d links of the liar; honest %+v, with it %+v; %d of 600 datagrams", len(liar.links), honest, with, datagrams)
			if with.acked < 119 || with.mean > 2*honest.mean {
				t.Errorf("got %d of 120 acked, in %v on average; want 119 and at most twice the %v without", with.acked, with.mean, honest.mean)
			}
			want := 594
			if !late { // nothing has told most senders of datagrams anything yet
				want = 560
			}
			if datagrams < want {
				t.Errorf("got %d of 600 datagrams, want %d", datagrams, want)
			}
		})
	}
}

// sends are messages that were sent one after the other.
type sends struct {
	acked, first int
	mean         time.Duration
}

// sendMany sends messages between random nodes other than one.
func (s *Simulation) sendMany(t *testing.T, but *simNode, count int) (r sends) {
	t.Helper()
	var total time.Duration
	for range count {
		from, to := s.pairBut(but)
		i := s.Send(int(from.index), int(to.index))
		for end := s.Now() + 30*time.Second; !s.Acked(i) && s.Now() < end; {
			s.Advance(10 * time.Millisecond)
		}
		m := s.load.messages[i]
		if m.acked {
			r.acked++
		}
		if m.copies == 1 {
			r.first++
		}
		total += m.took
	}
	r.mean = total / time.Duration(count)
	return r
}

func (s *Simulation) pairBut(but *simNode) (from, to *simNode) {
	from = s.random(func(n *simNode) bool { return n != but })
	to = s.random(func(n *simNode) bool { return n != but && n != from })
	return from, to
}

// datagrams sends datagrams between random nodes other than one and returns how
// many arrived.
func (s *Simulation) datagrams(but *simNode, count int) int {
	before := s.load.datagrams
	for range count {
		from, to := s.pairBut(but)
		if err := from.sessions.Datagram(s.time(), wire.ID(to.id), 0, 0, wire.ClassBulk, nil); err != nil {
			continue
		}
		s.drain()
		s.Advance(10 * time.Millisecond)
	}
	s.Advance(5 * time.Second)
	return s.load.datagrams - before
}
