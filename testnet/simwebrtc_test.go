package testnet

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
)

// carried are the links of a node over WebRTC.
func carried(n *simNode) (list []*simLink) {
	for _, l := range n.links {
		if l.admitted && l.link.Carrier.(*simEnd).webRTC {
			list = append(list, l)
		}
	}
	return list
}

// Four of five relays cannot be dialled but over WebRTC: the network finds
// together all the same, within the caps, and everybody is reached at once.
func TestSimOfNodesWithoutURLs(t *testing.T) {
	s := newSim(t, Options{Nodes: 200, NoURL: .8, MaxWebRTC: 32, Seed: 1, Messages: 500})
	r := s.Run()
	wantClean(t, r)
	if r.First != 500 {
		t.Errorf("got %d of 500 messages by their first transmission, want all", r.First)
	}
	sum := 0
	for _, n := range s.alive {
		sum += len(carried(n))
	}
	if mean := float64(sum) / 200; mean < 5 || mean > 24 {
		t.Errorf("got %.1f links over WebRTC of each node, want 5 to 24", mean)
	}
}

// A low cap is for what forwarding needs; the nodes with URLs do the rest.
func TestSimOfFewLinksOverWebRTC(t *testing.T) {
	s := newSim(t, Options{Nodes: 100, NoURL: .7, MaxWebRTC: 12, Seed: 2, Messages: 300, Duration: time.Minute})
	r := s.Run()
	wantClean(t, r)
	if r.First < 297 {
		t.Errorf("got %d of 300 messages by their first transmission, want 99 %%", r.First)
	}
}

// chatter sends so many messages a second from one node to another, and counts.
type chatter struct {
	sim               *Simulation
	from, to          *simNode
	left              int
	pause             time.Duration
	sent, acked, lost int
	slowest           time.Duration
}

func (c *chatter) happen(s *Simulation, kind simKind) {
	began := s.now
	m := s.load.add()
	m.from, m.to, m.began = c.from, c.to, began
	_, err := c.from.sessions.Send(s.time(), session.Message{
		To: wire.ID(c.to.id), Kind: wire.PlainMessage, Patient: true, Data: binary.BigEndian.AppendUint64(nil, uint64(m.number)),
	}, func(r session.Result) {
		m.done(r)
		if r.Err != nil {
			c.lost++
			return
		}
		c.acked++
		c.slowest = max(c.slowest, s.now-began)
	})
	if err != nil {
		c.lost++
	}
	c.sent++
	if c.left--; c.left > 0 {
		s.heap.push(s.now+c.pause, c, kind)
	}
}

// chat lets two nodes of s exchange 250 messages a second for so long.
func chat(s *Simulation, from, to *simNode, d time.Duration) *chatter {
	c := &chatter{sim: s, from: from, to: to, pause: 4 * time.Millisecond, left: int(d / (4 * time.Millisecond))}
	s.heap.push(s.now, c, 0)
	return c
}

// farApart are two nodes of a settled network without a link.
func farApart(s *Simulation, fits func(*simNode) bool) (a, b *simNode) {
	for _, a := range s.alive {
		for _, b := range s.alive {
			if a != b && fits(a) && fits(b) && !slices.Contains(s.Links(int(a.index)), int(b.index)) {
				return a, b
			}
		}
	}
	return nil, nil
}

func directLink(a, b *simNode) *simLink {
	for _, l := range a.links {
		if l.link.Peer == wire.ID(b.id) && l.direct {
			return l
		}
	}
	return nil
}

// Two leaves that talk much get a link of their own, and go on without a loss
// when it falls silent.
func TestSimHotPair(t *testing.T) {
	s := newSim(t, Options{Nodes: 30, Leaves: .5, MaxWebRTC: 8, Seed: 3})
	s.Run()
	a, b := farApart(s, func(n *simNode) bool { return n.leaf })
	c := chat(s, a, b, 30*time.Second)
	s.Advance((limits.HotSeconds + limits.HotYield + 3) * time.Second)
	l := directLink(a, b)
	if l == nil || directLink(b, a) == nil {
		t.Fatal("got no direct link of a pair that talks, want one")
	}
	if homes := len(a.engine.Homes()); homes != limits.LeafHomes || slices.Contains(a.engine.Homes(), wire.ID(b.id)) {
		t.Errorf("got %d homes, want the %d that were, without the pair's other end", homes, limits.LeafHomes)
	}
	sent := l.link.Stats().TxFrames
	s.Advance(time.Second)
	if n := l.link.Stats().TxFrames - sent; n < 200 {
		t.Errorf("got %d frames on the direct link in a second, want about 250", n)
	}
	s.mute(l)
	s.Advance(10 * time.Second)
	if slices.Contains(a.links, l) {
		t.Error("got the silent link after 10 s, want it ended")
	}
	s.Advance(20 * time.Second)
	if c.lost > 0 || c.acked != c.sent || c.slowest > 3*time.Second {
		t.Errorf("got %d sent, %d acked, %d lost, the slowest after %v; want all within 3 s", c.sent, c.acked, c.lost, c.slowest)
	}
	t.Logf("slowest %v, duplicates %d", c.slowest, s.load.duplicates)
}
