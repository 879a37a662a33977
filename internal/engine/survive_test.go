package engine

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// A peer that floods with lists of its links is heard as often as its budget
// allows; what is kept of it is one list, and one snapshot is made of all.
func TestPeersFloodIsBounded(t *testing.T) {
	b := newBrain(t, roomy)
	p := b.relay(stranger(0), nil)
	b.now = b.now.Add(limits.SnapshotGather)
	b.step(Wake{}) // what the link itself changed
	before, in := b.Snapshot(), NewIngress(p)
	const flood = 10_000
	taken := 0
	post := func(ev Event) bool {
		taken++
		b.step(ev)
		return true
	}
	var lists [8][]byte // no two in a row are the same
	for i := range lists {
		var list wire.Peers
		for j := range limits.PeerListEntries {
			list.Entries = append(list.Entries, wire.PeerEntry{ID: wire.ID{1, byte(i), byte(j)}, Role: wire.RoleRelay})
		}
		lists[i] = wire.AppendPeers(nil, &list)
	}
	for i := range flood {
		if why := TakeLinkFrame(p.Link, in, lists[i%len(lists)], b.now, &b.drops, nil, post); why != reason.None {
			t.Fatalf("list %d ends the link: %v", i, why)
		}
	}
	if got := int(b.drops.Get(reason.RateLimited)); taken != limits.ControlBurst || got != flood-taken {
		t.Errorf("taken: got %d and %d counted, want %d and the rest", taken, got, limits.ControlBurst)
	}
	if got := len(b.links.byNumber[p.Link.Number].neighbours.heads); got != limits.PeerListEntries {
		t.Errorf("neighbours kept: got %d, want one list of %d", got, limits.PeerListEntries)
	}
	if b.Snapshot() != before {
		t.Error("snapshots: got another at once, want all lists gathered for one")
	}
	if !b.links.linked(p.ID) {
		t.Error("the link is gone")
	}
}

// A list that is longer than lists may be is malformed, and changes nothing.
func TestPeersListTooLong(t *testing.T) {
	b := newBrain(t, roomy)
	p := b.relay(stranger(0), nil)
	var list wire.Peers
	for j := range limits.PeerListEntries {
		list.Entries = append(list.Entries, wire.PeerEntry{ID: wire.ID{1, byte(j)}, Role: wire.RoleRelay})
	}
	frame := wire.AppendPeers(nil, &list)
	frame[1], frame[2] = 0x01, 0x01 // 257
	frame = append(frame, frame[len(frame)-21:]...)
	before := b.drops.Get(reason.Malformed)
	b.linkFrame(p, frame)
	if got := b.links.byNumber[p.Link.Number].neighbours; got != nil || b.drops.Get(reason.Malformed) != before+1 {
		t.Errorf("got neighbours %v, %v, want none and it counted", got, b.drops.Map())
	}
}

// A clock that jumps an hour, either way, makes no storm; links stay, leaves that
// store and lookups are served at once, and timers go on when their time comes.
func TestClockJumpsEitherWay(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		b := newBrain(t, as(person(1), false))
		peers := b.relays(6)
		b.elapse(10 * time.Second)
		b.now = b.now.Add(jump)
		for range 20 {
			if n := len(b.step(Wake{})); n > 64 {
				t.Fatalf("%v: actions of one step: got %d", jump, n)
			}
			b.now = b.now.Add(time.Second)
		}
		for _, p := range peers {
			if !b.Linked(p.Link) {
				t.Fatalf("%v: a link is gone", jump)
			}
		}
		owner := person(2)
		record := attestation(owner, owner.ID(), b.now, 120, wire.ID{7})
		b.step(Control{Link: 1, Frame: storeFrame(owner.ID(), wire.Key(routing.ID(owner.ID()).Key()), record)})
		if _, held := b.holder.store.Attachment(owner.ID()); !held {
			t.Errorf("%v: a record of now is not kept", jump)
		}
		done := 0
		b.step(Lookup{Target: routing.Key{1}, Count: 3, Done: func([]Contact) { done++ }})
		if sent := b.elapse(time.Minute); done != 1 || len(sent) > 2000 {
			t.Errorf("%v: a lookup: told %d times, %d actions in a minute; want once, without a storm", jump, done, len(sent))
		}
		b.down(peers[0], reason.Idle)
		if b.Linked(peers[0].Link) {
			t.Errorf("%v: a link that ended is still there", jump)
		}
		b.elapse(2 * time.Hour) // whatever was due is done by then
		if _, held := b.holder.store.Attachment(owner.ID()); held {
			t.Errorf("%v: the record outlives its life", jump)
		}
	}
}
