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

// as makes a brain that of a person, which signs and verifies.
func as(p *identity.Identity, leaf bool) func(*Config) {
	last := uint64(0)
	sign := func(kind wire.RecordKind, now time.Time, ttl uint16, body []byte) []byte {
		last = identity.NextSequence(last, now)
		return p.Sign(kind, last, ttl, body)
	}
	return func(c *Config) {
		c.Self, c.Leaf, c.MaxRelays = routing.ID(p.ID()), leaf, 100
		c.Sign, c.Verify = sign, identity.VerifyRecord
		c.Contact = func(now time.Time) []byte {
			return sign(wire.RecordContact, now, limits.ContactTTL, wire.AppendContact(nil, &wire.Contact{Role: wire.RoleRelay}))
		}
	}
}

// act steps an engine by calling it.
type act func(e *Engine, now time.Time)

func (f act) step(e *Engine, now time.Time) { f(e, now) }

// storeFrame asks to store a record.
func storeFrame(src wire.ID, target wire.Key, record []byte) []byte {
	return wire.AppendFrame(nil, &wire.Frame{
		Type: wire.TypeNearest, HopLimit: 60, Src: src, Return: slices.Repeat([]byte{7}, 20),
		Body: wire.AppendNearestBody(nil, &wire.NearestBody{Nonce: [16]byte{1, 2}, Target: target, Op: wire.OpStore, Rest: record}),
	})
}

// answers are the answers among the actions.
func answers(t *testing.T, actions []Action) (frames []wire.Frame, bodies []wire.AnswerBody) {
	t.Helper()
	for _, s := range find[SendFrame](actions) {
		f, err := wire.ParseFrame(s.Frame)
		if err != nil {
			t.Fatal(err)
		}
		if f.Type != wire.TypeAnswer {
			continue
		}
		body, err := wire.ParseAnswerBody(f.Body)
		if err != nil {
			t.Fatal(err)
		}
		frames, bodies = append(frames, f), append(bodies, body)
	}
	return frames, bodies
}

// given are the records copied, by the link they went to.
func given(t *testing.T, actions []Action) map[*link.Link][]wire.RecordCopy {
	t.Helper()
	all := map[*link.Link][]wire.RecordCopy{}
	for _, s := range find[SendLink](actions) {
		if wire.LinkType(s.Frame[0]) != wire.LinkRecord {
			continue
		}
		c, err := wire.ParseLinkRecord(s.Frame)
		if err != nil {
			t.Fatal(err)
		}
		if rec, err := wire.ParseRecord(c.Record); err == nil && rec.Kind == wire.RecordAttachment {
			all[s.Link] = append(all[s.Link], c)
		}
	}
	return all
}

// relays links a brain with so many, which answered a ping.
func (b *brain) relays(n int) (all []*Peer) {
	for i := range n {
		p := b.peer(routing.ID(person(1000+i).ID()), nil)
		b.up(p, nil)
		b.step(Pong{p.Link})
		all = append(all, p)
	}
	return all
}

// byDistance sorts peers, the nearest to a Key first.
func byDistance(peers []*Peer, target routing.Key) {
	slices.SortFunc(peers, func(a, b *Peer) int {
		if routing.Closer(a.Key, b.Key, target) {
			return -1
		}
		return 1
	})
}

func TestStoreIsKeptAndCopied(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	peers := b.relays(8)
	sick := b.peer(routing.ID(person(99).ID()), nil)
	b.up(sick, nil)
	b.step(LinkHealth{sick.Link, true})
	b.up(b.peer(routing.ID(person(98).ID()), func(c *link.Config) { c.Leaf = true }), nil)
	owner := person(2)
	byDistance(peers, routing.ID(owner.ID()).Key())
	record := attestation(owner, owner.ID(), b.now, 120, wire.ID{7})
	store := Control{Link: 1, Frame: storeFrame(owner.ID(), identity.KeyOf(owner.ID()), record)}
	for _, name := range []string{"first", "again"} {
		actions := b.step(store)
		if n := len(find[SendFrame](actions)); n != 0 {
			t.Fatalf("%s: %d frames sent: nobody may act on an answer", name, n)
		}
		copies := given(t, actions)
		for _, p := range peers[:3] {
			if c := copies[p.Link]; len(c) != 1 || c[0].Remaining != 120 || string(c[0].Record) != string(record) {
				t.Errorf("%s: copies to %v: got %v", name, p.ID, c)
			}
		}
		if len(copies) != 3 {
			t.Errorf("%s: copied to %d relays, want 3", name, len(copies))
		}
	}
	if homes, ok := b.Snapshot().records.Attachment(owner.ID()); !ok || homes[0] != (wire.ID{7}) {
		t.Errorf("readers: got %x, %v", homes, ok)
	}
}

func TestStoreRefusals(t *testing.T) {
	owner, other := person(2), person(3)
	key := identity.KeyOf(owner.ID())
	good := attestation(owner, owner.ID(), midday, 120, wire.ID{7})
	forged := slices.Clone(good)
	forged[44+20] ^= 1 // in the body
	for _, tt := range []struct {
		name   string
		record []byte
		want   reason.Reason
	}{
		{"forged", forged, reason.BadRecord},
		{"for somebody else", attestation(other, other.ID(), midday, 120, wire.ID{7}), reason.BadRecord},
		{"expired", attestation(owner, owner.ID(), midday.Add(-time.Hour), 120, wire.ID{7}), reason.Expired},
		{"of the future", attestation(owner, owner.ID(), midday.Add(time.Hour), 120, wire.ID{7}), reason.BadRecord},
		{"a life too long", attestation(owner, owner.ID(), midday, 121, wire.ID{7}), reason.BadRecord},
		{"a topic", owner.Sign(wire.RecordTopic, 1, 60, wire.AppendTopic(nil, &wire.Topic{})), reason.Unsupported},
		{"a contact", owner.Sign(wire.RecordContact, 1, 60, wire.AppendContact(nil, &wire.Contact{Role: wire.RoleLeaf})), reason.Unsupported},
		{"earlier", attestation(owner, owner.ID(), midday.Add(-2*time.Second), 120, wire.ID{7}), reason.Duplicate},
		{"signed by somebody else", attestation(other, owner.ID(), midday, 120, wire.ID{7}), reason.BadRecord},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBrain(t, as(person(1), false))
			b.relays(3)
			before := attestation(owner, owner.ID(), midday.Add(-time.Second), 120, wire.ID{6})
			b.step(Control{Link: 1, Frame: storeFrame(owner.ID(), key, before)})
			actions := b.step(Control{Link: 1, Frame: storeFrame(owner.ID(), key, tt.record)})
			if c := given(t, actions); len(c) != 0 {
				t.Errorf("copied: %v", c)
			}
			if got := b.drops.Get(tt.want); got != 1 {
				t.Errorf("counted: got %d, want 1", got)
			}
			if homes, _ := b.holder.store.Attachment(owner.ID()); len(homes) != 1 || homes[0] != (wire.ID{6}) {
				t.Errorf("homes: got %x, want those before", homes)
			}
		})
	}
}

func TestStoreCopyTaken(t *testing.T) {
	owner := person(2)
	good := attestation(owner, owner.ID(), midday, 120, person(5).ID()) // who sends it
	forged := slices.Clone(good)
	forged[len(forged)-1] ^= 1
	frame := func(left uint16, record []byte) []byte {
		return wire.AppendLinkRecord(nil, &wire.RecordCopy{Remaining: left, Record: record})
	}
	for _, tt := range []struct {
		name  string
		frame []byte
		leaf  bool // the sender is
		want  reason.Reason
		life  time.Duration
	}{
		{"good", frame(60, good), false, reason.None, time.Minute},
		{"said to live for ever", frame(60_000, good), false, reason.None, 120 * time.Second},
		{"no life left", frame(0, good), false, reason.Expired, 0},
		{"forged", frame(60, forged), false, reason.BadRecord, 0},
		{"from a leaf", frame(60, good), true, reason.Unsolicited, 0},
		{"cut short", frame(60, good)[:50], false, reason.Malformed, 0},
		{"a topic", frame(60, owner.Sign(wire.RecordTopic, uint64(midday.UnixMilli()), 60, wire.AppendTopic(nil, &wire.Topic{}))), false, reason.Unsupported, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBrain(t, as(person(1), false))
			p := b.peer(routing.ID(person(5).ID()), func(c *link.Config) { c.Leaf = tt.leaf })
			b.up(p, nil)
			b.step(LinkFrame{p.Link, tt.frame})
			if tt.want != reason.None && b.drops.Get(tt.want) != 1 {
				t.Errorf("counted %v: %v", tt.want, b.drops.Map())
			}
			held := func() bool { _, ok := b.holder.store.Attachment(owner.ID()); return ok }
			if held() != (tt.want == reason.None) {
				t.Errorf("held: got %v", held())
			}
			if tt.life == 0 {
				return
			}
			b.now = b.now.Add(tt.life - time.Millisecond)
			if b.step(Wake{}); !held() {
				t.Error("gone too early")
			}
			b.now = b.now.Add(limits.RecordsSweep)
			if b.step(Wake{}); held() {
				t.Error("held too long")
			}
		})
	}
}

func TestStoreCopyOfAContact(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	sender := person(5)
	p := b.peer(routing.ID(sender.ID()), nil)
	b.up(p, nil)
	record := sender.Sign(wire.RecordContact, uint64(b.now.UnixMilli()), 60, wire.AppendContact(nil, &wire.Contact{Role: wire.RoleRelay, URLs: []string{"ws://a"}}))
	give := func() {
		b.step(LinkFrame{p.Link, wire.AppendLinkRecord(nil, &wire.RecordCopy{Remaining: 60, Record: record})})
	}
	if give(); string(b.links.byNumber[p.Link.Number].contact) != string(record) {
		t.Error("not taken")
	}
	record[len(record)-1] ^= 1
	if give(); b.drops.Get(reason.BadRecord) != 1 {
		t.Errorf("forged: counted %v", b.drops.Map())
	}
}

func TestStoreWithdrawalIsCopied(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	b.relays(4)
	owner := person(2)
	store := func(ttl uint16, homes ...wire.ID) []Action {
		b.now = b.now.Add(time.Second)
		return b.step(Control{Link: 1, Frame: storeFrame(owner.ID(), identity.KeyOf(owner.ID()), attestation(owner, owner.ID(), b.now, ttl, homes...))})
	}
	store(120, wire.ID{7})
	if got := given(t, store(0)); len(got) != 3 {
		t.Errorf("copied to %d relays, want 3", len(got))
	}
	if _, ok := b.holder.store.Attachment(owner.ID()); ok {
		t.Error("still found")
	}
	p := b.peer(routing.ID(owner.ID()), nil) // as near as can be
	b.up(p, nil)
	if got := given(t, b.step(Pong{p.Link})); len(got) != 0 {
		t.Error("a withdrawn record was handed over")
	}
}

func TestStoreIsNotForLeaves(t *testing.T) {
	b := newBrain(t, as(person(1), true))
	owner := person(2)
	actions := b.step(Control{Link: 1, Frame: storeFrame(owner.ID(), identity.KeyOf(owner.ID()), attestation(owner, owner.ID(), b.now, 120, wire.ID{7}))})
	if len(find[SendFrame](actions)) != 0 || b.holder.store.len() != 0 || b.drops.Get(reason.Unsupported) != 1 {
		t.Errorf("got %v, %d records, drops %v", actions, b.holder.store.len(), b.drops.Map())
	}
}

// A record is swept without any event but those that Next asks for.
func TestStoreSweepsByItself(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	owner := person(2)
	b.step(Control{Link: 1, Frame: storeFrame(owner.ID(), identity.KeyOf(owner.ID()), attestation(owner, owner.ID(), b.now, 120, wire.ID{7}))})
	b.elapse(121 * time.Second)
	if got := b.holder.store.len(); got != 0 {
		t.Errorf("records: got %d, want none", got)
	}
}

// elapse lets time pass, and steps whenever the engine asks for it.
func (b *brain) elapse(d time.Duration) (all []timed) {
	b.t.Helper()
	end := b.now.Add(d)
	for range 100_000 {
		at, ok := b.Next()
		if !ok || at.After(end) {
			b.now = end
			return all
		}
		b.now = later(b.now, at)
		for _, a := range b.step(Wake{}) {
			all = append(all, timed{b.now, a})
		}
	}
	b.t.Fatal("the engine wants to be woken again and again")
	return nil
}

type timed struct {
	at time.Time
	Action
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// holding makes a brain hold the records of so many leaves.
func (b *brain) holding(n int) (leaves []wire.ID) {
	b.t.Helper()
	for i := range n {
		p := person(2000 + i)
		raw := attestation(p, p.ID(), b.now, 120, wire.ID{7})
		if why := b.holder.store.offer(raw, b.now); why != reason.None {
			b.t.Fatal(why)
		}
		leaves = append(leaves, p.ID())
	}
	return leaves
}

func TestHandOverToANearerRelay(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	leaves := b.holding(3 * limits.RecordsHandedOver)
	p := b.peer(routing.ID(person(7).ID()), nil)
	b.up(p, nil)
	count := func(actions []Action) (n int) {
		for l, copies := range given(t, actions) {
			if l != p.Link {
				t.Fatal("copied to another link")
			}
			n += len(copies)
			for _, c := range copies {
				rec, _ := wire.ParseRecord(c.Record)
				a, _ := wire.ParseAttachment(rec.Body)
				if key := routing.ID(a.Leaf).Key(); !routing.Closer(p.Key, b.cfg.Self.Key(), key) {
					t.Errorf("record of %x: the relay is not nearer", a.Leaf[:4])
				}
			}
		}
		return n
	}
	total := count(b.step(Pong{p.Link}))
	if total != limits.RecordsHandedAtOnce {
		t.Errorf("at once: got %d, want %d", total, limits.RecordsHandedAtOnce)
	}
	last := b.now
	for _, a := range b.elapse(30 * time.Second) {
		n := count([]Action{a.Action})
		if total += n; n > 0 && a.at != last && a.at.Sub(last) < limits.RecordsHandPause {
			t.Errorf("pause: got %v, want %v", a.at.Sub(last), limits.RecordsHandPause)
		}
		if n > 0 {
			last = a.at
		}
	}
	if total != limits.RecordsHandedOver {
		t.Errorf("in all: got %d, want %d", total, limits.RecordsHandedOver)
	}
	if got := b.holder.store.len(); got != len(leaves) {
		t.Errorf("still held: got %d, want all %d", got, len(leaves))
	}
}

func TestHandOverEndsWithTheLink(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	b.holding(300)
	p := b.peer(routing.ID(person(7).ID()), nil)
	b.up(p, nil)
	b.step(Pong{p.Link})
	b.down(p, reason.Idle)
	for _, a := range b.elapse(5 * time.Second) {
		if len(given(t, []Action{a.Action})) > 0 {
			t.Error("copied to a link that has ended")
		}
	}
	if len(b.holder.handing) != 0 || !b.holder.handAt.IsZero() {
		t.Error("not forgotten")
	}
}

// A holder keeps what nearer ones have: else four IDs that lie near a leaf's Key
// could have its record forgotten.
func TestHandOverForgetsNothing(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	leaf := b.holding(1)[0]
	key := routing.ID(leaf).Key()
	copies := 0
	for i := 0; copies < 6; i++ {
		id := routing.ID(person(3000 + i).ID())
		p := b.peer(id, nil)
		b.up(p, nil)
		n := len(given(t, b.step(Pong{p.Link})))
		if want := routing.Closer(id.Key(), b.cfg.Self.Key(), key); n == 1 != want {
			t.Errorf("relay %d: %d copies, nearer %v", i, n, want)
		}
		copies += n
		b.down(p, reason.Idle)
	}
	if _, held := b.holder.store.Attachment(leaf); !held {
		t.Errorf("forgotten when %d nearer relays had it", copies)
	}
	b.holder.store.check(t)
}

// A neighbour's record about somebody is taken from a home that it names, and by
// those who are nearest its Key. One signed link frame of a stranger changes nothing
// else.
func TestStoreCopyOfWhom(t *testing.T) {
	for _, tt := range []struct {
		name   string
		nearer int // relays linked here that are nearer the leaf's Key than this node
		homes  func(p *Peer) []wire.ID
		want   reason.Reason
	}{
		{"a home", limits.RecordHolders, func(p *Peer) []wire.ID { return []wire.ID{{9}, wire.ID(p.ID)} }, reason.None},
		{"a stranger, far from the Key", limits.RecordHolders, func(*Peer) []wire.ID { return []wire.ID{{9}} }, reason.Unsolicited},
		{"a stranger, near the Key", limits.RecordHolders - 1, func(*Peer) []wire.ID { return []wire.ID{{9}} }, reason.None},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBrain(t, as(person(1), false))
			owner := person(2)
			key := routing.ID(owner.ID()).Key()
			var far *Peer
			for i, nearer := 0, 0; far == nil || nearer < tt.nearer; i++ {
				id := routing.ID(person(3000 + i).ID())
				closer := routing.Closer(id.Key(), b.cfg.Self.Key(), key)
				switch {
				case closer && nearer < tt.nearer:
					nearer++
				case closer || far != nil:
					continue
				}
				p := b.peer(id, nil)
				b.up(p, nil)
				if !closer {
					far = p
				}
			}
			record := attestation(owner, owner.ID(), b.now, 120, tt.homes(far)...)
			b.step(LinkFrame{far.Link, wire.AppendLinkRecord(nil, &wire.RecordCopy{Remaining: 60, Record: record})})
			if _, held := b.Snapshot().records.Attachment(owner.ID()); held != (tt.want == reason.None) {
				t.Errorf("held: got %v", held)
			}
			if tt.want != reason.None && b.drops.Get(tt.want) != 1 {
				t.Errorf("counted: got %v, want one %v", b.drops.Map(), tt.want)
			}
		})
	}
}
