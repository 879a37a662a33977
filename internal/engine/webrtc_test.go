package engine

import (
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

// rtcCarrier is a carrier over WebRTC, as far as the engine can tell.
type rtcCarrier struct{ link.Carrier }

func (rtcCarrier) Kind() string { return kindWebRTC }

func overWebRTC(c *link.Config) { c.Carrier = rtcCarrier{c.Carrier} }

// rtcContact is the record of a relay that speaks WebRTC.
func rtcContact(who *identity.Identity, at time.Time, urls ...string) []byte {
	body := wire.AppendContact(nil, &wire.Contact{Role: wire.RoleRelay, WebRTC: true, URLs: urls})
	return who.Sign(wire.RecordContact, identity.NextSequence(0, at), limits.ContactTTL, body)
}

func idOf(who *identity.Identity) routing.ID { return routing.ID(who.ID()) }

// rtcRelay brings up an accepted link over WebRTC with a relay that has no URL.
func (b *brain) rtcRelay(who *identity.Identity, from Origin) *Peer {
	b.t.Helper()
	p := b.peer(idOf(who), func(c *link.Config) {
		overWebRTC(c)
		c.Contact = rtcContact(who, b.now)
	})
	b.step(LinkUp{Peer: p, From: from})
	if b.Linked(p.Link) {
		b.step(Pong{p.Link})
	}
	return p
}

func withWebRTC(use WebRTCUse, most int) func(*Config) {
	return func(c *Config) {
		roomy(c)
		c.WebRTC, c.MaxWebRTC = use, most
	}
}

// told lets an accepted relay tell of contacts, and returns the dials.
func (b *brain) told(records ...[]byte) []Dial {
	b.t.Helper()
	p := b.relay(stranger(0), nil)
	return find[Dial](b.linkFrame(p, nodesFrame(records...)))
}

func TestWebRTCURL(t *testing.T) {
	id := routing.ID{0xab, 1}
	if got, ok := ParseWebRTCURL(WebRTCURL(id)); !ok || got != id {
		t.Errorf("got %v, %v, want %v", got, ok, id)
	}
	for _, bad := range []string{"", "webrtc:", "webrtc:ab", "ws://x", "webrtc:" + id.String() + "0", "webrtc:AB01000000000000000000000000000000000000", "webrtc://" + id.String()} {
		if got, ok := ParseWebRTCURL(bad); ok {
			t.Errorf("%q: got %v, want none", bad, got)
		}
	}
}

// A contact that can be dialled by nothing but WebRTC is of use to who speaks it.
func TestContactsOverWebRTC(t *testing.T) {
	who := stranger(1)
	own := WebRTCURL(idOf(who))
	for _, test := range []struct {
		name string
		use  WebRTCUse
		urls []string
		want []string // of the first dial and, after failures, of the next ones
	}{
		{"off", WebRTCOff, nil, nil},
		{"off, with a URL", WebRTCOff, []string{"mem://one"}, []string{"mem://one", "mem://one"}},
		{"no URL", WebRTCOn, nil, []string{own, own}},
		{"when needed", WebRTCWhenNeeded, nil, []string{own, own}},
		{"a URL goes first", WebRTCOn, []string{"mem://one"}, []string{"mem://one", own, "mem://one"}},
		{"another's URL in the record", WebRTCOn, []string{WebRTCURL(routing.ID{9}), "mem://one"}, []string{"mem://one", own, "mem://one"}},
		{"and when off", WebRTCOff, []string{WebRTCURL(routing.ID{9})}, nil},
	} {
		b := newBrain(t, withWebRTC(test.use, 0))
		dials := b.told(rtcContact(who, b.now, test.urls...))
		var got []string
		for len(dials) > 0 && len(got) < len(test.want) {
			got = append(got, dials[0].Target.URL.Reveal())
			k := b.book.byID[idOf(who)]
			b.step(DialFailed{Target: dials[0].Target, Stage: "connect"})
			b.now = b.now.Add(k.next - b.clock(b.now) + limits.FillGap)
			dials = find[Dial](b.step(Wake{}))
			for len(dials) == 0 && k.failures < limits.ContactFailures && len(got) < len(test.want) {
				b.now = b.now.Add(time.Second)
				dials = find[Dial](b.step(Wake{}))
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got dials %q, want %q", test.name, got, test.want)
		}
	}
}

// Who does not speak WebRTC tells of a linked relay without a URL all the same.
func TestRelaysWithoutURLAreTold(t *testing.T) {
	for name, use := range map[string]WebRTCUse{"off": WebRTCOff, "on": WebRTCOn} {
		b := newBrain(t, withWebRTC(use, 0))
		asker := b.relay(stranger(0), nil)
		who := stranger(1)
		record := rtcContact(who, b.now)
		b.relay(who, func(c *link.Config) { c.Contact = record })
		silent := contactRecord(stranger(2), wire.RoleRelay, b.now, limits.ContactTTL)
		b.relay(stranger(2), func(c *link.Config) { c.Contact = silent })
		q := wire.AppendFindNode(nil, &wire.FindNode{Count: 20})
		var records [][]byte
		for _, a := range find[SendLink](b.linkFrame(asker, q)) {
			if nodes, err := wire.ParseNodes(a.Frame); err == nil {
				records = nodes.Records
			}
		}
		if len(records) != 1 || string(records[0]) != string(record) {
			t.Errorf("%s: got %d records, want that of the one that speaks WebRTC", name, len(records))
		}
		if known := b.book.byID[idOf(who)] != nil; known != (use == WebRTCOn) {
			t.Errorf("%s: in the book: got %v", name, known)
		}
	}
}

// inBucket are strangers whose Keys lie in one bucket of the node.
func (b *brain) inBucket(bucket, from, count int) (list []*identity.Identity) {
	for i := from; len(list) < count; i++ {
		if who := stranger(i); b.filler.Self.CommonPrefixLen(idOf(who).Key()) == bucket {
			list = append(list, who)
		}
	}
	return list
}

// For the same need who has a URL goes first, and what nobody needs is not dialled
// over WebRTC when that is for what is needed.
func TestWhoHasAURLGoesFirst(t *testing.T) {
	for _, test := range []struct {
		name    string
		use     WebRTCUse
		plain   int // relays with a URL in the far bucket
		without int
		want    int // dials over WebRTC
	}{
		{"for an empty bucket", WebRTCOn, 1, 3, 3},
		{"of many", WebRTCOn, 8, 8, 0},
		{"when needed", WebRTCWhenNeeded, 8, 8, 0},
		{"when needed, of a few", WebRTCWhenNeeded, 1, 3, 0},
	} {
		b := newBrain(t, withWebRTC(test.use, 0))
		for _, who := range b.inBucket(3, 1_000, 4) { // the near set is complete
			b.relay(who, nil)
		}
		var records [][]byte
		far := b.inBucket(0, 2_000, test.plain+test.without)
		for i, who := range far {
			if i < test.without {
				records = append(records, rtcContact(who, b.now))
			} else {
				records = append(records, rtcContact(who, b.now, "mem://"+idOf(who).Short()))
			}
		}
		p := b.links.list[0]
		p.asked++
		b.linkFrame(p.Peer, nodesFrame(records...))
		b.now = b.now.Add(time.Second)
		dials := append(find[Dial](b.actions), find[Dial](b.step(Wake{}))...)
		got := 0
		for _, d := range dials {
			if isWebRTC(d.Target.URL.Reveal()) {
				got++
			}
		}
		if got != test.want || len(dials) < min(test.plain, limits.LearntDials) {
			t.Errorf("%s: got %d dials, %d of them over WebRTC, want %d", test.name, len(dials), got, test.want)
		}
	}
}

// The cap on links over WebRTC holds for those dialled, those accepted and those
// that are about to be.
func TestWebRTCIsCapped(t *testing.T) {
	b := newBrain(t, withWebRTC(WebRTCOn, 12)) // 8 of the table, 2 of them for who needs one
	need := Origin{Need: true}
	var up []*Peer
	for i := range 8 {
		p := b.rtcRelay(stranger(i+1), need)
		if !b.Linked(p.Link) {
			t.Fatalf("link %d: refused, want it admitted", i+1)
		}
		up = append(up, p)
	}
	over := b.rtcRelay(stranger(50), need)
	if closes := find[CloseLink](b.actions); b.Linked(over.Link) || len(closes) != 1 || closes[0].Reason != reason.LinkLimit {
		t.Errorf("link 9: got %+v, want link-limit", closes)
	}
	if got := b.offer(stranger(61), false); got != reason.LinkLimit {
		t.Errorf("an offer at the cap: got %v, want link-limit", got)
	}
	if got := b.offer(stranger(1), false); got != reason.None {
		t.Errorf("an offer to replace a link: got %v, want none", got)
	}
	b.down(up[0], reason.CarrierFailed)
	if got := b.offer(stranger(61), false); got != reason.None {
		t.Errorf("an offer below the cap: got %v, want none", got)
	}
	if got := b.offer(stranger(62), false); got != reason.LinkLimit {
		t.Errorf("an offer while another has the last place: got %v, want link-limit", got)
	}
	b.now = b.now.Add(limits.SignalTimeout)
	if got := b.offer(stranger(62), false); got != reason.None {
		t.Errorf("an offer when the other came to nothing: got %v, want none", got)
	}
	if dials := b.told(rtcContact(stranger(60), b.now)); len(dials) > 0 {
		t.Errorf("at the cap: got a dial to %s, want none", dials[0].Target.URL)
	}
}

func (b *brain) offer(who *identity.Identity, direct bool) (why reason.Reason) {
	why = reason.Malformed
	b.step(Offered{ID: idOf(who), Direct: direct, Done: func(r reason.Reason) { why = r }})
	return why
}

func TestOfferedIsRefused(t *testing.T) {
	who := stranger(1)
	for name, test := range map[string]struct {
		use  WebRTCUse
		pass func(*brain)
		want reason.Reason
	}{
		"off":     {WebRTCOff, func(*brain) {}, reason.Unsupported},
		"banned":  {WebRTCOn, func(b *brain) { b.step(Disconnect{ID: idOf(who)}) }, reason.Banned},
		"leaving": {WebRTCOn, func(b *brain) { b.step(Leave{}) }, reason.Leaving},
		"welcome": {WebRTCWhenNeeded, func(*brain) {}, reason.None},
		"many": {WebRTCOn, func(b *brain) {
			b.cfg.MaxWebRTC = 1_000
			for i := range limits.SignalSessions {
				b.offer(stranger(100+i), false)
			}
		}, reason.LinkLimit},
		"full": {WebRTCOn, func(b *brain) {
			b.cfg.MaxRelays, b.cfg.MaxLeaves = 1, 0
			b.relay(stranger(2), nil)
		}, reason.LinkLimit},
	} {
		b := newBrain(t, withWebRTC(test.use, 0))
		test.pass(b)
		for _, direct := range []bool{false, true} {
			if direct && (name == "full" || name == "many") {
				continue // other caps hold
			}
			if got := b.offer(who, direct); got != test.want {
				t.Errorf("%s, direct %v: got %v, want %v", name, direct, got, test.want)
			}
		}
	}
}

// A link that neither end needs is refused before it is made once this node has as
// many as it would ask for, those that are about to come counted.
func TestUnneededOfferIsRefused(t *testing.T) {
	b := newBrain(t, withWebRTC(WebRTCOn, 0))
	b.filler.Room = 8
	near := b.inBucket(0, 1_000, 12)
	for _, who := range near[:7] {
		b.rtcRelay(who, Origin{})
	}
	if got := b.offer(near[7], false); got != reason.None {
		t.Errorf("below the room: got %v, want none", got)
	}
	if got := b.offer(near[8], false); got != reason.LinkLimit {
		t.Errorf("the room is full: got %v, want link-limit", got)
	}
	needed := Offered{ID: idOf(near[8]), Need: true}
	needed.Done = func(why reason.Reason) {
		if why != reason.None {
			t.Errorf("the asker needs it: got %v, want none", why)
		}
	}
	b.step(needed)
	if got := b.offer(b.inBucket(3, 1_000, 1)[0], false); got != reason.None {
		t.Errorf("the first in its bucket: got %v, want none", got)
	}
}

// A link over WebRTC that somebody needs takes the place of one that nobody does.
func TestWebRTCMakesRoomForWhoNeedsIt(t *testing.T) {
	b := newBrain(t, withWebRTC(WebRTCOn, 16))
	for _, who := range b.inBucket(0, 1_000, 12) {
		p := b.rtcRelay(who, Origin{Need: true})
		ids := []wire.PeerEntry{}
		for _, o := range b.inBucket(0, 5_000, 6) {
			ids = append(ids, wire.PeerEntry{ID: wire.ID(o.ID()), Role: wire.RoleRelay})
		}
		for _, o := range b.inBucket(3, 5_000, 6) {
			ids = append(ids, wire.PeerEntry{ID: wire.ID(o.ID()), Role: wire.RoleRelay})
		}
		b.linkFrame(p, wire.AppendPeers(nil, &wire.Peers{Entries: ids}))
	}
	if b.links.webRTC != 12 {
		t.Fatalf("got %d links over WebRTC, want 12", b.links.webRTC)
	}
	late := b.peer(idOf(b.inBucket(2, 9_000, 1)[0]), overWebRTC)
	b.up(late, nil) // the first in its bucket
	closes := find[CloseLink](b.actions)
	if !b.Linked(late.Link) || len(closes) != 1 || closes[0].Reason != reason.LinkLimit || b.links.webRTC != 12 {
		t.Errorf("got %d closed, %d links over WebRTC: want one that goes for the needed one", len(closes), b.links.webRTC)
	}
}

// Who can be dialled over WebRTC alone, and never is, is not forgotten while
// others tell of it: else it would be learnt and tried anew all the time.
func TestUnreachableOverWebRTCIsTriedSeldom(t *testing.T) {
	b := newBrain(t, withWebRTC(WebRTCOn, 0))
	p := b.relay(stranger(0), nil)
	who := stranger(1)
	record := rtcContact(who, b.now)
	dials := 0
	for range 60 * 60 {
		b.now = b.now.Add(time.Second)
		b.links.byNumber[p.Link.Number].asked = 1
		actions := append(b.linkFrame(p, nodesFrame(record)), b.step(Wake{})...)
		for _, d := range find[Dial](actions) {
			dials++
			b.step(DialFailed{Target: d.Target, Stage: "ice"})
		}
	}
	if most := 2*limits.ContactFailures + int(time.Hour/(limits.ContactRetryMax/2)); dials == 0 || dials > most {
		t.Errorf("got %d dials in an hour, want 1 to %d", dials, most)
	}
	b.now = b.now.Add(limits.ContactLost)
	for range 60 * 10 { // nobody tells of it any more
		b.now = b.now.Add(time.Second)
		for _, d := range find[Dial](b.step(Wake{})) {
			b.step(DialFailed{Target: d.Target, Stage: "ice"})
		}
	}
	if b.book.byID[idOf(who)] != nil {
		t.Error("got it kept when nobody tells of it")
	}
}
