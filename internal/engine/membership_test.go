package engine

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// stranger is a relay somewhere, with a key.
func stranger(i int) *identity.Identity {
	seed := [32]byte{1}
	binary.BigEndian.PutUint32(seed[1:], uint32(i))
	return identity.FromSeed(seed)
}

func contactRecord(who *identity.Identity, role wire.Role, at time.Time, ttl uint16, urls ...string) []byte {
	body := wire.AppendContact(nil, &wire.Contact{Role: role, URLs: urls})
	return who.Sign(wire.RecordContact, identity.NextSequence(0, at), ttl, body)
}

// relay brings up an accepted link with a relay that answers pings and has a contact.
func (b *brain) relay(who *identity.Identity, change func(*link.Config)) *Peer {
	b.t.Helper()
	record := contactRecord(who, wire.RoleRelay, b.now, limits.ContactTTL, "mem://"+routing.ID(who.ID()).Short())
	p := b.peer(routing.ID(who.ID()), func(c *link.Config) {
		c.Contact = record
		if change != nil {
			change(c)
		}
	})
	b.up(p, nil)
	b.step(Pong{p.Link})
	return p
}

func (b *brain) linkFrame(p *Peer, frame []byte) []Action {
	return b.step(LinkFrame{Link: p.Link, Frame: frame})
}

func nodesFrame(records ...[]byte) []byte {
	return wire.AppendNodes(nil, &wire.Nodes{Records: records})
}

func roomy(c *Config) { c.MaxRelays, c.MaxLeaves = 24, 8 }

func TestMembershipDialsWhomItIsToldOf(t *testing.T) {
	b := newBrain(t, roomy)
	p := b.relay(stranger(0), nil) // it was asked for contacts at its first pong
	record := contactRecord(stranger(1), wire.RoleRelay, b.now, limits.ContactTTL, "mem://one")
	actions := b.linkFrame(p, nodesFrame(record))
	dials := find[Dial](actions)
	if len(dials) != 1 || dials[0].Target.URL != "mem://one" || dials[0].Target.Pin != routing.ID(stranger(1).ID()) {
		t.Fatalf("dials: got %+v, want one to mem://one with the ID pinned", dials)
	}
	if dials[0].Target.Scopes == 0 {
		t.Error("scopes: got none, want those that the teller may speak for")
	}
}

// Of the URLs of a contact those are dialled, by turns, that lead where the
// teller's word is good.
func TestMembershipDialsURLsWithinScope(t *testing.T) {
	b := newBrain(t, func(c *Config) {
		roomy(c)
		c.Dialable = func(url string, scopes Scopes) bool {
			return url == "mem://public" || url == "mem://also" || url == "mem://private" && scopes&ScopePrivate != 0
		}
	})
	for _, c := range []struct {
		urls   []string
		scopes Scopes
		want   []string
	}{
		{[]string{"mem://private", "mem://public", "mem://also"}, ScopePublic, []string{"mem://public", "mem://also"}},
		{[]string{"mem://private", "mem://public", "tcp://x"}, AllScopes, []string{"mem://private", "mem://public"}},
		{[]string{"mem://private"}, ScopePublic, []string{"mem://private"}}, // whose dial says why not
		{[]string{"tcp://x"}, AllScopes, nil},
	} {
		k := &known{Contact: Contact{URLs: c.urls, Scopes: c.scopes}}
		if got := b.urlsOf(k); !slices.Equal(got, c.want) {
			t.Errorf("%v told of %v: got %v, want %v", c.scopes, c.urls, got, c.want)
		}
	}
}

// Whatever a peer tells as contacts, a node dials only who proved to have said it.
func TestMembershipLyingNodes(t *testing.T) {
	b := newBrain(t, roomy)
	forged := contactRecord(stranger(1), wire.RoleRelay, b.now, limits.ContactTTL, "mem://x")
	forged[len(forged)-1] ^= 1
	for name, record := range map[string][]byte{
		"invented":   forged,
		"expired":    contactRecord(stranger(2), wire.RoleRelay, b.now.Add(-3*time.Hour), limits.ContactTTL, "mem://x"),
		"the future": contactRecord(stranger(3), wire.RoleRelay, b.now.Add(3*time.Hour), limits.ContactTTL, "mem://x"),
		"no record":  forged[:120],
		"a leaf":     contactRecord(stranger(4), wire.RoleLeaf, b.now, limits.ContactTTL, "mem://x"),
		"no address": contactRecord(stranger(5), wire.RoleRelay, b.now, limits.ContactTTL),
	} {
		b := newBrain(t, roomy)
		p := b.relay(stranger(0), nil)
		if dials := find[Dial](b.linkFrame(p, nodesFrame(record))); len(dials) > 0 {
			t.Errorf("%s: got a dial to %s, want none", name, dials[0].Target.URL)
		}
		unproven := name != "a leaf" && name != "no address" // those two are true, and of no use
		if got := b.drops.Get(reason.BadRecord) == 1; got != unproven {
			t.Errorf("%s: counted as a bad record %v, want %v", name, got, unproven)
		}
		if len(b.book.list) != 1 { // p's own
			t.Errorf("%s: got %d contacts, want the peer's alone", name, len(b.book.list))
		}
	}
	t.Run("unasked", func(t *testing.T) {
		b := newBrain(t, roomy)
		p := b.relay(stranger(0), nil)
		honest := contactRecord(stranger(1), wire.RoleRelay, b.now, limits.ContactTTL, "mem://x")
		for range limits.FindNodesOpen { // answers to what was asked
			b.linkFrame(p, nodesFrame())
		}
		before := b.drops.Get(reason.Unsolicited)
		if dials := find[Dial](b.linkFrame(p, nodesFrame(honest))); len(dials) > 0 || b.drops.Get(reason.Unsolicited) == before {
			t.Errorf("got %d dials, %d counted; want none, and it counted", len(dials), b.drops.Get(reason.Unsolicited)-before)
		}
	})
	t.Run("itself", func(t *testing.T) {
		own := newBrain(t, func(c *Config) { roomy(c); c.Self = routing.ID(stranger(9).ID()) })
		p := own.relay(stranger(0), nil)
		record := contactRecord(stranger(9), wire.RoleRelay, own.now, limits.ContactTTL, "mem://me")
		if dials := find[Dial](own.linkFrame(p, nodesFrame(record))); len(dials) > 0 {
			t.Errorf("got %d dials to itself, want none", len(dials))
		}
	})
}

// Ten thousand contacts that nobody answers at are bounded in memory and dials.
func TestMembershipManyUnreachableContacts(t *testing.T) {
	b := newBrain(t, roomy)
	p := b.relay(stranger(0), nil)
	var flying []Dial
	most, dials := 0, 0
	note := func(actions []Action) {
		found := find[Dial](actions)
		flying, dials = append(flying, found...), dials+len(found)
		most = max(most, len(flying))
	}
	for i := range 500 {
		b.links.byNumber[p.Link.Number].asked = 1
		var records [][]byte
		for j := range limits.NodesEntries {
			records = append(records, contactRecord(stranger(1+i*limits.NodesEntries+j), wire.RoleRelay, b.now, limits.ContactTTL, "mem://dead"))
		}
		note(b.linkFrame(p, nodesFrame(records...)))
		for range 2 {
			if len(flying) == 0 {
				break
			}
			failed := DialFailed{Target: flying[0].Target, Stage: "connect", Err: reason.CarrierFailed}
			flying = flying[1:]
			note(b.step(failed))
		}
		b.now = b.now.Add(10 * time.Millisecond)
	}
	if most == 0 || most > limits.LearntDials {
		t.Errorf("dials under way: got %d at once, want 1 to %d", most, limits.LearntDials)
	}
	if dials > 1000+limits.LearntDials {
		t.Errorf("dials: got %d, want no more than failed before and %d", dials, limits.LearntDials)
	}
	if got := len(b.book.list); got > b.book.max || len(b.book.byID) != got {
		t.Errorf("contacts kept: got %d in order and %d by ID, want the same, at most %d", got, len(b.book.byID), b.book.max)
	}
	if !b.links.linked(p.ID) {
		t.Error("the link is gone")
	}
}

func TestMembershipAdmissionNearTheCap(t *testing.T) {
	full := func(t *testing.T, cap int, links int) (*brain, []*Peer) {
		b := newBrain(t, func(c *Config) { c.MaxRelays = cap })
		var peers []*Peer
		for i := range links {
			peers = append(peers, b.relay(stranger(i), func(c *link.Config) { c.Outbound = i >= cap-limits.SpareLinks }))
		}
		return b, peers
	}
	spread := func(b *brain) *identity.Identity { // one that this node does not need itself
		for i := 1000; ; i++ {
			if b.filler.Need(b.places(), routing.ID(stranger(i).ID()).Key()) <= routing.NeedSpread {
				return stranger(i)
			}
		}
	}
	t.Run("the last places are for those in need", func(t *testing.T) {
		b, _ := full(t, 24, 20)
		who := spread(b)
		p := b.peer(routing.ID(who.ID()), nil)
		if closed := find[CloseLink](b.step(LinkUp{Peer: p})); len(closed) != 1 || closed[0].Reason != reason.LinkLimit {
			t.Errorf("not needed: got %v, want it refused for want of room", closed)
		} else if len(closed[0].Contacts) == 0 {
			t.Error("refused: got no contacts to try instead")
		}
		p = b.peer(routing.ID(who.ID()), nil)
		if closed := find[CloseLink](b.step(LinkUp{Peer: p, From: Origin{Need: true}})); len(closed) != 0 {
			t.Errorf("in need: got %v closed, want none", closed)
		}
	})
	t.Run("proven links stay", func(t *testing.T) {
		b, peers := full(t, 24, 24)
		for _, p := range peers { // every peer can do without this node
			var list wire.Peers
			for i := range 20 {
				list.Entries = append(list.Entries, wire.PeerEntry{ID: wire.ID(stranger(5000 + i).ID()), Role: wire.RoleRelay})
			}
			b.linkFrame(p, wire.AppendPeers(nil, &list))
		}
		if b.spare(b.now, true) == nil {
			t.Fatal("no link can be spared while all are new")
		}
		b.now = b.now.Add(limits.ProvenAfter)
		b.step(Wake{}) // with nobody new about, it frees one place by itself
		for i := range 200 {
			p := b.peer(routing.ID(stranger(9000+i).ID()), nil)
			for _, c := range find[CloseLink](b.step(LinkUp{Peer: p, From: Origin{Need: true}})) {
				if c.Link != p.Link {
					t.Fatalf("stranger %d: a proven link was closed", i)
				}
			}
		}
	})
}

func TestMembershipPeersLists(t *testing.T) {
	b := newBrain(t, roomy)
	p := b.relay(stranger(0), nil)
	self, other := wire.ID(b.cfg.Self), wire.ID(stranger(7).ID())
	b.linkFrame(p, wire.AppendPeers(nil, &wire.Peers{Entries: []wire.PeerEntry{
		{ID: self, Role: wire.RoleRelay}, {ID: wire.ID(p.ID), Role: wire.RoleRelay},
		{ID: other, Role: wire.RoleRelay}, {ID: wire.ID{9}, Role: wire.RoleLeaf},
	}}))
	key := routing.ID(other).Key()
	if got := b.links.byNumber[p.Link.Number].neighbours.heads; !slices.Equal(got, []uint64{keyHead(&key)}) {
		t.Errorf("neighbours: got %x, want only the relay that is neither this node nor the peer", got)
	}
	before := b.Snapshot()
	if b.Snapshot() != before {
		t.Error("the snapshot changed at once, want it gathered")
	}
	b.now = b.now.Add(limits.SnapshotGather)
	b.step(Wake{})
	if b.Snapshot() == before {
		t.Error("the snapshot did not change")
	}
}

// Own lists go out gathered, and no more often than told.
func TestMembershipListsAreSentSeldom(t *testing.T) {
	b := newBrain(t, roomy)
	sent := 0
	count := func(actions []Action) {
		for _, s := range find[SendLink](actions) {
			if wire.LinkType(s.Frame[0]) == wire.LinkPeers {
				sent++
			}
		}
	}
	start := b.now
	for i := range 12 {
		b.relay(stranger(i), nil)
		count(b.actions)
		for range 4 {
			b.now = b.now.Add(250 * time.Millisecond)
			count(b.step(Wake{}))
		}
	}
	rounds := int(b.now.Sub(start)/limits.PeersGap) + 1
	if most := 12 + rounds*12; sent > most || sent < 12 {
		t.Errorf("lists sent: got %d, want 12 to new peers and at most %d in all", sent, most)
	}
}

func TestMembershipAnswersLookups(t *testing.T) {
	b := newBrain(t, roomy)
	for i := range 12 {
		b.relay(stranger(i), nil)
	}
	target := routing.ID(stranger(100).ID()).Key()
	body := wire.NearestBody{Nonce: [16]byte{1}, Target: wire.Key(target), Op: wire.OpFindNode, Rest: make([]byte, 900)}
	f := wire.Frame{Type: wire.TypeNearest, HopLimit: 60, Src: wire.ID(stranger(3).ID())}
	home := stranger(4).ID()
	f.Return = home[:]
	f.Body = wire.AppendNearestBody(nil, &body)
	request := wire.AppendFrame(nil, &f)
	sent := find[SendFrame](b.step(Control{Link: 1, Frame: request}))
	if len(sent) == 0 {
		t.Fatal("got no answer")
	}
	if len(sent[0].Frame) > len(request) {
		t.Errorf("answer: got %d bytes for a request of %d, want no more", len(sent[0].Frame), len(request))
	}
	reply, err := wire.ParseFrame(sent[0].Frame)
	if err != nil || reply.Dst != f.Src || !slices.Equal(reply.Waypoints, home[:]) {
		t.Fatalf("answer: got %+v, %v; want it to the asker by way of its home", reply, err)
	}
	a, err := wire.ParseAnswerBody(reply.Body)
	if err != nil || a.Nonce != body.Nonce || len(a.Records) < 3 {
		t.Fatalf("answer: got %d records, %v; want several", len(a.Records), err)
	}
	for _, raw := range a.Records[1:] {
		rec, _ := wire.ParseRecord(raw)
		if identity.IDOf(rec.Public) == f.Src {
			t.Error("the asker's own record came back to it")
		}
	}
}

// A lookup that nobody answers is asked again, then given up; an answer that
// nobody asked for is counted.
func TestMembershipLookupIsGivenUp(t *testing.T) {
	b := newBrain(t, roomy)
	b.relay(stranger(0), nil)
	var got []Contact
	done := 0
	b.step(Lookup{Target: routing.Key{1}, Count: 3, Done: func(c []Contact) { got, done = c, done+1 }})
	frames := 0
	for range 200 {
		b.now = b.now.Add(50 * time.Millisecond)
		frames += len(find[SendFrame](b.step(Wake{})))
	}
	if done != 1 || len(got) != 0 {
		t.Errorf("lookup without answer: told %d times with %d contacts, want once with none", done, len(got))
	}
	if frames == 0 || frames > 4*limits.AskTries*limits.Asks {
		t.Errorf("frames: got %d, want a few tries", frames)
	}
}

// A clock that jumps an hour ahead makes nothing happen twice, and nothing stop.
func TestMembershipClockJump(t *testing.T) {
	b := newBrain(t, roomy)
	for i := range 6 {
		b.relay(stranger(i), nil)
	}
	b.now = b.now.Add(time.Hour)
	for range 20 {
		if n := len(b.step(Wake{})); n > 64 {
			t.Fatalf("actions of one step after the jump: got %d", n)
		}
		b.now = b.now.Add(time.Second)
	}
	if at, ok := b.Next(); !ok || at.Before(b.now.Add(-time.Minute)) {
		t.Errorf("next: got %v, %v at %v, want a time to come", at, ok, b.now)
	}
}

func TestMembershipLostPeerIsLookedFor(t *testing.T) {
	b := newBrain(t, roomy)
	p := b.relay(stranger(0), nil)
	b.relay(stranger(1), nil)
	b.step(LinkDown{Link: p.Link, Cause: reason.CarrierFailed})
	var dialled bool
	for range 60 {
		b.now = b.now.Add(500 * time.Millisecond)
		for _, d := range find[Dial](b.step(Wake{})) {
			dialled = dialled || d.Target.Pin == p.ID
			b.step(DialFailed{Target: d.Target, Stage: "connect", Err: reason.CarrierFailed})
		}
	}
	if !dialled {
		t.Error("the lost peer was not dialled within 30 s")
	}
}

// A pair that dials each other more than once at the same time ends with one link.
func TestMembershipCrossingDialsLeaveOneLink(t *testing.T) {
	b := newBrain(t, roomy)
	id := routing.ID{0xff} // higher: the link dialled here stays
	inbound := func(dial uint32) *Peer { return b.peer(id, func(c *link.Config) { c.Dial = dial }) }
	own := b.peer(id, func(c *link.Config) { c.Outbound, c.Dial = true, 1 })
	b.up(own, nil)
	b.up(inbound(7), nil)
	b.up(inbound(6), nil) // overtaken on its way
	b.step(Pong{own.Link})
	live := 0
	for _, n := range b.links.list {
		if n.usable() {
			live++
		}
	}
	if live != 1 || !b.Linked(own.Link) {
		t.Errorf("links left: got %d, own one %v; want only the own one", live, b.Linked(own.Link))
	}
}
