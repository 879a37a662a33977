package engine

import (
	"errors"
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

// gave is a record that a leaf gave to a relay.
type gave struct {
	to     *link.Link
	frame  []byte
	record wire.Record
	homes  []wire.ID
}

func (b *brain) gave(actions []Action) (all []gave) {
	b.t.Helper()
	for _, s := range find[SendLink](actions) {
		if wire.LinkType(s.Frame[0]) != wire.LinkRecord {
			continue
		}
		c, err := wire.ParseLinkRecord(s.Frame)
		if err != nil {
			b.t.Fatal(err)
		}
		rec, signer, err := identity.VerifyRecord(c.Record, b.now)
		if err != nil || signer != wire.ID(b.cfg.Self) || c.Remaining != rec.TTL {
			b.t.Fatalf("record of %x, %d s of %d left: %v", signer, c.Remaining, rec.TTL, err)
		}
		a, err := wire.ParseAttachment(rec.Body)
		if err != nil || a.Leaf != wire.ID(b.cfg.Self) {
			b.t.Fatalf("attachment of %x: %v", a.Leaf, err)
		}
		all = append(all, gave{s.Link, s.Frame, rec, a.Homes})
	}
	return all
}

// confirm answers a record.
func (b *brain) confirm(g gave, why reason.Reason) []Action {
	return b.step(LinkFrame{g.to, wire.AppendHeld(nil, wire.Held{Sequence: g.record.Sequence, Reason: uint8(why)})})
}

// confirmAll has every relay say Held to what it was given, and to what it is given then.
func (b *brain) confirmAll() (actions []Action) {
	b.t.Helper()
	due := b.gave(b.actions)
	for i := 0; i < len(due); i++ {
		if b.links.byNumber[due[i].to.Number] == nil {
			continue
		}
		more := b.confirm(due[i], reason.None)
		actions, due = append(actions, more...), append(due, b.gave(more)...)
		if len(due) > 1000 {
			b.t.Fatal("records without end")
		}
	}
	return actions
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

func TestHomesRecord(t *testing.T) {
	b := newLeaf(t, 1)
	p := b.home(2, 0)
	given := b.gave(b.actions)
	if len(given) != 1 {
		t.Fatalf("records given: got %d, want 1", len(given))
	}
	if g := given[0]; g.to != p.Link || g.record.TTL != limits.AttachmentTTL || !slices.Equal(g.homes, []wire.ID{wire.ID(p.ID)}) {
		t.Errorf("got life %d, homes %x", g.record.TTL, g.homes)
	}
	if got := b.Homes(); !slices.Equal(got, given[0].homes) {
		t.Errorf("homes: got %x, want %x", got, given[0].homes)
	}
	if len(find[SendFrame](b.actions)) != 0 {
		t.Error("a leaf sends into the mesh: nothing of a join waits for that")
	}
}

func TestHomesRenewedAtHalfLife(t *testing.T) {
	b := newLeaf(t, 1)
	b.home(2, 0)
	last := b.gave(b.actions)[0]
	for i := range 4 {
		at := b.now
		b.confirm(last, reason.None)
		b.now = at.Add(60*time.Second - 1)
		if got := b.gave(b.step(Wake{})); len(got) != 0 {
			t.Fatalf("renewal %d: too early", i)
		}
		b.now = at.Add(60 * time.Second)
		given := b.gave(b.step(Wake{}))
		if len(given) != 1 || given[0].record.Sequence <= last.record.Sequence {
			t.Fatalf("renewal %d: got %+v", i, given)
		}
		last = given[0]
		if !b.Attached() {
			t.Errorf("renewal %d: not attached any more", i)
		}
	}
	b.now = b.now.Add(60 * time.Second) // the record before ends, this one is not confirmed
	if b.step(Wake{}); b.Attached() {
		t.Error("attached though the last record that a home said Held to has ended")
	}
}

func TestHomesAttached(t *testing.T) {
	b := newLeaf(t, 2)
	p := b.home(2, 0)
	first := b.gave(b.actions)[0]
	if told(b.actions, NoticeAttached) != 0 || b.Attached() {
		t.Error("attached before a home said Held")
	}
	if b.confirm(first, reason.Unsupported); b.Attached() {
		t.Error("attached by a refusal")
	}
	if got := b.drops.Get(reason.Unsupported); got != 1 {
		t.Errorf("refusals counted: got %d, want 1", got)
	}
	actions := b.confirm(first, reason.None)
	if told(actions, NoticeAttached) != 1 || !b.Attached() {
		t.Error("not attached though a home said Held")
	}
	if n := find[Tell](actions)[0].Notice; n.Peer != p.ID || n.Link != p.Link {
		t.Errorf("notice: got %+v", n)
	}
	if told(b.confirm(first, reason.None), NoticeAttached) != 0 {
		t.Error("told twice")
	}

	q := b.home(3, 0)
	probe := b.gave(b.actions)
	if len(probe) != 1 || probe[0].to != q.Link || !slices.Equal(probe[0].homes, first.homes) {
		t.Fatalf("a second relay: got %+v, want it to prove itself by the record that there is", probe)
	}
	second := b.gave(b.confirm(probe[0], reason.None))
	if len(second) != 2 || len(second[0].homes) != 2 || !b.Attached() {
		t.Fatalf("with a second home: got %+v, attached %v", second, b.Attached())
	}
	b.down(p, reason.Idle)
	if b.Attached() {
		t.Error("attached though the only home that holds a record which names it is gone")
	}
	i := slices.IndexFunc(second, func(g gave) bool { return g.to == q.Link })
	if told(b.confirm(second[i], reason.None), NoticeAttached) != 1 || !b.Attached() {
		t.Error("not attached by the answer to an earlier record that names the home")
	}
	b.down(q, reason.Idle)
	if b.Attached() || len(b.Homes()) != 0 {
		t.Errorf("without homes: attached %v, homes %x", b.Attached(), b.Homes())
	}
	for _, a := range b.elapse(5 * time.Minute) {
		if len(b.gave([]Action{a.Action})) > 0 {
			t.Fatal("a record without a home")
		}
	}
}

// A relay that answers pings and nothing else is no home: after 2 s another one
// is asked, and whoever waits learns which relay it is, and why.
func TestHomesSilentRelay(t *testing.T) {
	b := newLeaf(t, 1)
	silent := b.home(2, 0)
	begun := b.now
	var told []Notice
	for _, a := range b.elapse(limits.HeldWait) {
		if n, ok := a.Action.(Tell); ok && n.Notice.Kind == NoticeNoHome {
			told = append(told, n.Notice)
			if a.at.Sub(begun) != limits.HeldWait {
				t.Errorf("told after %v, want %v", a.at.Sub(begun), limits.HeldWait)
			}
		}
	}
	var why *HomeError
	if len(told) != 1 || told[0].Peer != silent.ID || !errors.As(told[0].Err, &why) || why.Relay != silent.ID {
		t.Fatalf("notices: got %+v, want one that names the relay", told)
	}
	if b.Attached() || b.wantsHomes() != 1 {
		t.Errorf("attached %v, wants %d homes, want one more", b.Attached(), b.wantsHomes())
	}
	other := b.home(3, 0)
	b.confirmAll()
	if !b.Attached() || !slices.Equal(b.Homes(), []wire.ID{wire.ID(other.ID)}) {
		t.Fatalf("attached %v, homes %x, want the other relay alone", b.Attached(), b.Homes())
	}
	last := b.attach.said[len(b.attach.said)-1]
	late := gave{to: silent.Link, record: wire.Record{Sequence: b.attach.relays[silent.ID].asked}}
	if b.confirm(late, reason.None); !b.attach.relays[silent.ID].good() || b.attach.said[len(b.attach.said)-1].sequence != last.sequence {
		t.Error("a late answer: got the homes changed or the relay still given up")
	}
}

// While it has no other relay a leaf goes on to ask, and names what it has.
func TestHomesLoneSilentRelay(t *testing.T) {
	b := newLeaf(t, 3)
	p := b.home(2, 0)
	asked, notices := 0, 0
	for _, a := range b.elapse(50 * time.Second) {
		asked += len(b.gave([]Action{a.Action}))
		notices += told([]Action{a.Action}, NoticeNoHome)
	}
	if notices != 1 || asked < 10 || asked > 20 {
		t.Errorf("got %d notices and %d records, want one and some 15", notices, asked)
	}
	if homes := b.Homes(); b.Attached() || !slices.Equal(homes, []wire.ID{wire.ID(p.ID)}) {
		t.Errorf("attached %v, homes %x", b.Attached(), homes)
	}
	if b.confirm(gave{to: p.Link, record: wire.Record{Sequence: b.attach.relays[p.ID].asked}}, reason.None); !b.Attached() {
		t.Error("not attached once it answers")
	}
}

// A busy relay may drop the record: it is told again.
func TestHomesToldAgain(t *testing.T) {
	b := newLeaf(t, 1)
	p := b.home(2, 0)
	first := b.gave(b.actions)[0]
	begun := b.now
	var again []time.Duration
	for _, a := range b.elapse(limits.HeldWait - 1) {
		for _, g := range b.gave([]Action{a.Action}) {
			if g.record.Sequence != first.record.Sequence || g.to != p.Link {
				t.Errorf("got another record, or to another link: %+v", g)
			}
			again = append(again, a.at.Sub(begun))
		}
	}
	if want := []time.Duration{limits.HeldRetry, 2 * limits.HeldRetry, 3 * limits.HeldRetry}; !slices.Equal(again, want) {
		t.Errorf("told again after %v, want %v", again, want)
	}
	if b.confirm(first, reason.None); !b.Attached() {
		t.Error("not attached")
	}
}

// A leaf whose clock is wrong is told so by its home, once, and once more if that
// happens again later.
func TestHomesClockDoubted(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, time.Hour} {
		leaf, relay := newLeaf(t, 1), newBrain(t, as(person(5), false))
		relay.now = leaf.now.Add(-skew)
		home := leaf.home(5, 0)
		there := relay.peer(leaf.cfg.Self, func(c *link.Config) { c.Leaf = true })
		relay.up(there, nil)
		carry := func(actions []Action) (notices []Notice) {
			for _, g := range leaf.gave(actions) {
				for _, s := range find[SendLink](relay.step(LinkFrame{there.Link, g.frame})) {
					for _, n := range find[Tell](leaf.step(LinkFrame{home.Link, s.Frame})) {
						if n.Notice.Kind == NoticeClockDoubted {
							notices = append(notices, n.Notice)
						}
					}
				}
			}
			return notices
		}
		if got := carry(leaf.actions); len(got) != 1 || got[0].Peer != relay.cfg.Self || got[0].Reason == reason.None {
			t.Errorf("skew %v: got %+v, want one notice that names the home", skew, got)
		}
		elapse := func(d time.Duration) (notices []Notice) {
			for end := leaf.now.Add(d); leaf.now.Before(end); {
				at, _ := leaf.attachNext()
				leaf.now, relay.now = at, relay.now.Add(at.Sub(leaf.now))
				notices = append(notices, carry(leaf.step(Wake{}))...)
			}
			return notices
		}
		if got := elapse(10 * time.Second); len(got) != 0 || leaf.Attached() {
			t.Errorf("skew %v: got %+v again, attached %v", skew, got, leaf.Attached())
		}
		relay.now = leaf.now // set right
		if got := elapse(2 * limits.HeldAgain); len(got) != 0 || !leaf.Attached() {
			t.Errorf("clock set right: got %+v, attached %v", got, leaf.Attached())
		}
		relay.now = leaf.now.Add(-skew)
		if got := elapse(time.Minute); len(got) != 1 {
			t.Errorf("skew %v, later: got %+v, want one notice", skew, got)
		}
	}
}

// What else a home refuses says nothing about the clock, and is told.
func TestHomesOtherRefusalsDoNotDoubtTheClock(t *testing.T) {
	for _, why := range []reason.Reason{reason.Duplicate, reason.StoreFull, reason.Unsupported, reason.RateLimited} {
		b := newLeaf(t, 1)
		p := b.home(2, 0)
		actions := b.confirm(b.gave(b.actions)[0], why)
		if told(actions, NoticeClockDoubted) != 0 || told(actions, NoticeNoHome) != 1 {
			t.Errorf("%v: got %+v, want one notice about the relay", why, find[Tell](actions))
		}
		if again := b.confirm(gave{to: p.Link, record: wire.Record{Sequence: b.attach.relays[p.ID].asked}}, why); told(again, NoticeNoHome) != 0 {
			t.Errorf("%v: told twice", why)
		}
	}
}

func TestHomesForeignAnswersAreLeftAlone(t *testing.T) {
	b := newLeaf(t, 1)
	p := b.home(2, 0)
	g := b.gave(b.actions)[0]
	stranger := b.peer(routing.ID(person(3).ID()), nil)
	b.up(stranger, nil)
	for name, c := range map[string]gave{
		"another sequence": {to: p.Link, record: wire.Record{Sequence: g.record.Sequence + 1}},
		"not asked":        {to: stranger.Link, record: g.record},
	} {
		before := b.drops.Get(reason.Unsolicited)
		if b.confirm(c, reason.None); b.Attached() || b.drops.Get(reason.Unsolicited) != before+1 {
			t.Errorf("%s: attached %v, counted %v", name, b.Attached(), b.drops.Map())
		}
	}
	if b.confirm(g, reason.None); !b.Attached() {
		t.Error("ours: not attached")
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
				b.confirmAll()
			}
			for _, f := range tt.then {
				f(b, peers)
				b.confirmAll()
			}
			var want []wire.ID
			for _, n := range tt.want {
				want = append(want, id(10+n))
			}
			if got := b.Homes(); !slices.Equal(got, want) {
				t.Errorf("homes: got %x, want %x", got, want)
			}
			last := b.attach.said[len(b.attach.said)-1]
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
			b.confirmAll()
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
	if actions := b.up(p, nil); len(b.gave(actions)) != 0 || len(b.Homes()) != 0 {
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
	first := b.gave(b.actions)[0]
	b.confirm(first, reason.None)
	given := b.gave(b.step(act((*Engine).detach)))
	if len(given) != 1 || given[0].record.TTL != 0 || given[0].record.Sequence <= first.record.Sequence || !slices.Equal(given[0].homes, first.homes) {
		t.Fatalf("got %+v, want one withdrawal that names the homes", given)
	}
	if b.Attached() || b.wantsHomes() != 0 {
		t.Error("attached, or in want of homes, while it leaves")
	}
	if again := b.gave(b.step(act((*Engine).detach))); len(again) != 0 {
		t.Error("withdrawn twice")
	}
	if late := b.gave(b.answers(p, 0)); len(late) != 0 {
		t.Error("attaches again")
	}
	if b.confirm(first, reason.None); b.Attached() {
		t.Error("a late answer attaches it")
	}
	if _, ok := b.attachNext(); ok {
		t.Error("still something to do")
	}
}

// What may yet be answered is bounded.
func TestHomesRecordsUnderWay(t *testing.T) {
	b := newLeaf(t, 1)
	b.home(2, 0)
	first := b.gave(b.actions)[0]
	for range 20 {
		b.step(act(func(e *Engine, now time.Time) { e.attest(now, e.Homes()) }))
		if got := len(b.attach.said); got > limits.HeldAwaited {
			t.Fatalf("records that may be answered: got %d, want at most %d", got, limits.HeldAwaited)
		}
	}
	if b.confirm(first, reason.None); b.Attached() || b.drops.Get(reason.Unsolicited) != 1 {
		t.Errorf("an answer to what was given up long ago: attached %v, counted %v", b.Attached(), b.drops.Map())
	}
	for i := range 50 {
		p := b.home(10+i, 0)
		b.down(p, reason.Idle)
	}
	if got := len(b.attach.relays); got != 1 {
		t.Errorf("relays known: got %d, want the one that is linked", got)
	}
}

// A leaf and its home, each with its own links: what the leaf gives is held,
// confirmed, and withdrawn.
func TestHomesAreFoundAtTheHome(t *testing.T) {
	leaf, relay := newLeaf(t, 1), newBrain(t, as(person(5), false))
	home := leaf.home(5, 0)
	there := relay.peer(leaf.cfg.Self, func(c *link.Config) { c.Leaf = true })
	asking := leaf.actions
	relay.up(there, nil)
	relay.step(Pong{there.Link})
	carry := func(actions []Action) {
		t.Helper()
		for _, g := range leaf.gave(actions) {
			for _, a := range find[SendLink](relay.step(LinkFrame{there.Link, g.frame})) {
				leaf.step(LinkFrame{home.Link, a.Frame})
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
