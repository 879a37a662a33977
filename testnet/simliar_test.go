package testnet

import (
	"fmt"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// TestSimOfALiar has one relay among 30 that says it is linked with every other
// one, and drops what it is to forward. It joins a mesh that stands, or was there
// when that grew. It takes links as Sybils do: where relays have few places it gets
// most of them, since proven links make no room; else all. It asks until it has them:
// how often depends on the seed.
func TestSimOfALiar(t *testing.T) {
	for _, c := range []struct {
		places, links int // of each relay; of the liar, at least
		late          bool
		datagrams     int // of 600, at least
	}{
		{12, 26, true, 594},
		{12, 26, false, 570}, // nothing has told most senders of datagrams anything yet
		{18, 28, true, 594},
		{18, 28, false, 570},
	} {
		name := fmt.Sprintf("first, %d places", c.places)
		if c.late {
			name = fmt.Sprintf("late, %d places", c.places)
		}
		t.Run(name, func(t *testing.T) {
			s := newSim(t, Options{Nodes: 30, Seed: 61, MaxPeers: c.places})
			g := siege{sim: s}
			var liar *simNode
			if !c.late {
				liar = s.liar()
			}
			s.startNodes()
			s.Settle()
			s.Advance(limits.ProvenAfter + time.Minute)
			honest := s.sendMany(t, liar, 120)
			if c.late {
				liar = s.liar()
			}
			for tries := 0; len(liar.links) < c.links && tries < 30; tries++ { // a place may be taken for a while
				g.storm(liar)
				s.Settle()
				s.Advance(time.Minute)
			}
			if len(liar.links) < c.links {
				t.Errorf("got %d links of the liar with 30 relays, want %d", len(liar.links), c.links)
			}
			liar.drops = true
			links := len(liar.links)
			with := s.sendMany(t, liar, 120)
			datagrams := s.datagrams(liar, 600)
			t.Logf("%d links of the liar; honest %+v, with it %+v; %d of 600 datagrams", links, honest, with, datagrams)
			if with.acked < 119 || with.mean > 2*honest.mean {
				t.Errorf("got %d of 120 acked, in %v on average; want 119 and at most twice the %v without", with.acked, with.mean, honest.mean)
			}
			if datagrams < c.datagrams {
				t.Errorf("got %d of 600 datagrams, want %d", datagrams, c.datagrams)
			}
		})
	}
}

// liar starts a relay that lies about its links and says that it needs each.
func (s *Simulation) liar() *simNode {
	n := s.prepare(s.draw(), false, false)
	n.lies, n.needy, n.cap = true, true, sybilLinks
	s.run(n)
	return n
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
