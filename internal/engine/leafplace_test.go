package engine

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

// from is an origin at an IPv4 address.
func from(addr string) Origin {
	ip := netip.MustParseAddr(addr)
	o := Origin{Scope: ScopePublic}
	o.Host, _ = ip.Prefix(32)
	o.Group, _ = ip.Prefix(16)
	return o
}

// leafFrom brings up an accepted leaf, which answers its first ping or does not, and
// returns why it was refused and who made room.
func (b *brain) leafFrom(i int, at Origin, answers bool) (refused reason.Reason, gone []routing.ID) {
	p := b.peer(routing.ID{7, byte(i >> 8), byte(i)}, func(c *link.Config) { c.Leaf = true })
	for _, c := range find[CloseLink](b.step(LinkUp{Peer: p, From: at})) {
		if c.Link == p.Link {
			refused = c.Reason
		} else {
			gone = append(gone, routing.ID(c.Link.Peer))
			b.down(NewPeer(c.Link), c.Reason)
		}
	}
	if answers && refused == reason.None {
		b.step(Pong{p.Link})
	}
	return refused, gone
}

func TestLeavesOfOneHostLeavePlacesToOthers(t *testing.T) {
	const places = 16
	for _, test := range []struct {
		name    string
		crowd   func(i int) Origin
		answers bool
		wait    bool // until the silent ones count as such
		other   Origin
		admits  int // of the others
	}{
		{"one address that answers", func(int) Origin { return from("11.1.2.3") }, true, false, from("12.1.1.1"), places / 2},
		{"one address, another of its /16", func(int) Origin { return from("11.1.2.3") }, true, false, from("11.1.9.9"), places / 2},
		{"one /16 that answers", func(i int) Origin { return from(fmt.Sprintf("11.1.2.%d", i)) }, true, false, from("12.1.1.1"), places / 2},
		{"the crowd's own address", func(int) Origin { return from("11.1.2.3") }, true, false, from("11.1.2.3"), 0},
		{"one address that is silent", func(int) Origin { return from("11.1.2.3") }, false, true, from("11.1.2.3"), places},
		{"loopback that is silent", func(int) Origin { return Origin{Scope: ScopeLoopback} }, false, true, from("12.1.1.1"), places},
		{"loopback that answers", func(int) Origin { return Origin{Scope: ScopeLoopback} }, true, false, from("12.1.1.1"), 0},
		{"many groups", func(i int) Origin { return from(fmt.Sprintf("11.%d.2.3", i)) }, true, false, from("12.1.1.1"), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBrain(t, func(c *Config) { c.MaxLeaves = places })
			for i := range places { // all free ones are theirs: there is nobody else
				if why, _ := b.leafFrom(i, test.crowd(i), test.answers); why != reason.None {
					t.Fatalf("%d of the crowd: got %v with free places", i, why)
				}
			}
			if test.wait {
				b.now = b.now.Add(limits.LeafSilent)
			}
			admitted := 0
			for i := range places {
				why, gone := b.leafFrom(1000+i, test.other, true)
				if (why == reason.None) != (len(gone) == 1) || why != reason.None && why != reason.LinkLimit {
					t.Fatalf("%d of the others: got %v, and %d made room", i, why, len(gone))
				}
				if why == reason.None {
					admitted++
					if gone[0][1] != 0 {
						t.Errorf("one of the others made room")
					}
				}
			}
			if admitted != test.admits || b.links.leaves != places {
				t.Errorf("got %d of the others in and %d leaves, want %d and %d", admitted, b.links.leaves, test.admits, places)
			}
		})
	}
}
