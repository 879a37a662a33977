package engine

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// placed is an ID of a bucket of this node, a different one for each n.
func (b *brain) placed(bucket, n int) (id routing.ID) {
	for i := uint64(0); ; i++ {
		binary.BigEndian.PutUint64(id[:], i)
		id[19] = byte(n)
		if b.filler.Self.CommonPrefixLen(id.Key()) == bucket {
			return id
		}
	}
}

// chose brings up links that the user named, in such a bucket, and strange
// accepted ones; both answer a ping.
func (b *brain) chose(bucket, n int) *Peer {
	b.t.Helper()
	p := b.peer(b.placed(bucket, n), func(c *link.Config) { c.Outbound = true })
	b.step(LinkUp{Peer: p, Target: b.joining(fmt.Sprint("ws://chosen", b.number))[0]})
	b.step(Pong{p.Link})
	return p
}

func (b *brain) strange(bucket, n int, need bool) *Peer {
	b.t.Helper()
	p := b.peer(b.placed(bucket, n), nil)
	b.step(LinkUp{Peer: p, From: Origin{Need: need}})
	if b.Linked(p.Link) {
		b.step(Pong{p.Link})
	}
	return p
}

// settled is a brain with a chosen link in each of its first buckets and a near
// set, so that it needs no stranger in bucket 0.
func settled(t *testing.T, age time.Duration) *brain {
	b := newBrain(t, roomy)
	b.step(Wake{})
	b.now = b.now.Add(age)
	for bucket := range 4 {
		b.chose(bucket, 100+bucket)
	}
	for n := range 3 {
		b.chose(4, 110+n)
	}
	return b
}

// calm is how many of the peers carry frames of others.
func (b *brain) calm(peers []*Peer) (count int) {
	for _, p := range peers {
		if b.Snapshot().carries(p) {
			count++
		}
	}
	return count
}

// pass lets time pass without anything that time makes due beyond the picture.
func (b *brain) wait(d time.Duration) {
	b.now = b.now.Add(d)
	b.step(Wake{})
}

func TestStrangersCarryOnceTheyHaveStood(t *testing.T) {
	b := settled(t, time.Hour)
	var strangers []*Peer
	for n := range 16 {
		strangers = append(strangers, b.strange(0, n, true))
	}
	if b.links.relays != 23 {
		t.Fatalf("got %d links, want all of 23", b.links.relays)
	}
	if got := b.calm(strangers); got != 0 {
		t.Errorf("at once: got %d strangers that carry, want none", got)
	}
	b.wait(limits.ProvenAfter - time.Second)
	if got := b.calm(strangers); got != 0 {
		t.Errorf("a second before their time: got %d, want none", got)
	}
	at, ok := b.Next()
	if !ok || at.After(b.now.Add(time.Second)) {
		t.Errorf("got the next look at %v, want one when the links have stood", at.Sub(b.now))
	}
	b.wait(time.Second)
	if got := b.calm(strangers); got != b.half() {
		t.Errorf("after %v: got %d strangers that carry, want %d, half of the regular places", limits.ProvenAfter, got, b.half())
	}
	for range 3 {
		b.wait(time.Hour)
	}
	if got := b.calm(strangers); got != b.half() {
		t.Errorf("hours later: got %d, want %d", got, b.half())
	}
	if chosen := b.chose(0, 50); b.calm([]*Peer{chosen}) != 1 {
		t.Error("got a link of this node's own choice that does not carry")
	}
}

func TestAYoungNodeTakesStrangersForCalm(t *testing.T) {
	b := settled(t, 0)
	var strangers []*Peer
	for n := range 16 {
		strangers = append(strangers, b.strange(0, n, true))
	}
	if got := b.calm(strangers); got != b.half() {
		t.Errorf("got %d strangers that carry, want %d", got, b.half())
	}
	b.wait(limits.ProvenAfter - time.Second)
	late := b.strange(0, 60, true)
	b.down(strangers[0], reason.Closed)
	b.wait(2 * time.Second) // this node is not young any more
	if got := b.calm(strangers[1:]); got != b.half()-1 {
		t.Errorf("got %d strangers that carry, want the %d that have stood", got, b.half()-1)
	}
	if b.calm([]*Peer{late}) != 0 {
		t.Error("got one that came a second ago to carry")
	}
}

// TestStrangersThatAreNeededCarry: in whatever place, once they have stood.
func TestStrangersThatAreNeededCarry(t *testing.T) {
	b := settled(t, time.Hour)
	for n := range 16 {
		b.strange(0, n, true)
	}
	near := b.strange(7, 1, true)
	if !b.Linked(near.Link) || b.calm([]*Peer{near}) != 0 {
		t.Fatalf("got linked %v, want a link that does not carry yet", b.Linked(near.Link))
	}
	b.wait(limits.ProvenAfter)
	if b.calm([]*Peer{near}) != 1 {
		t.Error("got one of the near set that does not carry")
	}
}

// TestAFreePlaceGoesToWhoWaited: and its time begins anew.
func TestAFreePlaceGoesToWhoWaited(t *testing.T) {
	b := settled(t, time.Hour)
	var strangers []*Peer
	for n := range 12 {
		strangers = append(strangers, b.strange(0, n, true))
	}
	b.wait(2 * limits.ProvenAfter)
	if got := b.calm(strangers[10:]); got != 0 {
		t.Fatalf("got %d beyond the half that carry, want none", got)
	}
	b.down(strangers[0], reason.Closed)
	b.wait(2 * limits.BucketCheck)
	if got := b.calm(strangers[10:]); got != 0 {
		t.Errorf("soon after: got %d, want none", got)
	}
	b.wait(limits.ProvenAfter)
	if first, second := b.calm(strangers[10:11]), b.calm(strangers[11:]); first != 1 || second != 0 {
		t.Errorf("after %v: got %d and %d, want the first of the two to carry", limits.ProvenAfter, first, second)
	}
}

// TestOwnChoiceMakesRoomAmongStrangers: however many came first.
func TestOwnChoiceMakesRoomAmongStrangers(t *testing.T) {
	b := newBrain(t, roomy)
	b.step(Wake{})
	b.now = b.now.Add(time.Hour)
	var strangers []*Peer
	for n := range 24 {
		strangers = append(strangers, b.strange(n%4, n, true))
	}
	if b.links.relays != b.cfg.MaxRelays {
		t.Fatalf("got %d links, want the cap", b.links.relays)
	}
	b.wait(time.Hour)
	for n := range b.half() {
		p := b.peer(b.placed(n%3, 200+n), func(c *link.Config) { c.Outbound = true })
		closed := find[CloseLink](b.step(LinkUp{Peer: p, Target: b.joining(fmt.Sprint("ws://chosen", b.number))[0]}))
		if !b.Linked(p.Link) || len(closed) != 1 || closed[0].Reason != reason.LinkLimit {
			t.Fatalf("choice %d: got admitted %v and %d links closed, want a place and one closed for it", n, b.Linked(p.Link), len(closed))
		}
		b.step(Pong{p.Link})
		b.step(LinkDown{closed[0].Link, reason.LinkLimit, nil})
	}
	p := b.peer(b.placed(1, 250), func(c *link.Config) { c.Outbound = true })
	if b.step(LinkUp{Peer: p, Target: b.joining("ws://more")[0]}); b.Linked(p.Link) {
		t.Error("got a place for one more than half, want none")
	}
	b.wait(limits.ProvenAfter)
	if got := b.calm(strangers); got < b.half() {
		t.Errorf("got %d strangers left that carry, want their half", got)
	}
}

// TestADialForThePeerIsItsChoice: who asks to be dialled has not been chosen.
func TestADialForThePeerIsItsChoice(t *testing.T) {
	for _, byPeer := range []bool{true, false} {
		b := settled(t, time.Hour)
		id := b.placed(0, 1)
		dials := find[Dial](b.step(Reach{Contact: Contact{ID: id, URLs: []string{"ws://it"}}, ByPeer: byPeer, Done: func(error) {}}))
		if len(dials) != 1 {
			t.Fatalf("got %d dials, want one", len(dials))
		}
		p := b.peer(id, func(c *link.Config) { c.Outbound = true })
		b.step(LinkUp{Peer: p, Target: dials[0].Target})
		if !b.Linked(p.Link) || b.Snapshot().carries(p) == byPeer {
			t.Errorf("asked for by the peer %v: got linked %v, carries %v", byPeer, b.Linked(p.Link), b.Snapshot().carries(p))
		}
	}
}

// TestAPlaceOutlivesItsLink: a peer whose link is made anew keeps its place.
func TestAPlaceOutlivesItsLink(t *testing.T) {
	b := settled(t, time.Hour)
	first := b.strange(0, 1, true)
	b.wait(limits.ProvenAfter)
	if !b.Snapshot().carries(first) {
		t.Fatal("got a stranger that does not carry after its time")
	}
	again := b.peer(first.ID, nil)
	b.step(LinkUp{Peer: again})
	b.step(Pong{again.Link})
	if !b.Snapshot().carries(again) {
		t.Error("got a link in the place of one that carried that does not")
	}
}

// TestAllCarryIsForComparison covers the knob of the simulations.
func TestAllCarryIsForComparison(t *testing.T) {
	b := newBrain(t, func(c *Config) { roomy(c); c.AllCarry = true })
	b.step(Wake{})
	b.now = b.now.Add(time.Hour)
	if p := b.strange(0, 1, false); !b.Snapshot().carries(p) {
		t.Error("got a link that does not carry")
	}
}

// withList is a peer of this node's choice whose list names some nodes.
func (b *brain) withList(n int, names ...routing.ID) *Peer {
	b.t.Helper()
	p := b.chose(0, n)
	var list wire.Peers
	for _, id := range names {
		list.Entries = append(list.Entries, wire.PeerEntry{ID: wire.ID(id), Role: wire.RoleRelay})
	}
	b.linkFrame(p, wire.AppendPeers(nil, &list))
	b.wait(limits.SnapshotGather)
	return p
}

// TestALostCopyCostsTheList for a while, and with the third one for as long as
// the link stands.
func TestALostCopyCostsTheList(t *testing.T) {
	b := newBrain(t, roomy)
	p := b.withList(1, b.placed(1, 9))
	looked := func() bool { return b.Snapshot().ahead != nil }
	if !looked() {
		t.Fatal("got no look at the list of a peer")
	}
	for loss := 1; loss <= limits.ListLossesMost; loss++ {
		b.step(Lost{Peer: p.ID})
		b.step(Lost{Peer: p.ID}) // of something that left before
		if looked() {
			t.Fatalf("loss %d: got a look at the list", loss)
		}
		b.wait(limits.ListHold - time.Second)
		if looked() {
			t.Fatalf("loss %d: got a look at the list before %v had passed", loss, limits.ListHold)
		}
		b.wait(time.Second)
		if got, want := looked(), loss < limits.ListLossesMost; got != want {
			t.Fatalf("loss %d, %v later: got a look at the list %v, want %v", loss, limits.ListHold, got, want)
		}
	}
	b.wait(limits.ListLosses)
	if looked() {
		t.Error("got a look at the list while the link stands")
	}
	b.down(p, reason.Closed)
	b.wait(limits.ListHold)
	b.withList(1, b.placed(1, 9))
	if !looked() || len(b.misled.byID) != 0 {
		t.Errorf("with a new link: got a look %v, and %d peers remembered", looked(), len(b.misled.byID))
	}
}

func TestLossesOfLongAgoDoNotCount(t *testing.T) {
	b := newBrain(t, roomy)
	p := b.withList(1, b.placed(1, 9))
	for range 2 * limits.ListLossesMost {
		b.step(Lost{Peer: p.ID})
		b.wait(limits.ListLosses/2 + time.Minute)
		if b.Snapshot().ahead == nil {
			t.Fatal("got no look at the list after losses that lie far apart")
		}
	}
	b.step(Lost{Peer: routing.ID{9}}) // no peer
	if len(b.misled.byID) > 1 {
		t.Errorf("got %d peers remembered, want one at most", len(b.misled.byID))
	}
}

// TestMisledPeersAreBounded fills what is remembered of them.
func TestMisledPeersAreBounded(t *testing.T) {
	b := newBrain(t, func(c *Config) { c.MaxRelays = limits.ScoredHops + 20 })
	for n := range limits.ScoredHops + 10 {
		id := routing.ID{19: 1}
		binary.BigEndian.PutUint64(id[:], uint64(n)+1)
		p := b.peer(id, nil)
		b.step(LinkUp{Peer: p})
		b.step(Lost{Peer: p.ID})
	}
	if got := len(b.misled.byID); got != limits.ScoredHops {
		t.Errorf("got %d peers remembered, want %d", got, limits.ScoredHops)
	}
}

// TestAims: half of them anywhere, the others near the Key, but never so near
// that few relays are left there.
func TestAims(t *testing.T) {
	b := settled(t, time.Hour)
	b.chose(4, 120) // its near set is in bucket 4: some 64 nodes, so at most 2 bits are shared
	if got := b.Snapshot().depth; got != 2 {
		t.Fatalf("got depth %d, want 2", got)
	}
	to := wire.ID(b.placed(0, 9))
	head := keyHeadOf(to)
	const n = 4000
	var shares [3]int
	seen := map[[wire.AimLen]byte]bool{}
	for range n {
		aim := b.Aim(to)
		seen[aim] = true
		for d := range shares {
			if shared(binary.BigEndian.Uint64(aim[:]), head) >= d {
				shares[d]++
			}
		}
	}
	// Half share d bits with chance 2^-d; of the other half a third 0, 1 and 2 for certain.
	for d, want := range [3]float64{1, .5*.5 + .5*(1./3*.5+2./3), .5*.25 + .5*(1./3*.25+1./3*.5+1./3)} {
		if got := float64(shares[d]) / n; got < want-.04 || got > want+.04 {
			t.Errorf("%d bits shared: got %.3f of all aims, want %.3f", d, got, want)
		}
	}
	if len(seen) < n-1 {
		t.Errorf("got %d different aims of %d", len(seen), n)
	}
	alone := newBrain(t, nil)
	if got := alone.Snapshot().depth; got != 0 {
		t.Errorf("without links: got depth %d, want 0", got)
	}
	leaf := newBrain(t, func(c *Config) { c.Leaf = true })
	if got := leaf.Snapshot().depth; got != limits.AimDepthLeaf {
		t.Errorf("a leaf: got depth %d, want %d", got, limits.AimDepthLeaf)
	}
}

// TestAimsFromManyGoroutines is for the race detector.
func TestAimsFromManyGoroutines(t *testing.T) {
	b := newBrain(t, nil)
	done := make(chan struct{})
	for range 4 {
		go func() {
			for range 200 {
				b.Aim(wire.ID{1})
			}
			done <- struct{}{}
		}()
	}
	for range 4 {
		b.step(Wake{})
		<-done
	}
}

// TestPassedStoreIsKept: on its way, with copies to others only where it ends.
func TestPassedStoreIsKept(t *testing.T) {
	for _, end := range []bool{false, true} {
		b := newBrain(t, as(person(50), false))
		b.relays(6)
		leaf := person(3)
		key := routing.ID(leaf.ID()).Key()
		record := attestation(leaf, leaf.ID(), b.now, limits.AttachmentTTL, wire.ID{8})
		actions := b.step(Passed{Link: 1, Frame: storeFrame(wire.ID{9}, wire.Key(key), record), End: end})
		if _, held := b.holder.store.Attachment(leaf.ID()); !held {
			t.Errorf("end %v: got the record not kept", end)
		}
		if copies := len(given(t, actions)); (copies > 0) != end {
			t.Errorf("end %v: got %d copies to others", end, copies)
		}
		if sent := find[SendFrame](actions); len(sent) != 0 {
			t.Errorf("end %v: got %d answers, want none: it goes on", end, len(sent))
		}
		forged := attestation(person(4), leaf.ID(), b.now.Add(time.Second), limits.AttachmentTTL, wire.ID{7})
		b.step(Passed{Link: 1, Frame: storeFrame(wire.ID{9}, wire.Key(key), forged), End: end})
		if homes, _ := b.holder.store.Attachment(leaf.ID()); len(homes) != 1 || homes[0] != (wire.ID{8}) {
			t.Errorf("end %v: got the homes %v after a forged record, want those of the leaf", end, homes)
		}
	}
}

// TestPassedQuestionIsAnswered: one that ended here as far as links that carry
// lead.
func TestPassedQuestionIsAnswered(t *testing.T) {
	b := newBrain(t, as(person(50), false))
	b.relays(3)
	frame := wire.AppendFrame(nil, &wire.Frame{
		Type: wire.TypeNearest, HopLimit: 60, Src: wire.ID{9},
		Body: wire.AppendNearestBody(nil, &wire.NearestBody{Nonce: [16]byte{5}, Op: wire.OpFindNode, Rest: make([]byte, limits.FindNodeBytes)}),
	})
	if _, bodies := answers(t, b.step(Passed{Link: 1, Frame: frame, End: true})); len(bodies) != 1 || bodies[0].Kind != wire.AnswerNodes {
		t.Errorf("got %d answers, want one with nodes", len(bodies))
	}
	b.step(Passed{Link: 1, Frame: []byte("no frame")})
	if got := b.drops.Get(reason.Malformed); got != 1 {
		t.Errorf("got %d malformed frames counted, want 1", got)
	}
}

// TestPassedFirstMessageIsToldTheRecord, and no other one.
func TestPassedFirstMessageIsToldTheRecord(t *testing.T) {
	b := newBrain(t, as(person(50), false))
	b.relays(3)
	leaf := person(3)
	record := attestation(leaf, leaf.ID(), b.now, limits.AttachmentTTL, wire.ID{8})
	key := routing.ID(leaf.ID()).Key()
	b.step(Passed{Link: 1, Frame: storeFrame(wire.ID{9}, wire.Key(key), record)})
	home := wire.ID{6}
	first := func(to wire.ID) []byte {
		body := make([]byte, wire.FirstFrameLen-wire.HeaderLen)
		body[0], body[3] = wire.HandshakeFirst, 77
		return wire.AppendFrame(nil, &wire.Frame{Type: wire.TypeHandshake, HopLimit: 60, Dst: to, Src: wire.ID{9}, Return: home[:], Detour: []byte{}, Body: body})
	}
	frame := first(leaf.ID())
	frames, bodies := answers(t, b.step(Passed{Link: 1, Frame: frame}))
	if len(bodies) != 1 || bodies[0].Kind != wire.AnswerRecord || string(bodies[0].Record) != string(record) || bodies[0].Nonce[3] != 77 {
		t.Fatalf("got %d answers, want one with the record", len(bodies))
	}
	if f := frames[0]; f.Dst != (wire.ID{9}) || len(f.Waypoints) != 20 || f.Waypoints[0] != 6 || f.Len() > len(frame) {
		t.Errorf("got an answer of %d bytes to %x by %x, want one to the source by its home, not longer than %d", f.Len(), f.Dst[:2], f.Waypoints, len(frame))
	}
	if _, bodies := answers(t, b.step(Passed{Link: 1, Frame: first(wire.ID{4})})); len(bodies) != 0 {
		t.Error("got an answer about an ID of which nothing is held")
	}
	many := attestation(leaf, leaf.ID(), b.now.Add(time.Second), limits.AttachmentTTL, wire.ID{8}, wire.ID{7}, wire.ID{6}, wire.ID{5})
	b.step(Passed{Link: 1, Frame: storeFrame(wire.ID{9}, wire.Key(key), many)})
	f := parsed(t, frame)
	for name, edit := range map[string]func(){
		"of a relay":                   func() { f.Return = nil },
		"of a leaf":                    func() { f.Return = home[:] },
		"with the home that was added": func() { f.Waypoints, f.Found = make([]byte, 20), true },
	} {
		f.Return, f.Waypoints, f.Found = nil, nil, false
		edit()
		came := f
		came.Waypoints = nil
		frames, bodies := answers(t, b.step(Passed{Link: 1, Frame: wire.AppendFrame(nil, &f)}))
		if len(frames) != 1 || string(bodies[0].Record) != string(many) || frames[0].Len() > came.Len() {
			t.Errorf("a first message %s, a record with %d homes: got %d answers, want one with the record, not longer than %d", name, wire.MaxHomes, len(frames), came.Len())
		}
	}
	short := f
	short.Waypoints, short.Found, short.Body = nil, false, f.Body[:len(f.Body)-8]
	if frames, _ := answers(t, b.step(Passed{Link: 1, Frame: wire.AppendFrame(nil, &short)})); len(frames) != 0 {
		t.Errorf("got an answer of %d bytes to a question of %d", frames[0].Len(), short.Len())
	}
}

func parsed(t *testing.T, frame []byte) wire.Frame {
	t.Helper()
	f, err := wire.ParseFrame(frame)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
