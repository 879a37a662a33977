package engine

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

var midday = time.Unix(1_700_000_000, 0)

// person is somebody with a key of their own; the same for the same number.
func person(n int) *identity.Identity {
	return identity.FromSeed([32]byte{byte(n), byte(n >> 8), 1})
}

// attestation is an attachment record that was signed at a time.
func attestation(by *identity.Identity, leaf wire.ID, signed time.Time, ttl uint16, homes ...wire.ID) []byte {
	body := wire.AppendAttachment(nil, &wire.Attachment{Leaf: leaf, Homes: homes})
	return by.Sign(wire.RecordAttachment, uint64(signed.UnixMilli()), ttl, body)
}

func newStore(most int) *recordStore {
	s := new(recordStore)
	s.init(routing.ID{0x50}, most, most)
	return s
}

// offer verifies and puts a record, as it comes from its owner.
func (s *recordStore) offer(raw []byte, now time.Time) reason.Reason {
	return s.offerBy(routing.ID{}, raw, now)
}

// offerBy is offer of a record that a peer brings.
func (s *recordStore) offerBy(by routing.ID, raw []byte, now time.Time) reason.Reason {
	rec, signer, err := identity.VerifyRecord(raw, now)
	if err != nil {
		return recordReason(err)
	}
	return s.put(&offered{Record: rec, signer: signer, raw: raw, by: by, held: identity.HeldUntil(&rec, now, rec.TTL)}, now)
}

func TestRecordsPut(t *testing.T) {
	owner, other := person(1), person(3)
	leaf := owner.ID()
	a, b := wire.ID{0xA}, wire.ID{0xB}
	// at is a record of the leaf, signed so many seconds after midday.
	at := func(by *identity.Identity, s int, homes ...wire.ID) []byte {
		ttl := uint16(limits.AttachmentTTL)
		if len(homes) == 0 {
			ttl = 0
		}
		return attestation(by, leaf, midday.Add(time.Duration(s)*time.Second), ttl, homes...)
	}
	forged := at(owner, 0, a)
	forged[len(forged)-1] ^= 1
	type offer struct {
		raw   []byte
		after time.Duration
		want  reason.Reason
	}
	for _, tt := range []struct {
		name   string
		offers []offer
		want   []wire.ID // homes in the end; nil: not found
	}{
		{"one", []offer{{at(owner, 0, a, b), 0, reason.None}}, []wire.ID{a, b}},
		{"a later one", []offer{{at(owner, 0, a), 0, reason.None}, {at(owner, 1, b), 0, reason.None}}, []wire.ID{b}},
		{"out of order", []offer{{at(owner, 1, b), 0, reason.None}, {at(owner, 0, a), 0, reason.Duplicate}}, []wire.ID{b}},
		{"the same again", []offer{{at(owner, 0, a), 0, reason.None}, {at(owner, 0, a), time.Second, reason.None}}, []wire.ID{a}},
		{"the same again lives no longer", []offer{{at(owner, 0, a), 0, reason.None}, {at(owner, 0, a), 119 * time.Second, reason.None}, {nil, time.Second, reason.None}}, nil},
		{"its life has ended", []offer{{at(owner, 0, a), 0, reason.None}, {nil, 120 * time.Second, reason.None}}, nil},
		{"its life has not ended", []offer{{at(owner, 0, a), 0, reason.None}, {nil, 119 * time.Second, reason.None}}, []wire.ID{a}},
		{"signed too long ago", []offer{{at(owner, -421, a), 0, reason.Expired}}, nil},
		{"signed in the future", []offer{{at(owner, 421, a), 0, reason.BadRecord}}, nil},
		{"replayed in the tolerance of clocks", []offer{{at(owner, -400, a), 0, reason.None}, {nil, 20 * time.Second, reason.None}}, nil},
		{"forged", []offer{{forged, 0, reason.BadRecord}}, nil},
		{"its own home", []offer{{at(owner, 0, leaf), 0, reason.BadRecord}}, nil},
		{"nobody's home", []offer{{at(owner, 0, wire.ID{}), 0, reason.BadRecord}}, nil},
		{"of nobody", []offer{{attestation(other, wire.ID{}, midday, 120, a), 0, reason.BadRecord}}, nil},
		{"without homes", []offer{{attestation(owner, leaf, midday, 120), 0, reason.BadRecord}}, nil},
		{"a topic", []offer{{owner.Sign(wire.RecordTopic, uint64(midday.UnixMilli()), 60, wire.AppendTopic(nil, &wire.Topic{})), 0, reason.Unsupported}}, nil},

		{"withdrawn", []offer{{at(owner, 0, a), 0, reason.None}, {at(owner, 1), 0, reason.None}}, nil},
		{"withdrawn, replayed", []offer{{at(owner, 1), 0, reason.None}, {at(owner, 0, a), time.Minute, reason.Duplicate}}, nil},
		{"withdrawn, back again", []offer{{at(owner, 1), 0, reason.None}, {at(owner, 2, a), 0, reason.None}}, []wire.ID{a}},
		{"withdrawn, told again", []offer{{at(owner, 1), 0, reason.None}, {at(owner, 1), 0, reason.None}}, nil},
		{"withdrawn by somebody else", []offer{{at(owner, 0, a), 0, reason.None}, {at(other, 1), 0, reason.BadRecord}}, []wire.ID{a}},
		{"its life has ended, replayed", []offer{{at(owner, 0, a), 0, reason.None}, {nil, 120 * time.Second, reason.None}, {at(owner, 0, a), 0, reason.Duplicate}}, nil},
		{"an older one, once its life has ended", []offer{{at(owner, 0, a), 0, reason.None}, {at(owner, -9, b), 120 * time.Second, reason.Duplicate}}, nil},
		{"an older one, at the last moment", []offer{{at(owner, 0, a), 0, reason.None}, {at(owner, 0, a), 420 * time.Second, reason.Expired}}, nil},

		{"of somebody else", []offer{{at(other, 0, a), 0, reason.BadRecord}}, nil},
		{"of somebody else, after the leaf's", []offer{{at(owner, 0, b), 0, reason.None}, {at(other, 9, a), 0, reason.BadRecord}}, []wire.ID{b}},
		{"of somebody else, when the leaf is gone", []offer{{at(owner, 0), 0, reason.None}, {at(other, 9, a), 0, reason.BadRecord}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, now := newStore(8), midday
			for i, o := range tt.offers {
				now = now.Add(o.after)
				s.expire(now)
				if o.raw == nil {
					continue
				}
				if got := s.offer(o.raw, now); got != o.want {
					t.Errorf("record %d: got %v, want %v", i, got, o.want)
				}
			}
			homes, ok := s.Attachment(leaf)
			if ok != (tt.want != nil) || !slices.Equal(homes, tt.want) {
				t.Errorf("homes: got %x, %v, want %x", homes, ok, tt.want)
			}
			s.check(t)
		})
	}
}

// check compares the orders, and what is counted, with the maps.
func (s *recordStore) check(t *testing.T) {
	t.Helper()
	if got := len(s.near.list) + len(s.far.list); got != len(s.byLeaf) || len(s.farthest.list) != len(s.near.list) {
		t.Fatalf("orders: got %d and %d records, want %d, as many by distance as near ones", len(s.near.list), len(s.far.list), len(s.byLeaf))
	}
	brought := map[routing.ID]int{}
	for _, h := range []*recordHeap{&s.near, &s.far, &s.farthest} {
		checkHeap(t, h)
		for _, r := range h.list {
			if s.byLeaf[r.leaf] != r || r.near == (h == &s.far) {
				t.Fatalf("a record of %x is in the wrong half, or held no more", r.leaf[:4])
			}
			if h != &s.farthest {
				brought[r.by]++
			}
		}
	}
	if !maps.Equal(brought, s.brought) {
		t.Fatalf("brought: counted %v, want %v", s.brought, brought)
	}
	m := &s.memory
	if len(m.byLeaf) != len(m.byEnd.list) || len(m.byLeaf) > m.most {
		t.Fatalf("remembered: got %d and %d, want the same, at most %d", len(m.byLeaf), len(m.byEnd.list), m.most)
	}
	checkHeap(t, &m.byEnd)
	for leaf := range m.byLeaf {
		if s.byLeaf[leaf] != nil {
			t.Fatalf("%x is remembered and held", leaf[:4])
		}
	}
}

func checkHeap[T any](t *testing.T, h *placedHeap[T]) {
	t.Helper()
	for i, x := range h.list {
		if *h.place(x) != i || i > 0 && h.before(x, h.list[(i-1)/2]) {
			t.Fatalf("number %d of %d is out of place", i, len(h.list))
		}
	}
}

// A full store lets go what ends first, and keeps half of its room for those
// nearest itself, whatever comes.
func TestRecordsFullStore(t *testing.T) {
	const most = 16
	s := newStore(most)
	var people []*identity.Identity
	for i := range 3 * most {
		people = append(people, person(i))
	}
	for i, p := range people {
		now := midday.Add(time.Duration(i) * time.Second)
		if why := s.offerBy(routing.ID{byte(i)}, attestation(p, p.ID(), now, 120, wire.ID{9}), now); why != reason.None {
			t.Fatalf("record %d: got %v", i, why)
		}
		s.check(t)
	}
	if s.len() != most {
		t.Fatalf("records: got %d, want %d", s.len(), most)
	}
	for _, p := range people[len(people)-most/2:] {
		if _, held := s.Attachment(p.ID()); !held {
			t.Errorf("%v: among the newest half, and not held", p)
		}
	}
	nearest := slices.Clone(people)
	slices.SortFunc(nearest, func(a, b *identity.Identity) int {
		if routing.Closer(routing.Key(identity.KeyOf(a.ID())), routing.Key(identity.KeyOf(b.ID())), s.self) {
			return -1
		}
		return 1
	})
	for i, p := range nearest[:most/2] {
		if _, held := s.Attachment(p.ID()); !held {
			t.Errorf("number %d by distance is not held", i)
		}
	}
	if s.offer(attestation(nearest[0], nearest[0].ID(), midday.Add(time.Minute), 120, wire.ID{8}), midday.Add(time.Minute)) != reason.None {
		t.Error("a full store refuses a newer record of one that it holds")
	}
}

// One peer fills an eighth of a store, whatever it brings, and takes nobody's
// place beyond that.
func TestRecordsOfOnePeerAreBounded(t *testing.T) {
	const most = 64
	s, flooder := newStore(most), routing.ID{1}
	honest := person(5000)
	s.offerBy(routing.ID{2}, attestation(honest, honest.ID(), midday, 120, wire.ID{9}), midday)
	offer := func(n int, by routing.ID, at time.Duration) reason.Reason {
		p := person(n)
		return s.offerBy(by, attestation(p, p.ID(), midday.Add(at), 120, wire.ID{7}), midday.Add(at))
	}
	for i := range 10 * most {
		want := reason.None
		if i >= most/limits.RecordsShare {
			want = reason.StoreFull
		}
		if why := offer(i, flooder, 0); why != want {
			t.Fatalf("record %d: got %v, want %v", i, why, want)
		}
	}
	if _, held := s.Attachment(honest.ID()); !held {
		t.Error("the flood drove out somebody else's")
	}
	if why := offer(0, flooder, time.Second); why != reason.None {
		t.Errorf("a renewal: got %v", why)
	}
	if why := offer(600, routing.ID{3}, time.Second); why != reason.None {
		t.Errorf("another peer's: got %v", why)
	}
	s.check(t)
	s.expire(midday.Add(time.Hour))
	if len(s.brought) != 0 {
		t.Errorf("in the end: got %v, want nothing counted", s.brought)
	}
}

func TestRecordsBounds(t *testing.T) {
	var h holder
	if h.init(routing.ID{1}); h.store.most != limits.Records || h.store.memory.most != limits.RecordsRemembered {
		t.Errorf("got %d held and %d remembered, want %d and %d", h.store.most, h.store.memory.most, limits.Records, limits.RecordsRemembered)
	}
}

// No record comes back once its leaf has said something newer, however that went,
// for as long as it could be accepted.
func TestRecordsOldOnesNeverComeBack(t *testing.T) {
	owner := person(1)
	old := attestation(owner, owner.ID(), midday, 120, wire.ID{6})
	fresh := midday.Add(time.Second)
	for _, tt := range []struct {
		name string
		then func(s *recordStore) // after the newer one
	}{
		{"held", func(*recordStore) {}},
		{"ended", func(s *recordStore) { s.expire(fresh.Add(2 * time.Minute)) }},
		{"withdrawn", func(s *recordStore) {
			s.offer(attestation(owner, owner.ID(), fresh.Add(1), 0), fresh)
			s.offer(attestation(owner, owner.ID(), fresh.Add(time.Second), 0), fresh.Add(time.Second))
		}},
		{"driven out", func(s *recordStore) {
			for i := range 100 {
				p := person(100 + i)
				s.offerBy(routing.ID{byte(i + 1)}, attestation(p, p.ID(), fresh, 120, wire.ID{8}), fresh.Add(time.Second))
			}
		}},
		{"driven out, and out of memory", func(s *recordStore) {
			at := fresh
			for i := range 200 {
				at = at.Add(time.Second)
				p := person(100 + i)
				s.offerBy(routing.ID{byte(i + 1)}, attestation(p, p.ID(), at, 120, wire.ID{8}), at)
			}
			if _, known := s.memory.of(owner.ID()); known {
				t.Fatal("it is remembered yet: nothing is tested")
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(8)
			if why := s.offer(attestation(owner, owner.ID(), fresh, 120, wire.ID{7}), fresh); why != reason.None {
				t.Fatal(why)
			}
			tt.then(s)
			s.check(t)
			for at := fresh.Add(4 * time.Minute); at.Before(midday.Add(10 * time.Minute)); at = at.Add(time.Second) {
				s.expire(at)
				why := s.offer(old, at)
				if homes, held := s.Attachment(owner.ID()); held && homes[0] == (wire.ID{6}) || why == reason.None {
					t.Fatalf("%v after it was signed: got %v, homes %x", at.Sub(midday), why, homes)
				}
			}
			if len(s.memory.byLeaf) != 0 && tt.name != "driven out, and out of memory" {
				t.Errorf("remembered in the end: got %d, want none", len(s.memory.byLeaf))
			}
		})
	}
}

// A memory that is full forgets what ends first, and stops no leaf that signs now.
func TestRecordsMemoryFull(t *testing.T) {
	s := newStore(8)
	withdraw := func(n int, at time.Time) {
		p := person(n)
		if why := s.offer(attestation(p, p.ID(), at, 0), midday); why != reason.None {
			t.Fatalf("withdrawal %d: got %v", n, why)
		}
	}
	for i := range 8 {
		withdraw(i, midday.Add(time.Duration(i)*time.Second))
	}
	for i := range 80 { // of a time as far ahead as can be
		withdraw(100+i, midday.Add(limits.ClockTolerance))
		s.check(t)
	}
	if got := len(s.memory.byLeaf); got != 8 {
		t.Errorf("remembered: got %d, want 8", got)
	}
	p := person(3)
	for _, c := range []struct {
		name   string
		signed time.Duration // before now
		want   reason.Reason
	}{
		{"signed now", 0, reason.None},
		{"signed when what was forgotten was", limits.AttachmentTTL * time.Second, reason.Expired},
		{"signed earlier", limits.AttachmentTTL*time.Second + time.Minute, reason.Expired},
	} {
		now := midday.Add(3 * time.Second)
		if why := s.offer(attestation(p, p.ID(), now.Add(-c.signed), 120, wire.ID{7}), now); why != c.want && !(c.want == reason.Expired && why == reason.Duplicate) {
			t.Errorf("%s: got %v, want %v", c.name, why, c.want)
		}
	}
}

// A node that begins does not know what was said before. It takes what can be
// renewed, and nothing that can only be old.
func TestRecordsAfterAStart(t *testing.T) {
	s, p := newStore(8), person(1)
	s.memory.begin(midday)
	for _, c := range []struct {
		name       string
		signed, at time.Duration // after the start
		want       reason.Reason
	}{
		{"signed long before", -3 * time.Minute, 0, reason.Expired},
		{"signed before, later", -time.Second, 3 * time.Minute, reason.Expired},
		{"signed a life ago", -2*time.Minute + time.Second, 0, reason.None},
		{"signed now", time.Second, time.Second, reason.None},
	} {
		now := midday.Add(c.at)
		if why := s.offer(attestation(p, p.ID(), midday.Add(c.signed), 120, wire.ID{7}), now); why != c.want {
			t.Errorf("%s: got %v, want %v", c.name, why, c.want)
		}
	}
}

// A clock that was an hour ahead and is set right leaves nothing behind that
// stops the leaves: neither what was held nor what was remembered then.
func TestRecordsClockSetBack(t *testing.T) {
	for _, ended := range []bool{false, true} {
		s, p := newStore(8), person(1)
		ahead := midday.Add(time.Hour)
		s.memory.begin(ahead)
		s.offer(attestation(p, p.ID(), ahead, 120, wire.ID{6}), ahead)
		if ended {
			s.expire(ahead.Add(2 * time.Minute))
		}
		if why := s.offer(attestation(p, p.ID(), midday, 120, wire.ID{7}), midday); why != reason.None {
			t.Errorf("ended %v: got %v", ended, why)
		}
		if homes, _ := s.Attachment(p.ID()); len(homes) != 1 || homes[0] != (wire.ID{7}) {
			t.Errorf("ended %v: homes: got %x", ended, homes)
		}
		s.check(t)
	}
}

func TestRecordsVersion(t *testing.T) {
	s, p := newStore(8), person(1)
	for _, c := range []struct {
		name  string
		s     int
		homes []wire.ID
		moves bool
	}{
		{"the first", 0, []wire.ID{{1}}, true},
		{"the same", 0, []wire.ID{{1}}, false},
		{"other homes", 1, []wire.ID{{2}}, false},
		{"withdrawn", 2, nil, false},
		{"back", 3, []wire.ID{{1}}, true},
	} {
		ttl := uint16(120)
		if c.homes == nil {
			ttl = 0
		}
		before := s.Version()
		s.offer(attestation(p, p.ID(), midday.Add(time.Duration(c.s)*time.Second), ttl, c.homes...), midday)
		if got := s.Version() != before; got != c.moves {
			t.Errorf("%s: version moved %v, want %v", c.name, got, c.moves)
		}
	}
	before := s.Version()
	if s.expire(midday.Add(time.Hour)); s.Version() != before {
		t.Error("moved when a record went")
	}
}

// The orders stay right however records come and go.
func TestRecordsRandomly(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s, now := newStore(40), midday
	sequence := uint64(midday.UnixMilli())
	for range 5000 {
		now = now.Add(time.Duration(r.IntN(3000)) * time.Millisecond)
		leaf := wire.ID{byte(1 + r.IntN(120))}
		rec := wire.Record{Kind: wire.RecordAttachment, TTL: uint16(r.IntN(3) * 60)}
		if rec.Sequence = sequence; r.IntN(4) > 0 {
			sequence = uint64(now.UnixMilli())
		}
		a := wire.Attachment{Leaf: leaf}
		if rec.TTL > 0 {
			a.Homes = []wire.ID{{0xFF}}
		}
		rec.Body = wire.AppendAttachment(nil, &a)
		s.put(&offered{Record: rec, signer: leaf, by: routing.ID{byte(r.IntN(9))}, held: now.Add(time.Duration(rec.TTL+1) * time.Second)}, now)
		s.expire(now)
		s.check(t)
		if s.len() > s.most {
			t.Fatalf("records: got %d, want at most %d", s.len(), s.most)
		}
	}
}

func TestRecordsReadersAllocateNothing(t *testing.T) {
	s, p := newStore(8), person(1)
	s.offer(attestation(p, p.ID(), midday, 120, wire.ID{1}), midday)
	id, stranger := p.ID(), wire.ID{7}
	if n := testing.AllocsPerRun(100, func() {
		s.Attachment(id)
		s.Attachment(stranger)
		s.Version()
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

// A reader that sees the version move finds the record.
func TestRecordsReadersBesideTheWriter(t *testing.T) {
	s := newStore(32 * limits.RecordsShare)
	var raw [][]byte
	var people []wire.ID
	for i := range 32 {
		p := person(i)
		people = append(people, p.ID())
		raw = append(raw, attestation(p, p.ID(), midday, 120, wire.ID{byte(i + 1)}))
	}
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !done.Load() {
				version := s.Version()
				for i, id := range people {
					homes, ok := s.Attachment(id)
					if ok && (len(homes) != 1 || homes[0] != wire.ID{byte(i + 1)}) {
						t.Errorf("homes of %d: got %x", i, homes)
						return
					}
					if !ok && version > uint64(i) && version <= uint64(len(people)) && s.Version() == version {
						t.Errorf("version %d without record %d", version, i)
						return
					}
				}
			}
		})
	}
	for _, r := range raw {
		if why := s.offer(r, midday); why != reason.None {
			t.Error(why)
		}
	}
	done.Store(true)
	readers.Wait()
	s.expire(midday.Add(time.Hour))
	if s.len() != 0 {
		t.Errorf("records: got %d, want none", s.len())
	}
}

// filled is a full store of records that nobody signed.
func filled(most int) (*recordStore, []wire.ID) {
	s, ids := newStore(most), make([]wire.ID, most)
	for i := range ids {
		ids[i] = wire.ID{1, byte(i), byte(i >> 8), byte(i >> 16)}
		rec := wire.Record{Kind: wire.RecordAttachment, TTL: 120, Sequence: 1}
		rec.Body = wire.AppendAttachment(nil, &wire.Attachment{Leaf: ids[i], Homes: []wire.ID{{7}}})
		s.put(&offered{Record: rec, signer: ids[i], by: routing.ID{byte(i % 16)}, held: midday.Add(time.Duration(i)*time.Millisecond + time.Second)}, midday)
	}
	return s, ids
}

func BenchmarkRecordsAttachment(b *testing.B) {
	s, ids := filled(limits.Records)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			s.Attachment(ids[i%len(ids)])
		}
	})
}

func BenchmarkRecordsRenew(b *testing.B) {
	s, ids := filled(limits.Records)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		rec := wire.Record{Kind: wire.RecordAttachment, TTL: 120, Sequence: uint64(i + 2)}
		leaf := ids[i%len(ids)]
		rec.Body = wire.AppendAttachment(nil, &wire.Attachment{Leaf: leaf, Homes: []wire.ID{{7}}})
		s.put(&offered{Record: rec, signer: leaf, by: routing.ID{byte(i % 16)}, held: midday.Add(time.Hour)}, midday)
	}
}
