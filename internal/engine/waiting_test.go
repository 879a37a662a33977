package engine

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// What waits for a node that does not answer is tried again as soon as something
// changes, not when its pause ends.
func TestChangesEndThePausesOfSessions(t *testing.T) {
	owner := person(2)
	for name, change := range map[string]func(b *brain, old *Peer){
		"a link comes up":     func(b *brain, _ *Peer) { b.up(b.peer(routing.ID{9}, nil), nil) },
		"a link works again":  func(b *brain, old *Peer) { b.step(LinkHealth{old.Link, false}) },
		"its record arrives":  func(b *brain, _ *Peer) { b.step(storeOf(owner, b.now)) },
		"nothing, as control": nil,
	} {
		t.Run(name, func(t *testing.T) {
			sent := 0
			b := newBrain(t, func(c *Config) {
				as(person(1), false)(c)
				var err error
				c.Sessions, err = session.New(session.Config{
					Self: wire.ID(c.Self), Instance: wire.Instance{1}, Null: true, Rand: rand.NewChaCha8([32]byte{1}),
					Emit: func(_ []byte, _ session.Choice) (wire.ID, bool) { sent++; return wire.ID{7}, true },
				})
				if err != nil {
					t.Fatal(err)
				}
			})
			old := b.peer(routing.ID{8}, nil)
			b.up(old, nil)
			b.step(LinkHealth{old.Link, true})
			if _, err := b.cfg.Sessions.Send(b.now, session.Message{To: owner.ID(), Kind: wire.PlainMessage}, nil); err != nil {
				t.Fatal(err)
			}
			for _, c := range find[Compute](b.step(Wake{})) {
				c.Job.Run()
				b.step(Finished(c))
			}
			end := b.now.Add(limits.FirstCopies*limits.FirstCopiesPause - limits.AwayGap)
			for b.now.Before(end) { // the pauses are 4 s by then
				b.runFor(100 * time.Millisecond)
			}
			for before := sent; sent == before; {
				b.runFor(10 * time.Millisecond)
			}
			b.runFor(limits.AwayGap)
			before := sent
			if change != nil {
				change(b, old)
			}
			b.runFor(limits.ChangeGap)
			if got := sent - before; got != 0 != (change != nil) || got > 1 {
				t.Errorf("got %d copies at once, want one after a change", got)
			}
		})
	}
}

// storeOf is a Store of the attachment record of a leaf.
func storeOf(leaf *identity.Identity, now time.Time) Control {
	record := attestation(leaf, leaf.ID(), now, 120, wire.ID{7})
	return Control{Link: 1, Frame: storeFrame(leaf.ID(), identity.KeyOf(leaf.ID()), record)}
}

// Who was linked a moment ago is known to the sessions.
func TestAnEndedLinkIsRemembered(t *testing.T) {
	b := newBrain(t, nil)
	p := b.peer(routing.ID{9}, nil)
	b.up(p, nil)
	b.now = b.now.Add(2 * limits.ReachedLife)
	b.down(p, 0)
	if !b.cfg.Sessions.WasReached(b.now.Add(limits.ReachedLife-time.Second), wire.ID{9}) {
		t.Error("got it forgotten within its time")
	}
	if b.cfg.Sessions.WasReached(b.now.Add(limits.ReachedLife+time.Second), wire.ID{9}) {
		t.Error("got it remembered beyond its time")
	}
}
