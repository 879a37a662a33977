package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// soon is how long a dial may be put off after a change.
const soon = limits.BootstrapRetry / 8

// A change ends the pauses between dials of bootstrap URLs, not those that a peer
// asked for.
func TestChangeEndsPauses(t *testing.T) {
	b := newBrain(t, roomy)
	b.relay(stranger(0), nil) // beside a live link pauses grow
	ts := b.joining("mem://one", "mem://two")
	for _, x := range ts {
		x.attempts = 8
		b.step(DialFailed{Target: x, Stage: "connect", Err: errors.New("refused")})
	}
	ts[1].replaced(b.now)
	if at := ts[0].next; at.Sub(b.now) < limits.BootstrapRetryLive/2 {
		t.Fatalf("the pause is %v only", at.Sub(b.now))
	}
	away := ts[1].next
	b.step(NetworkChanged{})
	if wait := ts[0].next.Sub(b.now); wait > soon || !ts[1].next.Equal(away) {
		t.Errorf("next dials: got %v, and %v for who was told to stay away; want %v at most, and %v", wait, ts[1].next, soon, away)
	}
	b.now = away.Add(-time.Second)
	b.step(NetworkChanged{})
	if !ts[1].next.Equal(away) {
		t.Errorf("a second before its time: got %v, want %v", ts[1].next, away)
	}
}

// Who was linked is dialled at once, and what fails in the first seconds after a
// change makes nobody wait.
func TestChangeForgivesLostPeers(t *testing.T) {
	b := newBrain(t, roomy)
	p := b.relay(stranger(0), nil)
	b.down(p, reason.Idle)
	b.runFor(time.Minute)
	k := b.book.byID[p.ID]
	if k.failures < 3 {
		t.Fatalf("%d failures after a minute", k.failures)
	}
	b.step(NetworkChanged{})
	for range 4 {
		b.now = b.now.Add(limits.NetCalm / 10)
		if dials := b.runFor(limits.RepairJitter); len(dials) == 0 {
			t.Errorf("no dial within %v", limits.RepairJitter)
		}
		if b.blameless(b.now) && k.failures > 0 {
			t.Errorf("%d failures that the change caused", k.failures)
		}
	}
	b.runFor(time.Minute)
	if k.failures == 0 {
		t.Error("nothing fails any more")
	}
}

// The pairs that talk much get their next try at once, too.
func TestChangeForgivesPairs(t *testing.T) {
	h := hotPairs{byID: map[routing.ID]*hotPair{{1}: {id: routing.ID{1}}}}
	clock := time.Hour
	h.failed(clock, routing.ID{1})
	h.forgive(clock + limits.NetCalm)
	if p := h.byID[routing.ID{1}]; p.next > clock || p.failures != 0 {
		t.Errorf("got %+v, want it forgiven", p)
	}
	h.failed(clock, routing.ID{1})
	if p := h.byID[routing.ID{1}]; p.next > clock+limits.NetCalm || p.failures != 0 {
		t.Errorf("what failed with the change: got %+v", p)
	}
	h.failed(clock+limits.NetCalm, routing.ID{1})
	if p := h.byID[routing.ID{1}]; p.next < clock+limits.HotRetry || p.failures != 1 {
		t.Errorf("what failed later: got %+v", p)
	}
}

// A dial that a change has ended begins anew, is no failure, and whoever waits for it
// goes on to wait.
func TestDialAgain(t *testing.T) {
	b := newBrain(t, roomy)
	x := b.joining("mem://one")[0]
	actions := b.step(DialFailed{Target: x, Again: true})
	if dials := find[Dial](actions); len(dials) != 1 || dials[0].Target != x || len(find[Tell](actions)) > 0 {
		t.Errorf("of a URL: got %v, want one dial and no word", actions)
	}
	var done []error
	id := routing.ID(stranger(1).ID())
	first := find[Dial](b.step(Reach{Contact: Contact{ID: id, URLs: []string{"mem://a"}, Scopes: AllScopes}, Direct: true, Done: func(err error) { done = append(done, err) }}))
	if len(first) != 1 {
		t.Fatalf("got %d dials", len(first))
	}
	again := find[Dial](b.step(DialFailed{Target: first[0].Target, Again: true}))
	if len(again) != 1 || again[0].Target.Pin != id || !again[0].Direct || len(done) > 0 {
		t.Errorf("of a node: got %v, and %v for who waits; want one direct dial", again, done)
	}
	b.step(DialFailed{Target: again[0].Target, Stage: "connect", Err: errors.New("refused")})
	if len(done) != 1 || done[0] == nil {
		t.Errorf("got %v, want the failure", done)
	}
}

// A newer link of the same instance takes the place of an older one, and what that
// holds, at once: with a word to the peer while it may hear it.
func TestDisplacedLink(t *testing.T) {
	for _, suspect := range []bool{false, true} {
		b := newBrain(t, roomy)
		who := stranger(0)
		old := b.relay(who, nil)
		if suspect {
			b.step(LinkHealth{Link: old.Link, Suspect: true})
		}
		fresh := b.peer(old.ID, func(c *link.Config) { c.Dial = 1 })
		actions := b.up(fresh, nil)
		closes, moves := find[CloseLink](actions), find[Reforward](actions)
		if len(closes) != 1 || closes[0].Link != old.Link || closes[0].Reason != reason.Replaced || closes[0].Now != suspect {
			t.Errorf("suspect: %v: got %+v, want the old link closed, at once: %v", suspect, closes, suspect)
		}
		if len(moves) != 1 && !suspect {
			t.Errorf("got %d links whose frames move, want the old one", len(moves))
		}
		if moves := find[Reforward](b.down(old, reason.Replaced)); len(moves) != 1 {
			t.Errorf("at its end: got %d links whose frames move, want the old one", len(moves))
		}
		if got := inUse(b.links.byID[old.ID]); got == nil || got.link != fresh.Link {
			t.Error("the new link is not in use")
		}
	}
}

// Another process with the same identity is told that it was replaced, as before.
func TestDisplacedProcessIsTold(t *testing.T) {
	b := newBrain(t, roomy)
	old := b.relay(stranger(0), nil)
	b.step(LinkHealth{Link: old.Link, Suspect: true})
	fresh := b.peer(old.ID, func(c *link.Config) { c.Dial, c.Instance = 1, wire.Instance{2} })
	if closes := find[CloseLink](b.up(fresh, nil)); len(closes) != 1 || closes[0].Now {
		t.Errorf("got %+v, want a word first", closes)
	}
}

// After a change a leaf gives its homes a new record, and tells others where it can be
// dialled if that has changed.
func TestChangeIsTold(t *testing.T) {
	b := newLeaf(t, 1)
	p := b.home(2, time.Millisecond)
	b.confirmAll()
	before := b.attach.said[len(b.attach.said)-1].sequence
	b.now = b.now.Add(time.Second)
	if gave := b.gave(b.step(NetworkChanged{})); len(gave) != 1 || gave[0].to != p.Link || gave[0].record.Sequence <= before {
		t.Errorf("got %v, want a newer record", gave)
	}
	r := newBrain(t, roomy)
	r.relay(stranger(0), nil)
	if told := find[SendLink](r.step(NetworkChanged{})); len(told) != 0 {
		t.Errorf("nothing new: got %d frames", len(told))
	}
	if told := find[SendLink](r.step(NetworkChanged{URLs: true})); len(told) != 1 || wire.LinkType(told[0].Frame[0]) != wire.LinkRecord {
		t.Errorf("got %v, want the contact record", told)
	}
}
