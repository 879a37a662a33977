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
	nodes := 200
	if raced {
		nodes = 50
	}
	s := newSim(t, Options{Nodes: nodes, NoURL: .8, MaxWebRTC: 32, Seed: 1, Messages: 500})
	r := s.Run()
	wantClean(t, r)
	if r.First != 500 {
		t.Errorf("got %d of 500 messages by their first transmission, want all", r.First)
	}
	sum := 0
	for _, n := range s.alive {
		sum += len(carried(n))
	}
	if mean := float64(sum) / float64(nodes); mean < 5 || mean > 24 {
		t.Errorf("got %.1f links over WebRTC of each node, want 5 to 24", mean)
	}
}

// A low cap is for what forwarding needs, and the nodes with URLs do the rest; so
// they do where the NATs of a fifth of the pairs let no link come up.
func TestSimOfFewLinksOverWebRTC(t *testing.T) {
	s := newSim(t, Options{Nodes: 60, NoURL: .7, MaxWebRTC: 12, Apart: .2, Seed: 2, Messages: 300})
	r := s.Run()
	wantClean(t, r)
	if r.First < 297 {
		t.Errorf("got %d of 300 messages by their first transmission, want 99 %%", r.First)
	}
}

// chatter sends 250 messages or datagrams a second from one node to another.
type chatter struct {
	from, to *simNode
	bulk     bool // datagrams that no link keeps until they are acked
	left     int
	messages []*simMessage
}

const chatPause = 4 * time.Millisecond

func (c *chatter) happen(s *Simulation, kind simKind) {
	m := s.load.add()
	m.from, m.to, m.began = c.from, c.to, s.now
	c.messages = append(c.messages, m)
	data := binary.BigEndian.AppendUint64(nil, uint64(m.number))
	if c.bulk {
		if frame, ok := c.from.sessions.AppendDatagram(nil, s.time(), wire.ID(c.to.id), 0, 0, wire.ClassBulk, data); ok {
			c.from.emit(frame, session.Choice{})
		}
	} else if _, err := c.from.sessions.Send(s.time(), session.Message{To: wire.ID(c.to.id), Kind: wire.PlainMessage, Data: data}, m.done); err != nil {
		m.finish()
	}
	if c.left--; c.left > 0 {
		s.heap.push(s.now+chatPause, c, kind)
	}
}

// chat lets a node send to another for so long.
func chat(s *Simulation, from, to *simNode, bulk bool, d time.Duration) *chatter {
	c := &chatter{from: from, to: to, bulk: bulk, left: int(d / chatPause)}
	s.heap.push(s.now, c, 0)
	return c
}

// result is how many were acked or, of datagrams, arrived, the longest time that
// one took to be acked, and the longest in which none that was sent arrived.
func (c *chatter) result() (good int, slowest, gap time.Duration) {
	run := time.Duration(0)
	for _, m := range c.messages {
		if run += chatPause; m.delivered {
			run = 0
		}
		gap = max(gap, run)
		if m.acked || c.bulk && m.delivered {
			good++
			slowest = max(slowest, m.took)
		}
	}
	return good, slowest, gap
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

// hotPair lets two leaves talk until they have a direct link.
func hotPair(t *testing.T, bulk bool) (s *Simulation, c *chatter, l *simLink) {
	t.Helper()
	s = newSim(t, Options{Nodes: 30, Leaves: .5, MaxWebRTC: 8, Seed: 3})
	s.Run()
	a, b := farApart(s, func(n *simNode) bool { return n.leaf })
	m := s.Send(int(a.index), int(b.index)) // a session stands
	s.Advance(2 * time.Second)
	if !s.Acked(m) {
		t.Fatal("got no ack of a message")
	}
	c = chat(s, a, b, bulk, 30*time.Second)
	s.Advance((limits.HotSeconds + limits.HotYield + 3) * time.Second)
	if l = directLink(a, b); l == nil || directLink(b, a) == nil {
		t.Fatal("got no direct link of a pair that talks, want one")
	}
	return s, c, l
}

// Two leaves that talk much get a link of their own, which is no home.
func TestSimHotPair(t *testing.T) {
	s, c, l := hotPair(t, false)
	homes := c.from.engine.Homes()
	if len(homes) != limits.LeafHomes || slices.Contains(homes, wire.ID(c.to.id)) {
		t.Errorf("got %d homes, want the %d that were, without the pair's other end", len(homes), limits.LeafHomes)
	}
	sent := l.link.Stats().TxFrames
	s.Advance(time.Second)
	if n := l.link.Stats().TxFrames - sent; n < 200 {
		t.Errorf("got %d frames on the direct link in a second, want about 250", n)
	}
	s.Advance(30 * time.Second)
	if good, slowest, _ := c.result(); good != len(c.messages) || slowest > time.Second {
		t.Errorf("got %d of %d acked, the slowest after %v; want all within 1 s", good, len(c.messages), slowest)
	}
}

// mute lets nothing get through any more on a link, either way.
func (s *Simulation) mute(l *simLink) {
	e := l.link.Carrier.(*simEnd)
	for _, end := range []*simEnd{e, e.other} {
		end.mute = true
		end.unheard(s)
	}
}

// When the direct link falls silent, messages and datagrams take the relays
// again within 3 s, messages without a loss, and the link ends within 10 s.
func TestSimSilentDirectLink(t *testing.T) {
	for name, bulk := range map[string]bool{"messages": false, "datagrams": true} {
		t.Run(name, func(t *testing.T) {
			s, c, l := hotPair(t, bulk)
			s.mute(l)
			s.Advance(10 * time.Second)
			if slices.Contains(c.from.links, l) {
				t.Error("got the silent link after 10 s, want it ended")
			}
			s.Advance(20 * time.Second)
			good, slowest, gap := c.result()
			if !bulk && good != len(c.messages) || slowest > 3*time.Second || bulk && gap > time.Second {
				t.Errorf("got %d of %d, the slowest after %v, a gap of %v; want all messages, and 3 s at most, 1 s without a datagram", good, len(c.messages), slowest, gap)
			}
			t.Logf("%d of %d, slowest %v, gap %v", good, len(c.messages), slowest, gap)
		})
	}
}
