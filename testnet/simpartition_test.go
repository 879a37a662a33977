package testnet

import (
	"slices"
	"testing"
	"time"
)

// across are nodes on different sides of the cut to come, who have a session.
func across(t *testing.T, s *Simulation, count int) (pairs [][2]int) {
	t.Helper()
	s.Partition(0.4)
	s.parted = false
	for i, a := range s.nodes {
		for j, b := range s.nodes {
			if a.side != b.side {
				pairs = append(pairs, [2]int{i, j})
			}
		}
	}
	s.rand.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	pairs = pairs[:count]
	known := sendAcross(s, pairs)
	s.Advance(5 * time.Second)
	if n := s.ackedOf(known); n != count {
		t.Fatalf("before the cut: got %d of %d acknowledged", n, count)
	}
	return pairs
}

func sendAcross(s *Simulation, pairs [][2]int) (sent []int) {
	for _, p := range pairs {
		sent = append(sent, s.Send(p[0], p[1]))
	}
	return sent
}

func (s *Simulation) ackedOf(messages []int) (n int) {
	for _, m := range messages {
		if s.Acked(m) {
			n++
		}
	}
	return n
}

// Messages that are sent during a cut, which are known to have 45 s, all arrive soon
// after it, and so do those that are sent as it ends.
func TestSimMessagesOutlastACut(t *testing.T) {
	for name, tt := range map[string]struct {
		leaves float64
		cut    time.Duration
		soon   time.Duration // after the cut: the longest ones end links, which have to be made again
	}{
		"links stay":           {0, 2 * time.Second, time.Second},
		"links end":            {0, 20 * time.Second, 4 * time.Second},
		"links of leaves end":  {0.5, 20 * time.Second, 6 * time.Second},
		"links of leaves stay": {0.5, 2 * time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, Options{Nodes: 30, Leaves: tt.leaves, Seed: 77, Patience: 45 * time.Second})
			s.startNodes()
			s.Settle()
			pairs := across(t, s, 60)
			s.parted = true
			var during []int
			for left := tt.cut; left > 0; left -= time.Second {
				during = slices.Concat(during, sendAcross(s, pairs[:10]))
				s.Advance(time.Second)
			}
			if n := s.ackedOf(during); n != 0 {
				t.Fatalf("got %d acknowledged across the cut, want none", n)
			}
			s.Heal()
			after := sendAcross(s, pairs)
			s.Advance(tt.soon)
			if during, after := len(during)-s.ackedOf(during), len(after)-s.ackedOf(after); during+after > 0 {
				t.Errorf("%v after the cut: got %d from within it and %d from its end not acknowledged", tt.soon, during, after)
			}
			fresh := sendAcross(s, pairs)
			s.Advance(time.Second)
			if n := s.ackedOf(fresh); n != len(fresh) {
				t.Errorf("later: got %d of %d acknowledged within a second", n, len(fresh))
			}
			if s.load.duplicates > 0 || s.load.falseAcks > 0 {
				t.Errorf("got %d duplicates and %d false acks, want none", s.load.duplicates, s.load.falseAcks)
			}
		})
	}
}
