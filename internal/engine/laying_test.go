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

// laid is a Store that a home sent.
type laid struct {
	timed
	k      int
	aim    string
	record []byte
}

// laid are the Stores among actions.
func (b *brain) laid(actions []timed) (all []laid) {
	b.t.Helper()
	for _, a := range actions {
		s, ok := a.Action.(SendFrame)
		if !ok {
			continue
		}
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
		if f.Src != wire.ID(b.cfg.Self) || f.Return != nil || body.Target != identity.KeyOf(person(2).ID()) {
			b.t.Fatalf("a Store from %x for %x", f.Src[:4], body.Target[:4])
		}
		all = append(all, laid{a, s.K, string(f.Aim), body.Rest})
	}
	return all
}

// ownLeaf links a relay with the leaf person(2).
func (b *brain) ownLeaf() *Peer {
	p := b.peer(routing.ID(person(2).ID()), func(c *link.Config) { c.Leaf = true })
	b.up(p, nil)
	b.step(Pong{p.Link})
	return p
}

// gives has the leaf give its record, and returns what came of it at once, by now.
func (b *brain) gives(p *Peer, ttl uint16, homes ...wire.ID) (record []byte, actions []timed) {
	leaf := person(2)
	record = attestation(leaf, leaf.ID(), b.now, ttl, homes...)
	for _, a := range b.step(LinkFrame{p.Link, wire.AppendLinkRecord(nil, &wire.RecordCopy{Remaining: ttl, Record: record})}) {
		actions = append(actions, timed{b.now, a})
	}
	return record, actions
}

func heldBy(t *testing.T, actions []timed) (all []wire.Held) {
	t.Helper()
	for _, a := range actions {
		if s, ok := a.Action.(SendLink); ok && wire.LinkType(s.Frame[0]) == wire.LinkHeld {
			h, err := wire.ParseHeld(s.Frame)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, h)
		}
	}
	return all
}

// Three homes share twelve Stores in turn, over five seconds; the first and every
// third one go greedily, each by another first hop, the others to points of their own.
func TestLayingIsShared(t *testing.T) {
	homes := []wire.ID{person(1).ID(), person(3).ID(), person(4).ID()}
	var all []laid
	aims := map[string]bool{}
	for _, n := range []int{1, 3, 4} {
		b := newBrain(t, as(person(n), false))
		b.relays(20)
		p := b.ownLeaf()
		begun := b.now
		record, at := b.gives(p, 120, homes...)
		if h := heldBy(t, at); len(h) != 1 || h[0].Reason != 0 || h[0].Sequence != uint64(begun.UnixMilli()) {
			t.Fatalf("home %d: got %+v, want Held", n, h)
		}
		stores := b.laid(append(at, b.elapse(30*time.Second)...))
		for _, s := range stores {
			if after := s.at.Sub(begun); after < 0 || after > limits.LaySpread || string(s.record) != string(record) {
				t.Errorf("home %d: a Store after %v", n, after)
			}
			if s.aim != "" {
				aims[s.aim] = true
			}
		}
		if len(stores) != limits.RecordStores/3 {
			t.Errorf("home %d: %d Stores, want a third of %d", n, len(stores), limits.RecordStores)
		}
		all = append(all, stores...)
	}
	slices.SortStableFunc(all, func(a, b laid) int { return a.at.Compare(b.at) })
	var greedy []int
	for i, s := range all {
		if s.aim == "" {
			greedy = append(greedy, s.k)
		} else if i == 0 {
			t.Error("the first is a scatter frame")
		}
	}
	if want := []int{0, 1, 2, 3}; !slices.Equal(greedy, want) || len(aims) != limits.RecordStores-len(want) {
		t.Errorf("got greedy ones by first hops %v and %d aims, want %v and %d", greedy, len(aims), want, limits.RecordStores-len(want))
	}
}

// A home tells some of its links, those that it chose first; not the other homes,
// which have it.
func TestLayingTells(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	p := b.ownLeaf()
	var chosen []*link.Link
	for i := range 30 {
		other := b.peer(routing.ID(person(1000+i).ID()), nil)
		b.up(other, nil)
		b.links.byNumber[other.Link.Number].chosen = i%5 == 0
		b.step(Pong{other.Link})
		if i%5 == 0 {
			chosen = append(chosen, other.Link)
		}
	}
	_, at := b.gives(p, 120, person(1).ID(), person(1000).ID())
	var actions []Action
	for _, a := range at {
		actions = append(actions, a.Action)
	}
	told := given(t, actions)
	if len(told) != limits.RecordTold {
		t.Errorf("links told: got %d, want %d", len(told), limits.RecordTold)
	}
	for _, l := range chosen {
		if _, is := told[l]; is != (l.Peer != person(1000).ID()) {
			t.Errorf("link %d, which it chose: told %v", l.Number, is)
		}
	}
}

// A relay that the record does not name holds it, says so, and lays nothing.
func TestLayingIsForHomes(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	b.relays(4)
	_, at := b.gives(b.ownLeaf(), 120, person(9).ID())
	if h := heldBy(t, at); len(h) != 1 || h[0].Reason != 0 {
		t.Errorf("got %+v, want Held", h)
	}
	if stores := b.laid(append(at, b.elapse(time.Minute)...)); len(stores) != 0 {
		t.Errorf("%d Stores", len(stores))
	}
}

// However often a leaf changes its record, its home sends no more than it would in
// peace; and what is laid last is the last record.
func TestLayingOfAnUneasyLeaf(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	b.relays(20)
	p := b.ownLeaf()
	var all []timed
	var last []byte
	for range 600 { // a minute
		var at []timed
		last, at = b.gives(p, 120, person(1).ID())
		all = append(append(all, at...), b.elapse(100*time.Millisecond)...)
	}
	all = append(all, b.elapse(2*limits.LaySpread)...)
	stores := b.laid(all)
	if most := 14 * limits.RecordStores; len(stores) > most {
		t.Errorf("Stores in a minute: got %d, want at most %d", len(stores), most)
	}
	for _, s := range stores[len(stores)-limits.RecordStores:] {
		if string(s.record) != string(last) {
			t.Fatal("the last twelve do not bear the last record")
		}
	}
}

// A withdrawal goes the ways of the last two renewals and to those told then; a
// leaf that is gone is laid no more.
func TestLayingWithdrawn(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	b.relays(20)
	p := b.ownLeaf()
	var before []laid
	for range 3 {
		_, at := b.gives(p, 120, person(1).ID())
		before = append(before, b.laid(append(at, b.elapse(time.Minute)...))...)
	}
	want := map[string]bool{}
	for _, s := range before[limits.RecordStores:] {
		want[s.aim] = true
	}
	_, at := b.gives(p, 0, person(1).ID())
	got := map[string]bool{}
	told := 0
	for _, s := range b.laid(at) {
		got[s.aim] = true
	}
	for _, a := range at {
		if s, ok := a.Action.(SendLink); ok && wire.LinkType(s.Frame[0]) == wire.LinkRecord {
			told++
		}
	}
	for aim := range want {
		if !got[aim] {
			t.Errorf("nothing withdrawn at %x", aim)
		}
	}
	if len(got) != len(want) || told < limits.RecordTold || told > 2*limits.RecordTold || len(heldBy(t, at)) != 0 {
		t.Errorf("got %d aims of %d, %d links told", len(got), len(want), told)
	}
	if _, held := b.holder.store.Attachment(person(2).ID()); held {
		t.Error("still found here")
	}
	if len(b.laid(b.elapse(time.Minute))) != 0 || len(b.holder.layings.byLeaf) != 0 {
		t.Error("it is laid on")
	}
}

func TestLayingEndsWithTheLink(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	b.relays(20)
	p := b.ownLeaf()
	b.gives(p, 120, person(1).ID())
	b.down(p, reason.Idle)
	if n := len(b.laid(b.elapse(time.Minute))); n != 0 || len(b.holder.layings.byLeaf) != 0 || len(b.holder.layings.due.list) != 0 {
		t.Errorf("%d Stores for a leaf that is gone", n)
	}
}

// What a leaf says of somebody else is not even answered.
func TestLayingOfSomebodyElse(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	b.relays(4)
	p := b.ownLeaf()
	other := person(3)
	record := attestation(other, other.ID(), b.now, 120, person(1).ID())
	if got := b.step(LinkFrame{p.Link, wire.AppendLinkRecord(nil, &wire.RecordCopy{Remaining: 120, Record: record})}); len(got) != 0 || b.drops.Get(reason.Unsolicited) != 1 {
		t.Errorf("got %v, counted %v", got, b.drops.Map())
	}
	forged := attestation(other, person(2).ID(), b.now, 120, person(1).ID())
	b.step(LinkFrame{p.Link, wire.AppendLinkRecord(nil, &wire.RecordCopy{Remaining: 120, Record: forged})})
	if b.holder.store.len() != 0 || b.drops.Get(reason.BadRecord) != 1 {
		t.Errorf("%d records, counted %v", b.holder.store.len(), b.drops.Map())
	}
}
