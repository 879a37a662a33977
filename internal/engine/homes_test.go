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

// asked is a Store that a leaf sent.
type asked struct {
	SendFrame
	at     time.Time
	frame  wire.Frame
	body   wire.NearestBody
	record wire.Record
	homes  []wire.ID
}

func (b *brain) asked(actions []Action) (all []asked) {
	b.t.Helper()
	for _, s := range find[SendFrame](actions) {
		f, err := wire.ParseFrame(s.Frame)
		if err != nil {
			b.t.Fatal(err)
		}
		if f.Type != wire.TypeNearest {
			continue
		}
		body, err := wire.ParseNearestBody(f.Body)
		if err != nil || body.Op != wire.OpStore {
			continue
		}
		rec, signer, err := identity.VerifyRecord(body.Rest, b.now)
		if err != nil || signer != wire.ID(b.cfg.Self) {
			b.t.Fatalf("record of %x: %v", signer, err)
		}
		a, err := wire.ParseAttachment(rec.Body)
		if err != nil || a.Leaf != wire.ID(b.cfg.Self) {
			b.t.Fatalf("attachment of %x: %v", a.Leaf, err)
		}
		all = append(all, asked{s, b.now, f, body, rec, a.Homes})
	}
	return all
}

// confirm answers a Store.
func (b *brain) confirm(s asked, why reason.Reason) []Action {
	body := wire.AppendAnswerBody(nil, &wire.AnswerBody{Nonce: s.body.Nonce, Kind: wire.AnswerStored, Reason: uint8(why)})
	return b.step(Control{Link: 1, Frame: wire.AppendFrame(nil, &wire.Frame{
		Type: wire.TypeAnswer, HopLimit: 64, Dst: wire.ID(b.cfg.Self), Src: wire.ID{9}, Body: body,
	})})
}

// home links a leaf with a relay that answers its ping after rtt.
func (b *brain) home(n int, rtt time.Duration) *Peer {
	b.t.Helper()
	p := b.peer(routing.ID(person(n).ID()), nil)
	b.up(p, nil)
	b.answers(p, rtt)
	return p
}

// answers lets p answer a ping.
func (b *brain) answers(p *Peer, rtt time.Duration) []Action {
	nonce := [8]byte{byte(b.number)}
	p.Link.Ping(b.now, nonce)
	p.Link.OnPong(b.now.Add(rtt), nonce)
	return b.step(Pong{p.Link})
}

func told(actions []Action, kind NoticeKind) (n int) {
	for _, t := range find[Tell](actions) {
		if t.Notice.Kind == kind {
			n++
		}
	}
	return n
}

func newLeaf(t *testing.T, homes int) *brain {
	set := as(person(1), true)
	return newBrain(t, func(c *Config) { set(c); c.Homes = homes })
}

func TestHomesStoreFrame(t *testing.T) {
	b := newLeaf(t, 1)
	p := b.home(2, 0)
	stores := b.asked(b.actions)
	if len(stores) != 1 {
		t.Fatalf("stores: got %d, want 1", len(stores))
	}
	s := stores[0]
	if s.K != 0 || s.frame.Class != wire.ClassControl || s.frame.HopLimit != 64 || s.frame.Dst != (wire.ID{}) ||
		string(s.frame.Return) != string(p.ID[:]) || s.frame.Detour != nil || s.frame.Waypoints != nil {
		t.Errorf("frame: got %+v, K %d", s.frame, s.K)
	}
	if s.body.Target != wire.Key(b.cfg.Self.Key()) || s.body.Nonce == [16]byte{} {
		t.Errorf("body: got %+v", s.body)
	}
	if s.record.TTL != limits.AttachmentTTL || !slices.Equal(s.homes, []wire.ID{wire.ID(p.ID)}) {
		t.Errorf("record: got ttl %d, homes %x", s.record.TTL, s.homes)
	}
	if got := b.Homes(); !slices.Equal(got, s.homes) {
		t.Errorf("homes: got %x, want %x", got, s.homes)
	}
}

func TestHomesResendUntilAnswered(t *testing.T) {
	b := newLeaf(t, 1)
	b.home(2, 0)
	stores := b.asked(b.actions)
	first := stores[0]
	for b.now.Sub(first.at) < 13*time.Second {
		at, ok := b.attachNext()
		if !ok {
			t.Fatal("nothing to do")
		}
		if at.After(b.now) {
			b.now = at
		}
		stores = append(stores, b.asked(b.step(Wake{}))...)
	}
	want := []time.Duration{0, 250, 750, 1750, 3750, 7750, 11750, 15750}
	for i, s := range stores {
		if got := s.at.Sub(first.at); got != want[i]*time.Millisecond || s.K != i || string(s.body.Rest) != string(first.body.Rest) || s.body.Nonce != first.body.Nonce {
			t.Errorf("store %d: got after %v, first hop %d, want after %v, the same record", i, got, s.K, want[i]*time.Millisecond)
		}
	}
	b.confirm(first, reason.None)
	if at, _ := b.attachNext(); at.Sub(first.at) != limits.AttachmentTTL*time.Second/2 {
		t.Errorf("after the answer: got the next thing to do after %v, want at half-life", at.Sub(first.at))
	}
}

func TestHomesRenewedAtHalfLife(t *testing.T) {
	b := newLeaf(t, 1)
	b.home(2, 0)
	last := b.asked(b.actions)[0]
	for i := range 4 {
		b.confirm(last, reason.None)
		b.now = last.at.Add(60*time.Second - 1)
		if got := b.asked(b.step(Wake{})); len(got) != 0 {
			t.Fatalf("renewal %d: too early", i)
		}
		b.now = last.at.Add(60 * time.Second)
		stores := b.asked(b.step(Wake{}))
		if len(stores) != 1 || stores[0].record.Sequence <= last.record.Sequence || stores[0].body.Nonce == last.body.Nonce || stores[0].K != 0 {
			t.Fatalf("renewal %d: got %+v", i, stores)
		}
		last = stores[0]
		if !b.Attached() {
			t.Errorf("renewal %d: not attached any more", i)
		}
	}
	b.now = last.at.Add(60 * time.Second) // the record before ends, this one is not confirmed
	if b.step(Wake{}); b.Attached() {
		t.Error("attached though the last confirmed record has ended")
	}
}

func TestHomesAttached(t *testing.T) {
	b := newLeaf(t, 2)
	p := b.home(2, 0)
	first := b.asked(b.actions)[0]
	if told(b.actions, NoticeAttached) != 0 || b.Attached() {
		t.Error("attached before a Store was answered")
	}
	if b.confirm(first, reason.Expired); b.Attached() {
		t.Error("attached by a refusal")
	}
	if got := b.drops.Get(reason.Expired); got != 1 {
		t.Errorf("refusals counted: got %d, want 1", got)
	}
	actions := b.confirm(first, reason.None)
	if told(actions, NoticeAttached) != 1 || !b.Attached() {
		t.Error("not attached after a Store was answered")
	}
	if n := find[Tell](actions)[0].Notice; n.Peer != p.ID || n.Link != p.Link {
		t.Errorf("notice: got %+v", n)
	}
	if told(b.confirm(first, reason.None), NoticeAttached) != 0 {
		t.Error("told twice")
	}

	q := b.home(3, 0)
	second := b.asked(b.actions)
	if len(second) != 1 || len(second[0].homes) != 2 || !b.Attached() {
		t.Fatalf("with a second home: got %+v, attached %v", second, b.Attached())
	}
	b.down(p, reason.Idle)
	if b.Attached() {
		t.Error("attached though the only home that was told of is gone")
	}
	if told(b.confirm(second[0], reason.None), NoticeAttached) != 1 || !b.Attached() {
		t.Error("not attached by the answer to an earlier Store, one of whose homes is there")
	}
	b.down(q, reason.Idle)
	if b.Attached() || len(b.Homes()) != 0 {
		t.Errorf("without homes: attached %v, homes %x", b.Attached(), b.Homes())
	}
	for _, a := range b.elapse(5 * time.Minute) {
		if len(b.asked([]Action{a.Action})) > 0 {
			t.Fatal("a Store without a home")
		}
	}
}

// A leaf whose clock is wrong is told so by whoever refuses its records, once,
// and once more if that happens again later.
func TestHomesClockDoubted(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, time.Hour} {
		leaf, relay := newLeaf(t, 1), newBrain(t, as(person(5), false))
		relay.now = leaf.now.Add(-skew)
		leaf.home(5, 0)
		there := relay.peer(leaf.cfg.Self, func(c *link.Config) { c.Leaf = true })
		relay.up(there, nil)
		carry := func(s asked) (notices []Notice) {
			for _, a := range find[SendFrame](relay.step(Control{Link: there.Link.Number, Frame: s.Frame})) {
				for _, n := range find[Tell](leaf.step(Control{Link: 1, Frame: a.Frame})) {
					if n.Notice.Kind == NoticeClockDoubted {
						notices = append(notices, n.Notice)
					}
				}
			}
			return notices
		}
		first := leaf.asked(leaf.actions)[0]
		if got := carry(first); len(got) != 1 || got[0].Peer != relay.cfg.Self || got[0].Reason == reason.None {
			t.Errorf("skew %v: got %+v, want one notice that names the holder", skew, got)
		}
		if got := carry(first); len(got) != 0 || leaf.Attached() {
			t.Errorf("skew %v: got %+v again, attached %v", skew, got, leaf.Attached())
		}
		relay.now = leaf.now // set right
		if got := carry(first); len(got) != 0 || !leaf.Attached() {
			t.Errorf("clock set right: got %+v, attached %v", got, leaf.Attached())
		}
		leaf.now = leaf.now.Add(time.Minute)
		relay.now = leaf.now.Add(-skew)
		if got := carry(leaf.asked(leaf.step(Wake{}))[0]); len(got) != 1 {
			t.Errorf("skew %v, later: got %+v, want one notice", skew, got)
		}
	}
}

// What else a holder refuses says nothing about the clock.
func TestHomesOtherRefusalsDoNotDoubtTheClock(t *testing.T) {
	b := newLeaf(t, 1)
	b.home(2, 0)
	s := b.asked(b.actions)[0]
	for _, why := range []reason.Reason{reason.Duplicate, reason.StoreFull, reason.Unsupported, reason.RateLimited} {
		if told(b.confirm(s, why), NoticeClockDoubted) != 0 {
			t.Errorf("%v: the clock is doubted", why)
		}
	}
}

func TestHomesForeignAnswersAreLeftAlone(t *testing.T) {
	b := newLeaf(t, 1)
	b.home(2, 0)
	s := b.asked(b.actions)[0]
	for _, c := range []struct {
		name string
		body wire.AnswerBody
		want bool
	}{
		{"another nonce", wire.AnswerBody{Nonce: [16]byte{1}, Kind: wire.AnswerStored}, false},
		{"another kind", wire.AnswerBody{Nonce: s.body.Nonce, Kind: wire.AnswerNodes}, false},
		{"ours", wire.AnswerBody{Nonce: s.body.Nonce, Kind: wire.AnswerStored}, true},
	} {
		if got := b.stored(b.now, &wire.Frame{Src: wire.ID{9}}, &c.body); got != c.want || b.Attached() != c.want {
			t.Errorf("%s: got %v, attached %v, want %v", c.name, got, b.Attached(), c.want)
		}
	}
}

func TestHomesChosen(t *testing.T) {
	const ms = time.Millisecond
	id := func(n int) wire.ID { return person(n).ID() }
	suspect := func(n int) func(*brain, map[int]*Peer) {
		return func(b *brain, p map[int]*Peer) { b.step(LinkHealth{p[n].Link, true}) }
	}
	down := func(n int) func(*brain, map[int]*Peer) {
		return func(b *brain, p map[int]*Peer) { b.down(p[n], reason.Idle) }
	}
	for _, tt := range []struct {
		name string
		rtts []time.Duration // of relays 0, 1, ...
		then []func(*brain, map[int]*Peer)
		want []int
	}{
		{"the fastest first", []time.Duration{30 * ms, 10 * ms, 20 * ms}, nil, []int{1, 2, 0}},
		{"the oldest of the equally fast", []time.Duration{10 * ms, 10*ms + 1, 10 * ms}, nil, []int{0, 1, 2}},
		{"a faster one does not displace a home", []time.Duration{30 * ms, 20 * ms, 20 * ms, ms}, nil, []int{1, 2, 0}},
		{"a home that goes is replaced", []time.Duration{30 * ms, 20 * ms, 25 * ms, ms}, []func(*brain, map[int]*Peer){down(1)}, []int{3, 2, 0}},
		{"by the best of the others", []time.Duration{ms, ms, ms, 3 * ms, 2 * ms}, []func(*brain, map[int]*Peer){down(1)}, []int{0, 2, 4}},
		{"a suspect one is replaced", []time.Duration{ms, ms, ms, 3 * ms}, []func(*brain, map[int]*Peer){suspect(2)}, []int{0, 1, 3}},
		{"a suspect one is better than none", []time.Duration{ms, 2 * ms, 3 * ms}, []func(*brain, map[int]*Peer){suspect(2)}, []int{0, 1, 2}},
		{"but does not come first", []time.Duration{ms, 2 * ms, 3 * ms}, []func(*brain, map[int]*Peer){suspect(0)}, []int{1, 2, 0}},
		{"unless all are", []time.Duration{ms}, []func(*brain, map[int]*Peer){suspect(0)}, []int{0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newLeaf(t, 3)
			peers := map[int]*Peer{}
			for i, rtt := range tt.rtts {
				peers[i] = b.home(10+i, rtt)
			}
			for _, f := range tt.then {
				f(b, peers)
			}
			var want []wire.ID
			for _, n := range tt.want {
				want = append(want, id(10+n))
			}
			if got := b.Homes(); !slices.Equal(got, want) {
				t.Errorf("homes: got %x, want %x", got, want)
			}
			last := b.attach.stores[len(b.attach.stores)-1]
			if !slices.Equal(last.homes, want) {
				t.Errorf("the record tells of %x, want %x", last.homes, want)
			}
		})
	}
}

func TestHomesWanted(t *testing.T) {
	for _, c := range []struct{ set, want int }{{0, limits.LeafHomes}, {1, 1}, {4, 4}, {9, limits.Homes}} {
		b := newLeaf(t, c.set)
		if got := b.wantsHomes(); got != c.want {
			t.Errorf("Homes %d: wants %d, want %d", c.set, got, c.want)
		}
		for i := range c.want + 1 {
			b.home(10+i, 0)
			if got := b.wantsHomes(); got != max(0, c.want-i-1) {
				t.Errorf("Homes %d with %d links: wants %d", c.set, i+1, got)
			}
		}
		if got := len(b.Homes()); got != c.want {
			t.Errorf("Homes %d: got %d homes, want %d", c.set, got, c.want)
		}
	}
}

// Who may have one link does not look for three homes.
func TestHomesWantedOfFewLinks(t *testing.T) {
	b := newLeaf(t, 0)
	b.cfg.MaxRelays = 1
	if got := b.wantsHomes(); got != 1 {
		t.Errorf("with room for one link: wants %d homes, want 1", got)
	}
}

func TestHomesOnlyRelaysThatAnswered(t *testing.T) {
	b := newLeaf(t, 3)
	p := b.peer(routing.ID(person(2).ID()), nil)
	if actions := b.up(p, nil); len(b.asked(actions)) != 0 || len(b.Homes()) != 0 {
		t.Error("a home that has not answered a ping")
	}
	if b.answers(p, 0); len(b.Homes()) != 1 {
		t.Error("no home after the answer")
	}
}

func TestHomesOfARelay(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	p := b.peer(routing.ID(person(2).ID()), nil)
	if b.up(p, nil); b.Attached() {
		t.Error("attached before a peer answered")
	}
	if b.answers(p, 0); !b.Attached() || b.Homes() != nil || b.wantsHomes() != 0 {
		t.Errorf("got attached %v, homes %x, wants %d", b.Attached(), b.Homes(), b.wantsHomes())
	}
	if b.down(p, reason.Idle); b.Attached() {
		t.Error("attached without a link")
	}
}

func TestHomesLeaving(t *testing.T) {
	b := newLeaf(t, 3)
	p := b.home(2, 0)
	first := b.asked(b.actions)[0]
	b.confirm(first, reason.None)
	stores := b.asked(b.step(act((*Engine).detach)))
	if len(stores) != 1 || stores[0].record.TTL != 0 || len(stores[0].homes) != 0 || stores[0].record.Sequence <= first.record.Sequence {
		t.Fatalf("got %+v, want one withdrawal", stores)
	}
	if b.Attached() || b.wantsHomes() != 0 {
		t.Error("attached, or in want of homes, while it leaves")
	}
	if again := b.asked(b.step(act((*Engine).detach))); len(again) != 0 {
		t.Error("withdrawn twice")
	}
	if late := b.asked(b.answers(p, 0)); len(late) != 0 {
		t.Error("attaches again")
	}
	if _, ok := b.attachNext(); ok {
		t.Error("still something to do")
	}
}

// What was sent and may yet be confirmed is bounded, and an answer to an earlier
// Store does not count for more than one to a later.
func TestHomesStoresUnderWay(t *testing.T) {
	b := newLeaf(t, 1)
	var stores []asked
	for i := range 3 * limits.Homes {
		p := b.home(10+i, 0)
		stores = append(stores, b.asked(b.actions)...)
		b.down(p, reason.Idle)
	}
	var last *Peer
	for i := range 3 * limits.Homes { // a home that comes while another is there changes nothing
		last = b.home(100+i, 0)
		stores = append(stores, b.asked(b.actions)...)
	}
	if len(stores) != 3*limits.Homes+1 || last == nil {
		t.Fatalf("stores: got %d, want %d", len(stores), 3*limits.Homes+1)
	}
	for range 20 {
		b.step(act(func(e *Engine, now time.Time) { e.attest(now, e.Homes()) }))
		stores = append(stores, b.asked(b.actions)...)
		if got := len(b.attach.stores); got > limits.Homes {
			t.Fatalf("stores under way: got %d, want at most %d", got, limits.Homes)
		}
	}
	n := len(stores)
	b.confirm(stores[n-1], reason.None)
	b.confirm(stores[n-2], reason.None)
	if got := b.attach.standing.nonce; got != stores[n-1].body.Nonce {
		t.Errorf("standing: got %x, want the last", got)
	}
	b.confirm(stores[0], reason.None)
	if got := b.drops.Get(reason.Unsolicited); got != 1 {
		t.Errorf("an answer to what was given up long ago: counted %d times, want once", got)
	}
}

// A leaf and its home, each with its own links: what the leaf asks for finds its
// way, is kept, confirmed, and withdrawn.
func TestHomesAreFoundAtTheHolder(t *testing.T) {
	leaf, relay := newLeaf(t, 1), newBrain(t, as(person(5), false))
	home := leaf.home(5, 0)
	there := relay.peer(leaf.cfg.Self, func(c *link.Config) { c.Leaf = true })
	asking := leaf.actions
	relay.up(there, nil)
	relay.step(Pong{there.Link})
	carry := func(actions []Action) {
		t.Helper()
		for _, s := range leaf.asked(actions) {
			v := leaf.Snapshot().ForwardOwn(NewIngress(nil), s.Frame, s.K, leaf.now)
			if v.Action != ActionSend || v.Peer != home {
				t.Fatalf("the Store: got %v, %v", v.Action, v.Reason)
			}
			v = relay.Snapshot().Forward(NewIngress(there), v.Frame, relay.now)
			if v.Action != ActionAnswer {
				t.Fatalf("the Store at the relay: got %v, %v", v.Action, v.Reason)
			}
			for _, a := range find[SendFrame](relay.step(Control{Link: there.Link.Number, Frame: v.Frame})) {
				v = relay.Snapshot().ForwardOwn(NewIngress(nil), a.Frame, a.K, relay.now)
				if v.Action != ActionSend || v.Peer != there {
					t.Fatalf("the answer: got %v, %v", v.Action, v.Reason)
				}
				if v = leaf.Snapshot().Forward(NewIngress(home), v.Frame, leaf.now); v.Action != ActionDeliver {
					t.Fatalf("the answer at the leaf: got %v, %v", v.Action, v.Reason)
				}
				leaf.step(Control{Link: home.Link.Number, Frame: v.Frame})
			}
		}
	}
	carry(asking)
	if homes, ok := relay.holder.store.Attachment(wire.ID(leaf.cfg.Self)); !ok || homes[0] != wire.ID(home.ID) || !leaf.Attached() {
		t.Errorf("held: got %x, %v, attached %v", homes, ok, leaf.Attached())
	}
	leaf.step(act((*Engine).detach))
	carry(leaf.actions)
	if _, ok := relay.holder.store.Attachment(wire.ID(leaf.cfg.Self)); ok {
		t.Error("found after it was withdrawn")
	}
}
