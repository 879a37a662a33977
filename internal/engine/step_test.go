package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport/mem"
)

// brain is an engine under test, stepped by hand.
type brain struct {
	*Engine
	t       testing.TB
	now     time.Time
	drops   reason.Counters
	number  uint64
	actions []Action // of the last step
}

func newBrain(t testing.TB, change func(*Config)) *brain {
	t.Helper()
	b := &brain{t: t, now: time.Unix(1_700_000_000, 0)}
	cfg := Config{
		Self: routing.ID{0x50}, MaxRelays: 3, MaxLeaves: 2,
		Rand: rand.New(rand.NewPCG(1, 2)), Drops: &b.drops,
		Verify: identity.VerifyRecord,
	}
	self := identity.FromSeed([32]byte{0x50})
	sequence := uint64(0)
	cfg.Sign = func(kind wire.RecordKind, now time.Time, ttl uint16, body []byte) []byte {
		sequence = identity.NextSequence(sequence, now)
		return self.Sign(kind, sequence, ttl, body)
	}
	cfg.Contact = func(now time.Time) []byte {
		body := wire.AppendContact(nil, &wire.Contact{Role: wire.RoleRelay, URLs: []string{"mem://self"}})
		return cfg.Sign(wire.RecordContact, now, limits.ContactTTL, body)
	}
	var err error
	cfg.Sessions, err = session.New(session.Config{
		Self: wire.ID{0x50}, Instance: wire.Instance{1}, Null: true, Rand: rand.NewChaCha8([32]byte{1}), Drops: &b.drops,
		Emit: func([]byte, session.Choice) (wire.ID, bool) { return wire.ID{}, false },
	})
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.Engine = e
	return b
}

func (b *brain) step(ev Event) []Action {
	b.actions = slices.Clone(b.Step(b.now, ev))
	return b.actions
}

// peer makes a link that proved itself, not yet told to the engine.
func (b *brain) peer(id routing.ID, change func(*link.Config)) *Peer {
	b.t.Helper()
	near, far := mem.Pipe()
	b.t.Cleanup(func() { near.Close(); far.Close() })
	b.number++
	cfg := link.Config{Number: b.number, Peer: wire.ID(id), Carrier: near, Instance: wire.Instance{1}}
	if change != nil {
		change(&cfg)
	}
	return NewPeer(link.New(cfg, b.now))
}

func (b *brain) up(p *Peer, t *Target) []Action { return b.step(LinkUp{Peer: p, Target: t}) }

func (b *brain) down(p *Peer, why reason.Reason) []Action { return b.step(LinkDown{p.Link, why, nil}) }

// runFor steps Wake whenever it is due, and fails every dial; it returns when
// each dial was begun.
func (b *brain) runFor(d time.Duration) (dials []time.Time) {
	end := b.now.Add(d)
	fail := func(actions []Action) {
		for len(actions) > 0 {
			a := actions[0]
			actions = actions[1:]
			if dial, ok := a.(Dial); ok {
				dials = append(dials, b.now)
				actions = append(actions, b.step(DialFailed{Target: dial.Target, Stage: "connect", Err: errors.New("refused")})...)
			}
		}
	}
	fail(b.actions)
	for {
		at, ok := b.Next()
		if !ok || at.After(end) {
			b.now = end
			return dials
		}
		if at.After(b.now) {
			b.now = at
		}
		fail(b.step(Wake{}))
	}
}

func find[T Action](actions []Action) (found []T) {
	for _, a := range actions {
		if x, ok := a.(T); ok {
			found = append(found, x)
		}
	}
	return found
}

func (b *brain) joining(urls ...string) []*Target {
	b.t.Helper()
	var specs []TargetSpec
	for _, u := range urls {
		specs = append(specs, TargetSpec{URL: secret.URL(u)})
	}
	var targets []*Target
	for _, d := range find[Dial](b.step(Join{specs})) {
		targets = append(targets, d.Target)
	}
	return targets
}

func TestStepRetriesWithoutALink(t *testing.T) {
	b := newBrain(t, nil)
	b.joining("ws://a")
	dials := b.runFor(time.Minute)
	for i := 1; i < len(dials); i++ {
		if gap := dials[i].Sub(dials[i-1]); gap > limits.BootstrapRetry || gap < limits.BootstrapRetry/4 {
			t.Errorf("pause %d: got %v, want at most %v and not a storm", i, gap, limits.BootstrapRetry)
		}
	}
	if len(dials) < 30 {
		t.Errorf("dials in a minute: got %d, want at least 30", len(dials))
	}
}

func TestStepBacksOffBesideALink(t *testing.T) {
	b := newBrain(t, nil)
	b.up(b.peer(routing.ID{1}, nil), nil)
	b.joining("ws://a")
	dials := b.runFor(10 * time.Minute)
	if n := len(dials); n < 20 || n > 50 {
		t.Errorf("dials in ten minutes: got %d, want 20 to 50", n)
	}
	last := dials[len(dials)-1].Sub(dials[len(dials)-2])
	if last < limits.BootstrapRetryLive/2 || last > limits.BootstrapRetryLive {
		t.Errorf("the last pause: got %v, want %v at most and half of it at least", last, limits.BootstrapRetryLive)
	}
}

func TestStepHurriesWhenTheLastLinkGoes(t *testing.T) {
	b := newBrain(t, nil)
	p := b.peer(routing.ID{1}, nil)
	b.up(p, nil)
	b.joining("ws://a")
	b.runFor(5 * time.Minute)
	b.down(p, reason.Idle)
	begin := b.now
	dials := b.runFor(limits.BootstrapRetry)
	if len(dials) == 0 || dials[0].Sub(begin) > limits.BootstrapRetry {
		t.Errorf("dials within %v of the last link's end: got %d, want one", limits.BootstrapRetry, len(dials))
	}
}

func TestStepBoundsDialsAndTargets(t *testing.T) {
	b := newBrain(t, nil)
	var urls []string
	for i := range 2 * limits.BootstrapURLs {
		urls = append(urls, fmt.Sprintf("ws://%d", i))
	}
	if got := len(b.joining(urls...)); got != limits.DialsInFlight {
		t.Errorf("dials under way: got %d, want %d", got, limits.DialsInFlight)
	}
	if got := len(b.Targets()); got != limits.BootstrapURLs {
		t.Errorf("targets: got %d, want %d", got, limits.BootstrapURLs)
	}
	if at, ok := b.Next(); ok && !at.After(b.now) {
		t.Error("the engine wants to be woken at once with nothing to do")
	}
}

func TestStepAdmission(t *testing.T) {
	leaf := func(c *link.Config) { c.Leaf = true }
	out := func(c *link.Config) { c.Outbound = true }
	for _, c := range []struct {
		name   string
		before int // relays linked
		leaves int
		change func(*link.Config)
		want   reason.Reason
	}{
		{"room for a relay", 2, 2, nil, reason.None},
		{"no room for a relay", 3, 0, nil, reason.LinkLimit},
		{"relays do not take the place of leaves", 3, 1, leaf, reason.None},
		{"no room for a leaf", 0, 2, leaf, reason.LinkLimit},
		{"dialled by us with all places taken", 3, 0, out, reason.LinkLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBrain(t, nil)
			for i := range c.before {
				b.up(b.peer(routing.ID{1, byte(i)}, nil), nil)
			}
			for i := range c.leaves {
				b.up(b.peer(routing.ID{2, byte(i)}, leaf), nil)
			}
			actions := b.up(b.peer(routing.ID{9}, c.change), nil)
			closed := find[CloseLink](actions)
			if c.want == reason.None && len(closed) > 0 || c.want != reason.None && (len(closed) != 1 || closed[0].Reason != c.want) {
				t.Errorf("closed: got %v, want reason %v", closed, c.want)
			}
		})
	}
}

func TestStepDuplicates(t *testing.T) {
	id := routing.ID{1} // lower than our own
	inbound := func(dial uint32) func(*link.Config) {
		return func(c *link.Config) { c.Dial = dial }
	}
	t.Run("the newer dial of the peer stays", func(t *testing.T) {
		b := newBrain(t, nil)
		old, fresh := b.peer(id, inbound(1)), b.peer(id, inbound(2))
		b.up(old, nil)
		closed := find[CloseLink](b.up(fresh, nil))
		if len(closed) != 1 || closed[0].Link != old.Link || closed[0].Reason != reason.Replaced {
			t.Errorf("closed: got %v, want the old one, replaced", closed)
		}
		if got := b.links.live(); got != 1 {
			t.Errorf("live: got %d, want 1", got)
		}
	})
	t.Run("both dialled: the lower's stays once it answers", func(t *testing.T) {
		b := newBrain(t, func(c *Config) { c.Self = routing.ID{0, 1} })
		theirs := b.peer(id, inbound(1))
		ours := b.peer(id, func(c *link.Config) { c.Outbound = true })
		b.up(theirs, nil)
		if closed := find[CloseLink](b.up(ours, nil)); len(closed) > 0 {
			t.Fatalf("closed before the survivor answered: %v", closed)
		}
		closed := find[CloseLink](b.step(Pong{ours.Link}))
		if len(closed) != 1 || closed[0].Link != theirs.Link {
			t.Errorf("closed: got %v, want theirs", closed)
		}
	})
}

func TestStepSnapshotFollowsTheLinks(t *testing.T) {
	b := newBrain(t, nil)
	p := b.peer(routing.ID{1}, nil)
	to := wire.ID{1}
	hops := func() int { return b.Snapshot().FirstHops(to) }
	if hops() != 0 {
		t.Fatal("a way without a link")
	}
	b.up(p, nil)
	if hops() == 0 {
		t.Error("no way to a linked peer")
	}
	b.step(LinkHealth{p.Link, true})
	if hops() == 0 {
		t.Error("no way over the only link, though suspect")
	}
	b.up(b.peer(routing.ID{2}, nil), nil)
	if hops() != 1 {
		t.Errorf("ways beside a suspect link: got %d, want 1", hops())
	}
	b.step(LinkHealth{p.Link, false})
	if hops() != 2 {
		t.Errorf("ways with a link in good standing again: got %d, want 2", hops())
	}
	actions := b.down(p, reason.Idle)
	if hops() != 1 {
		t.Errorf("ways after a link has ended: got %d, want 1", hops())
	}
	if len(find[Reforward](actions)) != 1 {
		t.Error("what waited on the ended link is not forwarded anew")
	}
}

func TestStepSuspectLinkGivesItsFramesBack(t *testing.T) {
	b := newBrain(t, nil)
	p := b.peer(routing.ID{1}, nil)
	b.up(p, nil)
	b.up(b.peer(routing.ID{2}, nil), nil)
	if got := find[Reforward](b.step(LinkHealth{p.Link, true})); len(got) != 1 {
		t.Errorf("got %d, want 1", len(got))
	}
	if got := find[Reforward](b.step(LinkHealth{p.Link, true})); len(got) != 0 {
		t.Errorf("told twice: got %d, want 0", len(got))
	}
}

func TestStepReplacedWaitsLongerEachTime(t *testing.T) {
	b := newBrain(t, nil)
	target := b.joining("ws://a")[0]
	var waits []time.Duration
	for range 6 {
		p := b.peer(routing.ID{1}, func(c *link.Config) { c.Outbound = true })
		b.up(p, target)
		b.step(Pong{p.Link})
		b.step(Goodbye{Link: p.Link, Reason: reason.Replaced})
		b.down(p, reason.Leaving) // what the link itself says of every bye
		lost := b.now
		for len(find[Dial](b.actions)) == 0 {
			at, ok := b.Next()
			if !ok {
				t.Fatal("never dialled again")
			}
			b.now = at
			b.step(Wake{})
		}
		waits = append(waits, b.now.Sub(lost))
	}
	want := []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute}
	if !slices.Equal(waits, want) {
		t.Errorf("waits: got %v, want %v", waits, want)
	}
}

func TestStepOwnURLIsDialledOnce(t *testing.T) {
	b := newBrain(t, nil)
	target := b.joining("ws://self")[0]
	b.step(DialFailed{Target: target, Stage: "handshake", Reason: reason.OwnID, Err: errors.New("own")})
	if dials := b.runFor(time.Hour); len(dials) != 0 {
		t.Errorf("the URL of this very node was dialled %d times more", len(dials))
	}
	if got := b.Targets(); len(got) != 1 || got[0].Err == nil {
		t.Errorf("targets: got %+v, want the one, with its error", got)
	}
	if b.drops.Get(reason.OwnID) != 1 {
		t.Error("not counted")
	}
}

func TestStepBansAreBounded(t *testing.T) {
	b := newBrain(t, nil)
	for i := range 3 * limits.Bans {
		b.step(Disconnect{routing.ID{1, byte(i), byte(i >> 8)}})
	}
	if got := len(b.banned); got > limits.Bans {
		t.Errorf("bans: got %d, want at most %d", got, limits.Bans)
	}
	id := routing.ID{2}
	b.step(Disconnect{id})
	closed := find[CloseLink](b.up(b.peer(id, nil), nil))
	if len(closed) != 1 || closed[0].Reason != reason.Banned {
		t.Errorf("link of a banned peer: got %v, want it closed as banned", closed)
	}
	b.now = b.now.Add(limits.DisconnectHold)
	if closed := find[CloseLink](b.up(b.peer(id, nil), nil)); len(closed) != 0 {
		t.Errorf("after the ban: closed %v", closed)
	}
}

func TestStepLeaveClosesEverything(t *testing.T) {
	b := newBrain(t, nil)
	b.joining("ws://a")
	b.up(b.peer(routing.ID{1}, nil), nil)
	b.up(b.peer(routing.ID{2}, nil), nil)
	if got := find[CloseLink](b.step(Leave{})); len(got) != 2 || got[0].Reason != reason.Leaving {
		t.Errorf("closed: got %v, want both, leaving", got)
	}
	if dials := b.runFor(time.Minute); len(dials) > 1 {
		t.Errorf("dials after leaving: got %d", len(dials))
	}
}

// Who leaves tells each peer of others to turn to, and never of itself.
func TestStepLeaveHandsOver(t *testing.T) {
	b := newBrain(t, nil)
	for i := range 2 { // relays that have a contact record and answer
		who := stranger(i)
		record := contactRecord(who, wire.RoleRelay, b.now, limits.ContactTTL, "ws://192.0.2.1:1")
		p := b.peer(routing.ID(who.ID()), func(c *link.Config) { c.Contact = record })
		b.up(p, nil)
		b.step(Pong{Link: p.Link})
	}
	for _, c := range find[CloseLink](b.step(Leave{})) {
		if len(c.Contacts) != 1 {
			t.Errorf("Bye to %x: got %d contacts, want the other relay", c.Link.Peer[:1], len(c.Contacts))
		}
	}
}

func TestStepControlFramesThatMeanNothingAreCounted(t *testing.T) {
	b := newBrain(t, nil)
	frame := func(typ wire.Type, body []byte) []byte {
		return wire.AppendFrame(nil, &wire.Frame{Type: typ, HopLimit: 64, Dst: wire.ID{0x50}, Src: wire.ID{1}, Body: body})
	}
	for name, c := range map[string]struct {
		frame []byte
		want  reason.Reason
	}{
		"a probe too short to answer": {frame(wire.TypeProbe, make([]byte, 16)), reason.Malformed},
		"an answer to no question":    {frame(wire.TypeAnswer, wire.AppendAnswerBody(nil, &wire.AnswerBody{Kind: wire.AnswerProbe})), reason.Unsolicited},
		"a hint about nothing":        {frame(wire.TypeHint, make([]byte, 38)), reason.Malformed},
	} {
		before := b.drops.Get(c.want)
		b.step(Control{Link: 1, Frame: c.frame})
		if got := b.drops.Get(c.want) - before; got != 1 {
			t.Errorf("%s: counted %d times as %v, want once", name, got, c.want)
		}
	}
}
