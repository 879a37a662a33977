package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

// arrival is a relay of an address group that wants a link; it returns why it got
// none, and the refusals that the user was told of.
func (b *brain) arrival(i int, group string, need bool) (*Peer, reason.Reason, []Notice) {
	p := b.peer(routing.ID(stranger(i).ID()), nil)
	effects := b.step(LinkUp{Peer: p, From: Origin{Scope: ScopePublic, Group: netip.MustParsePrefix(group), Need: need}})
	for _, c := range find[CloseLink](effects) {
		if c.Link == p.Link {
			var told []Notice
			for _, n := range find[Tell](effects) {
				if n.Notice.Kind == NoticeRefused {
					told = append(told, n.Notice)
				}
			}
			return p, c.Reason, told
		}
	}
	return p, reason.None, nil
}

// groupLinks counts the links with a group.
func (b *brain) groupLinks(group string) int {
	groups, _ := b.groupCounts()
	return groups[netip.MustParsePrefix(group)]
}

func TestGroupHasAllFreePlaces(t *testing.T) {
	for _, most := range []int{24, 100, 200} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			b := newBrain(t, func(c *Config) { c.MaxRelays = most })
			for i := range most {
				if _, why, _ := b.arrival(i, "203.0.0.0/16", true); why != reason.None {
					t.Fatalf("number %d of %d: got %v, want a place", i, most, why)
				}
			}
			_, why, told := b.arrival(most, "203.0.0.0/16", true)
			if why != reason.GroupLimit || len(told) != 1 {
				t.Fatalf("beyond all places: got %v and %v, want group-limit, said once", why, told)
			}
			var e *GroupError
			if !errors.As(told[0].Err, &e) || e.Links != most || e.Most != most || e.Share != max(limits.GroupLinks, most/3) || e.Group.String() != "203.0.0.0/16" {
				t.Errorf("got %v, want the group, its links, its share and all places", told[0].Err)
			}
		})
	}
}

func TestGroupYieldsWhatIsBeyondItsShare(t *testing.T) {
	b := newBrain(t, func(c *Config) { c.MaxRelays = 24 })
	for i := range 24 {
		b.arrival(i, "203.0.0.0/16", true)
	}
	for i := range 100 {
		group := fmt.Sprintf("198.%d.0.0/16", i)
		if _, why, _ := b.arrival(1000+i, group, false); why != reason.None {
			if got := b.groupLinks("203.0.0.0/16"); got > limits.GroupLinks {
				t.Fatalf("number %d of other groups: got %v while the first group has %d links", i, why, got)
			}
			return
		}
		if b.links.relays > 24 {
			t.Fatalf("got %d links, want at most 24", b.links.relays)
		}
	}
	t.Error("100 strangers found a place each: want the share of the first group to be its own")
}

func TestGroupKeepsWhatTheUserChose(t *testing.T) {
	b := newBrain(t, func(c *Config) { c.MaxRelays = 24 })
	var chosen *Peer
	for i := range 24 {
		p, _, _ := b.arrival(i, "203.0.0.0/16", true)
		if i == 23 { // the newest, which would go first
			b.links.byNumber[p.Link.Number].wanted, chosen = true, p
		}
	}
	for i := range 50 {
		b.arrival(1000+i, fmt.Sprintf("198.%d.0.0/16", i), false)
	}
	if n := b.links.byNumber[chosen.Link.Number]; n == nil || n.closing {
		t.Error("the link that the user asked for had to go")
	}
}

// Identities ground next to a node, all of one group, keep nobody out.
func TestGroupNextToAKeyLetsOthersIn(t *testing.T) {
	b := newBrain(t, func(c *Config) { c.MaxRelays = 24 })
	self := b.cfg.Self.Key()
	near := func(i int) bool { return self.CommonPrefixLen(routing.ID(stranger(i).ID()).Key()) >= 4 }
	var ground, honest []int
	for i := 0; len(ground) < 40 || len(honest) < 40; i++ {
		if near(i) {
			ground = append(ground, i)
		} else {
			honest = append(honest, i)
		}
	}
	for _, i := range ground[:40] {
		b.arrival(i, "203.0.0.0/16", true)
	}
	for n, i := range honest[:16] {
		if _, why, _ := b.arrival(i, fmt.Sprintf("198.%d.0.0/16", n), true); why != reason.None {
			t.Fatalf("honest relay %d: got %v beside 24 of one group, want a place", n, why)
		}
	}
	_, buckets := b.groupCounts()
	for at, n := range buckets {
		if at.group.String() == "203.0.0.0/16" && n > 24-16 {
			t.Errorf("bucket %d: got %d links with the group, want those beyond its share gone first", at.bucket, n)
		}
	}
	if !slices.ContainsFunc(b.links.list, func(n *neighbour) bool { return n.from.Group.String() == "203.0.0.0/16" }) {
		t.Error("the group lost all its links")
	}
}
