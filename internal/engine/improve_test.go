package engine

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

const slowTrip, fastTrip = 200 * time.Millisecond, 20 * time.Millisecond

// crowd is a relay with as many links as its own requests fill, all slow, whose
// peers can do without it.
func crowd(t *testing.T) *brain {
	b := newBrain(t, roomy)
	for i := range b.filler.Room {
		b.slowRelay(stranger(i))
	}
	b.joined, b.asking = true, false
	return b
}

func (b *brain) slowRelay(who *identity.Identity) {
	record := contactRecord(who, wire.RoleRelay, b.now, limits.ContactTTL, "mem://"+routing.ID(who.ID()).Short())
	p := b.peer(routing.ID(who.ID()), func(c *link.Config) { c.Contact = record })
	b.step(LinkUp{Peer: p, From: Origin{RTT: slowTrip}})
	b.step(Pong{p.Link})
	var list wire.Peers
	for i := range 20 {
		list.Entries = append(list.Entries, wire.PeerEntry{ID: wire.ID(stranger(5_000 + i).ID()), Role: wire.RoleRelay})
	}
	b.linkFrame(p, wire.AppendPeers(nil, &list))
}

// mate is a stranger in the bucket that has most links, whom b does not need.
func (b *brain) mate() *identity.Identity {
	for i := 1_000; ; i++ {
		key := routing.ID(stranger(i).ID()).Key()
		if b.filler.Self.CommonPrefixLen(key) == 0 && b.filler.Need(b.places(), key) <= routing.NeedSpread {
			return stranger(i)
		}
	}
}

// come brings up an accepted link and says whether it was let in.
func (b *brain) come(who *identity.Identity, rtt time.Duration) (*Peer, bool) {
	record := contactRecord(who, wire.RoleRelay, b.now, limits.ContactTTL, "mem://come")
	p := b.peer(routing.ID(who.ID()), func(c *link.Config) { c.Contact = record })
	return p, len(find[CloseLink](b.step(LinkUp{Peer: p, From: Origin{RTT: rtt}}))) == 0
}

func TestImproveTakesTheFasterLink(t *testing.T) {
	b := crowd(t)
	p, in := b.come(b.mate(), fastTrip)
	if !in {
		t.Fatal("a faster link was refused, want it let in")
	}
	if closed := find[CloseLink](b.actions); len(closed) > 0 {
		t.Fatalf("before it answered a ping: got %d links closed, want none", len(closed))
	}
	closed := find[CloseLink](b.step(Pong{p.Link}))
	if len(closed) != 1 || closed[0].Link == p.Link || closed[0].Reason != reason.LinkLimit {
		t.Fatalf("then: got %v closed, want one of the slow ones", closed)
	}
	if b.links.relays != b.filler.Room {
		t.Errorf("links: got %d, want %d as before", b.links.relays, b.filler.Room)
	}
	lost := b.book.byID[routing.ID(closed[0].Link.Peer)]
	if lost == nil || lost.next < b.clock(b.now)+limits.SlowPause {
		t.Error("the slow one may be dialled again soon")
	}
}

func TestImproveKeepsWhatItHas(t *testing.T) {
	for name, tt := range map[string]struct {
		rtt  time.Duration
		wait time.Duration
	}{
		"as slow":                   {rtt: slowTrip},
		"hardly faster":             {rtt: slowTrip * 4 / 5},
		"nobody knows how fast":     {},
		"faster than a proven link": {rtt: fastTrip, wait: limits.ProvenAfter},
	} {
		t.Run(name, func(t *testing.T) {
			b := crowd(t)
			b.now = b.now.Add(tt.wait)
			if _, in := b.come(b.mate(), tt.rtt); in {
				t.Error("the link was let in, want it refused")
			}
		})
	}
	t.Run("slower after all", func(t *testing.T) {
		b := crowd(t)
		p, _ := b.come(b.mate(), fastTrip)
		b.links.byNumber[p.Link.Number].rtt = 2 * slowTrip
		if closed := find[CloseLink](b.step(Pong{p.Link})); len(closed) != 1 || closed[0].Link != p.Link {
			t.Errorf("got %v closed, want the link that came last", closed)
		}
	})
}

// A trial is made now and then, to one contact at a time; one that turns out slow
// ends without anybody being told of a refusal.
func TestImproveTriesContacts(t *testing.T) {
	b := crowd(t)
	for i := range 3 {
		b.links.list[i].rtt = fastTrip
	}
	who := b.mate()
	record := contactRecord(who, wire.RoleRelay, b.now, limits.ContactTTL, "mem://trial")
	b.learn(b.now, record, AllScopes)
	b.asks, b.empty, b.fillAt = nil, nil, time.Time{}
	b.improve(b.now)
	var trial []Dial
	for _, d := range find[Dial](b.Engine.actions) {
		if d.Target.Pin == routing.ID(who.ID()) {
			trial = append(trial, d)
		}
	}
	if len(trial) != 1 || trial[0].Need {
		t.Fatalf("got dials %+v, want one to the contact, without need", trial)
	}
	p := b.peer(routing.ID(who.ID()), func(c *link.Config) { c.Contact, c.Outbound = record, true })
	actions := b.step(LinkUp{Peer: p, Target: trial[0].Target, From: Origin{RTT: slowTrip}})
	if closed := find[CloseLink](actions); len(closed) != 1 || closed[0].Link != p.Link {
		t.Errorf("a slow one: got %v closed, want it", closed)
	}
	for _, n := range find[Tell](actions) {
		if n.Notice.Kind == NoticeRefused {
			t.Error("a trial was reported as refused")
		}
	}
	if b.improve(b.now); len(find[Dial](b.Engine.actions)) > 0 {
		t.Error("it was tried again though it is known to be slow")
	}
}
