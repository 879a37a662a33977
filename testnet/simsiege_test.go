package testnet

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// besieged is a network with a node whose Key Sybils were ground next to.
type besieged struct {
	siege
	victim  *simNode
	senders []*simNode // honest relays without a link with it, which have not talked to it yet
}

var large = flag.Bool("large", false, "lay the large sieges, too")

// siegeOptions says how a siege is laid.
type siegeOptions struct {
	relays, sybils int
	first          bool // the Sybils are there while the mesh grows; else they come once it stands
	relay          bool // they stand next to a relay, not to a leaf
	senders        int
	seed           uint64
}

func (o siegeOptions) String() string {
	when := "late"
	if o.first {
		when = "first"
	}
	if o.relay {
		when += " beside a relay"
	}
	return fmt.Sprintf("%d relays, %d Sybils %s", o.relays, o.sybils, when)
}

// lay builds the network: relays, Sybils, and the victim.
func lay(t *testing.T, o siegeOptions) *besieged {
	t.Helper()
	s := newSim(t, Options{Nodes: o.relays, Seed: o.seed, LatencyMin: 2 * time.Millisecond, LatencyMax: 10 * time.Millisecond, Patience: 20 * time.Second})
	b := &besieged{siege: siege{sim: s}}
	keys := s.draw()
	key := keyOf(keys)
	grow := func(i int) {
		s.Add(false)
		s.Advance(startPace)
		if o.first && due(float64(o.sybils)/float64(o.relays), i) {
			for len(b.sybils) < (i+1)*o.sybils/o.relays {
				b.storm(b.add(key, o.relays))
			}
		}
	}
	for i := range o.relays {
		grow(i)
	}
	s.Settle()
	if !o.first {
		s.Advance(limits.ProvenAfter)
	}
	if o.relay {
		b.victim = s.nodes[o.relays/2]
		key = b.victim.id.Key()
	} else {
		b.victim = s.add(keys, true)
		for range 3 {
			s.join(b.victim, s.randomRelay(b.victim))
		}
		s.Settle()
	}
	if !o.first {
		for range o.sybils {
			b.storm(b.add(key, o.relays))
			s.Advance(sybilPace)
		}
		s.Settle()
	} else {
		for _, n := range b.sybils {
			b.storm(n)
		}
	}
	s.Advance(2 * limits.AttachmentTTL * time.Second) // what lies in the mesh was laid under siege
	b.senders = slices.DeleteFunc(b.relays(), func(n *simNode) bool {
		return n == b.victim || slices.Contains(s.Links(int(n.index)), int(b.victim.index))
	})
	s.rand.Shuffle(len(b.senders), func(i, j int) { b.senders[i], b.senders[j] = b.senders[j], b.senders[i] })
	b.senders = b.senders[:min(len(b.senders), o.senders)]
	return b
}

// outcome is what became of the Sends of a siege.
type outcome struct {
	sent, quick, sixteen, arrived int // within 1 s; within 16 copies; at last
	slowest                       time.Duration
}

func (o *outcome) add(b outcome) {
	o.sent, o.quick, o.sixteen, o.arrived = o.sent+b.sent, o.quick+b.quick, o.sixteen+b.sixteen, o.arrived+b.arrived
	o.slowest = max(o.slowest, b.slowest)
}

func (o outcome) String() string {
	return fmt.Sprintf("%d Sends: %d within 1 s, %d within 16 copies, %d at last, the slowest took %v", o.sent, o.quick, o.sixteen, o.arrived, o.slowest)
}

// send has each sender send one message, one after the other.
func (b *besieged) send() (o outcome) {
	s := b.sim
	var sent []*simMessage
	for _, from := range b.senders {
		m := s.load.add()
		s.load.asking = append(s.load.asking, m)
		m.send(from, b.victim)
		s.drain()
		sent = append(sent, m)
		s.Advance(50 * time.Millisecond)
	}
	for s.load.open > 0 {
		s.Advance(overtimeLook)
	}
	for _, m := range sent {
		o.sent++
		if !m.acked {
			continue
		}
		o.arrived++
		o.slowest = max(o.slowest, m.took)
		if m.took <= time.Second {
			o.quick++
		}
		if m.firsts <= 16 {
			o.sixteen++
		}
	}
	return o
}

// TestSimOfASiege has identities ground next to a leaf's Key that link with
// every relay and drop what they should carry. Those that come late hide nobody;
// those that were there first cost copies.
func TestSimOfASiege(t *testing.T) {
	if raced {
		t.Skip("one goroutine: without the race detector make budgets runs it in a tenth of the time")
	}
	for _, c := range []struct {
		siegeOptions
		seeds          uint64
		quick, sixteen int // least share in percent; 0: no promise
		large          bool
	}{
		{siegeOptions{relays: 32, sybils: 4, senders: 29}, 4, 99, 0, false},
		{siegeOptions{relays: 32, sybils: 16, senders: 29}, 2, 99, 0, false},
		{siegeOptions{relays: 32, sybils: 64, senders: 29}, 2, 99, 0, true},
		{siegeOptions{relays: 32, sybils: 4, first: true, senders: 29}, 4, 0, 95, false},
		{siegeOptions{relays: 32, sybils: 64, first: true, senders: 29}, 2, 0, 0, true},
		{siegeOptions{relays: 100, sybils: 64, relay: true, senders: 80}, 1, 99, 0, true},
		{siegeOptions{relays: 1000, sybils: 4, senders: 200}, 1, 99, 0, true},
		{siegeOptions{relays: 1000, sybils: 16, senders: 200}, 1, 99, 0, true},
		{siegeOptions{relays: 1000, sybils: 64, senders: 200}, 1, 99, 0, true},
		{siegeOptions{relays: 1000, sybils: 64, first: true, senders: 200}, 1, 0, 95, true},
	} {
		t.Run(c.String(), func(t *testing.T) {
			if c.large && !*large {
				t.Skip("takes minutes: make siege lays it")
			}
			var all outcome
			for seed := range c.seeds {
				c.seed = seed + 1
				all.add(lay(t, c.siegeOptions).send())
			}
			t.Log(all)
			if all.quick*100 < all.sent*c.quick || all.sixteen*100 < all.sent*c.sixteen {
				t.Errorf("got %v, want %d %% within 1 s and %d %% within 16 copies", all, c.quick, c.sixteen)
			}
		})
	}
}

// TestSimOfASiegeLeavesTheLinks: of the links of a relay that stood before the
// Sybils most are honest ones.
func TestSimOfASiegeLeavesTheLinks(t *testing.T) {
	if raced {
		t.Skip("one goroutine: without the race detector make budgets runs it in a tenth of the time")
	}
	b := lay(t, siegeOptions{relays: 60, sybils: 32, relay: true, seed: 3})
	links, honest := b.sim.Links(int(b.victim.index)), 0
	for _, i := range links {
		if !b.sim.nodes[i].sybil {
			honest++
		}
	}
	t.Logf("%d of %d links are with honest relays", honest, len(links))
	if 2*honest < len(links) || len(links) == 0 {
		t.Errorf("got %d honest ones of %d links, want half at least", honest, len(links))
	}
}
