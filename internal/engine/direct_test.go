package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

var directly = Origin{Direct: true}

// reach asks for a direct link and returns the dial; err tells how it ended.
func (b *brain) reach(ev Reach) (dials []Dial, err *error) {
	err = new(error)
	*err = errors.New("waiting")
	ev.Done = func(got error) { *err = got }
	return find[Dial](b.step(ev)), err
}

// A direct link fills no place of the table, is not told to others, and nobody
// pushes it out; a leaf may have it with a leaf.
func TestDirectLinkIsApartFromTheTable(t *testing.T) {
	for _, isLeaf := range []bool{false, true} {
		b := newBrain(t, func(c *Config) { c.WebRTC, c.MaxRelays, c.MaxLeaves, c.Leaf = WebRTCOn, 1, 0, isLeaf })
		table := b.relay(stranger(0), nil)
		for i, peerIsLeaf := range []bool{false, true} {
			who := stranger(i + 1)
			p := b.peer(idOf(who), func(c *link.Config) {
				overWebRTC(c)
				c.Outbound, c.Leaf, c.Contact = true, peerIsLeaf, rtcContact(who, b.now)
			})
			b.step(LinkUp{Peer: p, From: Origin{Direct: true, Wanted: true}})
			b.step(Pong{p.Link})
			if !b.Linked(p.Link) {
				t.Fatalf("leaf %v: got the link refused, want it beside a full table", isLeaf)
			}
			if notices := find[Tell](b.actions); len(notices) > 0 && notices[0].Notice.Kind == NoticeUpgraded {
				t.Error("got told that a pair has a link, of one that the user asked for")
			}
			if b.Snapshot().direct[wire.ID(p.ID)] != p {
				t.Error("got no route by the direct link")
			}
		}
		if b.links.relays != 1 || b.links.leaves != 0 || b.links.direct != 2 || b.book.byID[idOf(stranger(2))] != nil {
			t.Errorf("got %d relays, %d leaves, %d direct, want 1, 0, 2, and no leaf among the contacts", b.links.relays, b.links.leaves, b.links.direct)
		}
		if homes := b.Homes(); isLeaf && (len(homes) != 1 || homes[0] != wire.ID(table.ID)) {
			t.Errorf("got %d homes, want the relay of the table", len(homes))
		}
		peers, err := wire.ParsePeers(b.peersFrame())
		if err != nil || len(peers.Entries) != 1 || routing.ID(peers.Entries[0].ID) != table.ID {
			t.Errorf("got %d peers told, %v, want the one of the table", len(peers.Entries), err)
		}
		for range 3 {
			b.now = b.now.Add(limits.BucketCheck)
			if closes := find[CloseLink](b.step(Wake{})); len(closes) > 0 {
				t.Errorf("got %v closed for %v, want none", closes[0].Link.Peer, closes[0].Reason)
			}
		}
	}
}

// A direct dial of a contact is none of the table's dials.
func TestDirectDialIsNoneOfTheTable(t *testing.T) {
	b := newBrain(t, withWebRTC(WebRTCOn, 0))
	b.relay(stranger(0), nil)
	b.learn(b.now, rtcContact(stranger(1), b.now, "mem://one"), AllScopes)
	b.learn(b.now, rtcContact(stranger(2), b.now), AllScopes)
	dials, err := b.reach(Reach{Contact: Contact{ID: idOf(stranger(1))}, Direct: true})
	if len(dials) == 0 || dials[0].Target.URL.Reveal() != "mem://one" || !dials[0].Direct || b.dialing != len(dials)-1 {
		t.Fatalf("got dials %+v, %d of the table, want a direct one to the URL first", dials, b.dialing)
	}
	b.step(DialFailed{Target: dials[0].Target, Stage: "connect", Err: errors.New("no way")})
	if *err == nil || b.book.byID[idOf(stranger(1))].direct {
		t.Errorf("got %v, want an error, and the contact the table's again", *err)
	}
}

// Who is known without a URL is no one to dial: the caller asks him for a link.
func TestReachIsByURL(t *testing.T) {
	for name, config := range map[string]func(*Config){"off": nil, "on": withWebRTC(WebRTCOn, 0)} {
		b := newBrain(t, config)
		own := WebRTCURL(idOf(stranger(1)))
		for _, urls := range [][]string{nil, {own}} {
			dials, err := b.reach(Reach{Contact: Contact{ID: idOf(stranger(1)), URLs: urls}, Direct: true})
			if len(dials) != 0 || !errors.Is(*err, reason.NoRoute) {
				t.Errorf("%s, nobody known, URLs %q: got %+v, %v, want %v", name, urls, dials, *err, reason.NoRoute)
			}
		}
		dials, _ := b.reach(Reach{Contact: Contact{ID: idOf(stranger(1)), URLs: []string{"mem://one", own}}, Direct: true})
		if len(dials) != 1 || dials[0].Target.URL.Reveal() != "mem://one" || !dials[0].Direct {
			t.Errorf("%s: got %+v, want a direct dial to the URL", name, dials)
		}
	}
	b := newBrain(t, withWebRTC(WebRTCOn, 0))
	b.learn(b.now, rtcContact(stranger(1), b.now), AllScopes)
	if dials, err := b.reach(Reach{Contact: Contact{ID: idOf(stranger(1))}, Direct: true}); len(dials) != 0 || !errors.Is(*err, reason.Unsupported) {
		t.Errorf("known without a URL: got %+v, %v, want %v", dials, *err, reason.Unsupported)
	}
}

// pairs brings up direct links that peers asked for.
func (b *brain) pairs(from, count int) (list []*Peer) {
	for i := range count {
		list = append(list, b.rtcRelay(stranger(from+i), directly))
	}
	return list
}

// Of direct links that the user did not ask for a node has a few, and one that
// has fallen silent goes for the next.
func TestPairsAreFew(t *testing.T) {
	const most = limits.WebRTCLinks / 2
	b := newBrain(t, withWebRTC(WebRTCOn, 0))
	list := b.pairs(1, most+1)
	if last := list[most]; b.Linked(last.Link) || b.links.direct != most {
		t.Fatalf("got %d direct links, want %d", b.links.direct, most)
	}
	if got := b.offer(stranger(20), true); got != reason.LinkLimit {
		t.Errorf("an offer: got %v, want link-limit", got)
	}
	if _, err := b.reach(Reach{Contact: Contact{ID: idOf(stranger(20))}, Direct: true, ByPeer: true}); !errors.Is(*err, reason.LinkLimit) {
		t.Errorf("a peer asks: got %v, want link-limit", *err)
	}
	if dials, _ := b.reach(Reach{Contact: Contact{ID: idOf(stranger(21)), URLs: []string{"mem://one"}}, Direct: true}); len(dials) != 1 {
		t.Errorf("the user asks: got %d dials, want one", len(dials))
	}
	if got := b.offer(stranger(21), true); got != reason.None {
		t.Errorf("an offer of whom the user waits for: got %v, want none", got)
	}
	b.step(Offered{ID: idOf(stranger(22)), Direct: true, Wanted: true, Done: func(got reason.Reason) {
		if got != reason.None {
			t.Errorf("an offer of this node's own for its user: got %v, want none", got)
		}
	}})
	b.now = b.now.Add(limits.HotIdle)
	for i, p := range list[:most] {
		if i != 2 {
			b.step(Traffic{Peers: []session.PeerTraffic{{ID: wire.ID(p.ID), Messages: limits.HotMessages / limits.HotQuiet}}})
		}
	}
	b.carried.offers = nil
	if got := b.offer(stranger(20), true); got != reason.None {
		t.Errorf("an offer while a pair is silent: got %v, want none", got)
	}
	p := b.peer(idOf(stranger(20)), overWebRTC)
	closes := find[CloseLink](b.step(LinkUp{Peer: p, From: directly}))
	if !b.Linked(p.Link) || len(closes) != 1 || closes[0].Link != list[2].Link || closes[0].Reason != reason.LinkLimit {
		t.Errorf("got %+v closed, want the silent one for link-limit", closes)
	}
}

// What peers ask for takes no place over WebRTC from the table.
func TestPairsLeaveTheTableItsPlaces(t *testing.T) {
	b := newBrain(t, withWebRTC(WebRTCOn, 8))
	b.pairs(1, 20)
	for i := range 4 {
		if p := b.rtcRelay(stranger(100+i), Origin{Need: true}); !b.Linked(p.Link) {
			t.Errorf("link %d of the table: refused", i+1)
		}
	}
	if all := b.links.webRTC + b.links.direct; all != 8 {
		t.Errorf("got %d links over WebRTC, want 8", all)
	}
}

// The link that the user asks for stays, also if it was there for another reason.
func TestUsersDirectLinkStays(t *testing.T) {
	b := newBrain(t, withWebRTC(WebRTCOn, 0))
	kept := b.pairs(1, 1)[0]
	if _, err := b.reach(Reach{Contact: Contact{ID: kept.ID}, Direct: true}); *err != nil {
		t.Fatal(*err)
	}
	b.now = b.now.Add(time.Hour)
	b.pairs(10, 2*limits.DirectLinks)
	if !b.Linked(kept.Link) {
		t.Error("got the link ended that the user asked for")
	}
}

// A second link with a peer, of the table beside a direct one, needs a place.
func TestDirectLinkIsNoWayIntoTheTable(t *testing.T) {
	b := newBrain(t, func(c *Config) { c.WebRTC, c.MaxRelays, c.MaxLeaves = WebRTCOn, 1, 0 })
	b.relay(stranger(0), nil)
	p := b.pairs(1, 1)[0]
	again := b.peer(p.ID, func(c *link.Config) { c.Instance = wire.Instance{2} }) // so that the newer one would stay
	b.up(again, nil)
	if b.Linked(again.Link) {
		t.Error("got a second link of the table, want the cap of one to hold")
	}
}

func traffic(list ...session.PeerTraffic) Traffic { return Traffic{Peers: list} }

// second tells of one second of traffic and returns the dials of the pair.
func (b *brain) second(list ...session.PeerTraffic) []Dial {
	b.now = b.now.Add(time.Second)
	return find[Dial](b.step(traffic(list...)))
}

// higher is a stranger whose ID is above the node's own.
func (b *brain) higher(i int) *identity.Identity { return b.side(i, true) }

// side is a stranger whose ID is above or below the node's own.
func (b *brain) side(i int, above bool) *identity.Identity {
	for n := 10_000 + 100*i; ; n++ {
		if who := stranger(n); (idString(idOf(who)) > idString(b.cfg.Self)) == above {
			return who
		}
	}
}

func idString(id routing.ID) string { return string(id[:]) }

func hotBytes(who *identity.Identity) session.PeerTraffic {
	return session.PeerTraffic{ID: who.ID(), Bytes: limits.HotBytes}
}

// A pair that talks much for long enough gets a link: the lower ID dials, and if
// nothing comes of that the higher one does.
func TestHotPairIsUpgraded(t *testing.T) {
	for _, test := range []struct {
		name   string
		above  bool
		config func(*Config)
		moved  session.PeerTraffic
		pauses int // a second of silence after so many
		want   int // the second of the dial; 0: none within 10
	}{
		{"bytes", true, withWebRTC(WebRTCOn, 0), session.PeerTraffic{Bytes: limits.HotBytes}, 0, limits.HotSeconds},
		{"messages", true, withWebRTC(WebRTCOn, 0), session.PeerTraffic{Messages: limits.HotMessages}, 0, limits.HotSeconds},
		{"the higher ID", false, withWebRTC(WebRTCOn, 0), session.PeerTraffic{Bytes: limits.HotBytes}, 0, limits.HotSeconds + limits.HotYield},
		{"less", true, withWebRTC(WebRTCOn, 0), session.PeerTraffic{Bytes: limits.HotBytes - 1, Messages: limits.HotMessages - 1}, 0, 0},
		{"a burst", true, withWebRTC(WebRTCOn, 0), session.PeerTraffic{Bytes: limits.HotBytes}, 2, 0},
		{"when needed", true, withWebRTC(WebRTCWhenNeeded, 0), session.PeerTraffic{Bytes: limits.HotBytes}, 0, 0},
		{"off", true, roomy, session.PeerTraffic{Bytes: limits.HotBytes}, 0, 0},
	} {
		b := newBrain(t, test.config)
		who := b.side(1, test.above)
		test.moved.ID = who.ID()
		got := 0
		for i := 1; i <= 10 && got == 0; i++ {
			list := []session.PeerTraffic{test.moved}
			if test.pauses > 0 && i%(test.pauses+1) == 0 {
				list = nil
			}
			if dials := b.second(list...); len(dials) > 0 {
				got = i
				if dials[0].Target.URL.Reveal() != WebRTCURL(idOf(who)) || !dials[0].Direct {
					t.Errorf("%s: got %+v, want a direct dial over WebRTC", test.name, dials[0])
				}
			}
		}
		if got != test.want {
			t.Errorf("%s: got a dial in second %d, want %d", test.name, got, test.want)
		}
	}
}

// Whoever has a URL is dialled by it first, without WebRTC too.
func TestHotPairIsDialledByURL(t *testing.T) {
	b := newBrain(t, withWebRTC(WebRTCWhenNeeded, 0))
	who := b.higher(1)
	for _, raw := range [][]byte{rtcContact(who, b.now, "mem://one", "mem://two")} {
		b.learn(b.now, raw, AllScopes)
	}
	b.fillAt, b.book.byID[idOf(who)].next = time.Time{}, time.Hour // the table leaves it alone
	var dials []Dial
	for range limits.HotSeconds {
		dials = b.second(hotBytes(who))
	}
	for _, want := range []string{"mem://one", "mem://two"} {
		if len(dials) != 1 || dials[0].Target.URL.Reveal() != want || !dials[0].Direct {
			t.Fatalf("got %+v, want a direct dial to %s", dials, want)
		}
		dials = find[Dial](b.step(DialFailed{Target: dials[0].Target, Err: errors.New("refused")}))
	}
	if len(dials) != 0 || b.hot.flying != 0 || b.targets.flying != 0 || b.book.byID[idOf(who)].failures != 0 {
		t.Errorf("got %d dials, %d under way, want none, and the table's contact as it was", len(dials), b.targets.flying)
	}
}

// After a failure the pair waits, twice as long each time.
func TestHotPairBacksOff(t *testing.T) {
	b := newBrain(t, withWebRTC(WebRTCOn, 0))
	who := b.higher(1)
	var last time.Time
	var pauses []time.Duration
	for range 3_000 {
		if dials := b.second(hotBytes(who)); len(dials) > 0 {
			if !last.IsZero() {
				pauses = append(pauses, b.now.Sub(last))
			}
			last = b.now
			if b.dialing != 0 || b.carried.direct != 1 {
				t.Fatalf("got %d dials of the table, %d direct ones over WebRTC, want 0 and 1", b.dialing, b.carried.direct)
			}
			b.step(DialFailed{Target: dials[0].Target, Stage: "ice", Err: errors.New("no way")})
		}
	}
	if b.carried.direct != 0 {
		t.Errorf("got %d direct dials under way, want none", b.carried.direct)
	}
	want := limits.HotRetry
	for i, got := range pauses {
		if got < want || got > want+limits.HotSeconds*time.Second {
			t.Errorf("pause %d: got %v, want %v", i, got, want)
		}
		want = min(2*want, limits.HotRetryMax)
	}
	if len(pauses) < 6 {
		t.Errorf("got %d pauses, want 6 or more", len(pauses))
	}
}

// upgraded lets a pair talk until it is linked.
func (b *brain) upgraded(who *identity.Identity) *Peer {
	b.t.Helper()
	for range limits.HotSeconds + limits.HotYield {
		for _, d := range b.second(hotBytes(who)) {
			p := b.peer(idOf(who), func(c *link.Config) { overWebRTC(c); c.Outbound = true })
			b.up(p, d.Target)
			b.step(Pong{p.Link})
			return p
		}
	}
	b.t.Fatal("got no dial of a pair that talks")
	return nil
}

func TestHotPairTellsAndEnds(t *testing.T) {
	b := newBrain(t, withWebRTC(WebRTCOn, 0))
	who := b.higher(1)
	p := b.upgraded(who)
	found := false
	for _, tell := range find[Tell](b.actions) {
		found = found || tell.Notice.Kind == NoticeUpgraded && tell.Notice.Peer == p.ID && tell.Notice.Link == p.Link
	}
	if !found {
		t.Error("got no notice of the upgrade")
	}
	b.down(p, reason.CarrierFailed) // too soon
	for range 20 {
		if len(b.second(hotBytes(who))) > 0 {
			t.Fatal("got a dial within 20 s of a link that ended at once")
		}
	}
	b.now = b.now.Add(limits.HotRetry)
	p = b.upgraded(who)
	b.now = b.now.Add(limits.HotRetry)
	b.down(p, reason.CarrierFailed)
	b.upgraded(who) // one that stood may be made again at once
}

// A node looks at few peers and makes few links, whoever talks to it.
func TestHotPairsAreBounded(t *testing.T) {
	b := newBrain(t, withWebRTC(WebRTCOn, 0))
	var list []session.PeerTraffic
	for i := range 4 * limits.HotPeers {
		list = append(list, hotBytes(stranger(i)))
	}
	dials := 0
	for range 10 {
		dials += len(b.second(list...))
	}
	if dials > limits.DirectLinks || len(b.hot.byID) > limits.HotPeers {
		t.Errorf("got %d dials, %d peers, want %d and %d at most", dials, len(b.hot.byID), limits.DirectLinks, limits.HotPeers)
	}
	b.second() // all are silent
	b.second(hotBytes(stranger(9_999)))
	if b.hot.byID[idOf(stranger(9_999))] == nil {
		t.Error("got no place for a new peer when the others are silent")
	}
	b.now = b.now.Add(2 * limits.HotRetryMax)
	b.second()
	for id, p := range b.hot.byID {
		if !p.dialing {
			t.Errorf("%v: got it kept for long", id)
		}
	}
}
