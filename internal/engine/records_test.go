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
	s.init(routing.ID{0x50}, most)
	return s
}

// offer verifies and puts a record, as it comes from its owner.
func (s *recordStore) offer(raw []byte, now time.Time) reason.Reason {
	rec, signer, err := identity.VerifyRecord(raw, now)
	if err != nil {
		return recordReason(err)
	}
	return s.put(rec, signer, raw, identity.HeldUntil(&rec, now, rec.TTL), now)
}

func TestRecordsPut(t *testing.T) {
	owner, gate, other := person(1), person(2), person(3)
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
		{"of nobody", []offer{{attestation(gate, wire.ID{}, midday, 120, a), 0, reason.BadRecord}}, nil},
		{"without homes", []offer{{attestation(owner, leaf, midday, 120), 0, reason.BadRecord}}, nil},
		{"a topic", []offer{{owner.Sign(wire.RecordTopic, uint64(midday.UnixMilli()), 60, wire.AppendTopic(nil, &wire.Topic{})), 0, reason.Unsupported}}, nil},

		{"withdrawn", []offer{{at(owner, 0, a), 0, reason.None}, {at(owner, 1), 0, reason.None}}, nil},
		{"withdrawn, replayed", []offer{{at(owner, 1), 0, reason.None}, {at(owner, 0, a), time.Minute, reason.Duplicate}}, nil},
		{"withdrawn, back again", []offer{{at(owner, 1), 0, reason.None}, {at(owner, 2, a), 0, reason.None}}, []wire.ID{a}},
		{"withdrawn by somebody else", []offer{{at(owner, 0, a), 0, reason.None}, {at(other, 1), 0, reason.Duplicate}}, []wire.ID{a}},

		{"of a gateway", []offer{{at(gate, 0, a), 0, reason.None}}, []wire.ID{a}},
		{"the owner beats a later gateway", []offer{{at(gate, 9, a), 0, reason.None}, {at(owner, 0, b), 0, reason.None}}, []wire.ID{b}},
		{"a later gateway does not beat the owner", []offer{{at(owner, 0, b), 0, reason.None}, {at(gate, 9, a), 0, reason.Duplicate}}, []wire.ID{b}},
		{"nor the owner that withdrew", []offer{{at(owner, 0), 0, reason.None}, {at(gate, 9, a), 0, reason.Duplicate}}, nil},
		{"but one that is gone", []offer{{at(owner, 0, b), 0, reason.None}, {at(gate, 119, a), 120 * time.Second, reason.None}}, []wire.ID{a}},
		{"another gateway", []offer{{at(gate, 0, a), 0, reason.None}, {at(other, 1, b), 0, reason.None}}, []wire.ID{b}},
		{"another gateway, earlier", []offer{{at(gate, 1, a), 0, reason.None}, {at(other, 0, b), 0, reason.Duplicate}}, []wire.ID{a}},
		{"a gateway cannot withdraw another's", []offer{{at(gate, 0, a), 0, reason.None}, {at(other, 1), 0, reason.None}}, []wire.ID{a}},
		{"after a gateway withdrew comes another", []offer{{at(gate, 1), 0, reason.None}, {at(other, 0, b), 0, reason.None}}, []wire.ID{b}},
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

// check compares the two orders, and the guests counted, with the map.
func (s *recordStore) check(t *testing.T) {
	t.Helper()
	for i, h := range []*recordHeap{&s.byEnd, &s.byDistance} {
		if len(h.list) != len(s.byLeaf) {
			t.Fatalf("order %d: got %d records, want %d", i, len(h.list), len(s.byLeaf))
		}
		for j, r := range h.list {
			if r.place[h.place] != j || s.byLeaf[r.leaf] != r || j > 0 && h.before(r, h.list[(j-1)/2]) {
				t.Fatalf("order %d: record %d is out of place", i, j)
			}
		}
	}
	guests := map[wire.ID]int{}
	for _, r := range s.byLeaf {
		if r.signer != r.leaf {
			guests[r.signer]++
		}
	}
	if !maps.Equal(guests, s.guests) {
		t.Fatalf("guests: counted %v, want %v", s.guests, guests)
	}
}

// One gateway may fill a part of a store alone, whatever it signs.
func TestRecordsGuestsOfOneGatewayAreBounded(t *testing.T) {
	s := newStore(limits.Records)
	gate, other := wire.ID{0xA}, wire.ID{0xB}
	put := func(signer wire.ID, guest, sequence int, homes ...wire.ID) reason.Reason {
		leaf := wire.ID{1, byte(guest), byte(guest >> 8)}
		if signer == (wire.ID{}) {
			signer = leaf
		}
		rec := wire.Record{Kind: wire.RecordAttachment, Sequence: uint64(sequence)}
		if len(homes) > 0 {
			rec.TTL = 120
		}
		rec.Body = wire.AppendAttachment(nil, &wire.Attachment{Leaf: leaf, Homes: homes})
		return s.put(rec, signer, nil, midday.Add(2*time.Minute+time.Duration(guest)*time.Second), midday)
	}
	home := wire.ID{7}
	for i := range limits.GuestsPerGateway {
		if why := put(gate, i, 1, home); why != reason.None {
			t.Fatalf("guest %d: got %v", i, why)
		}
	}
	const more = limits.GuestsPerGateway
	for _, c := range []struct {
		name string
		got  reason.Reason
		want reason.Reason
	}{
		{"one more", put(gate, more, 1, home), reason.StoreFull},
		{"one more, withdrawn", put(gate, more, 1), reason.StoreFull},
		{"another gateway's", put(other, more, 1, home), reason.None},
		{"to speak for another's guest", put(gate, more, 2, home), reason.StoreFull},
		{"a renewal", put(gate, 3, 2, home), reason.None},
		{"a withdrawal", put(gate, 3, 3), reason.None},
		{"a leaf of its own", put(wire.ID{}, more+1, 1, home), reason.None},
		{"a guest that speaks for itself", put(wire.ID{}, 5, 1, home), reason.None},
		{"in its place", put(gate, more+2, 1, home), reason.None},
		{"one more again", put(gate, more+3, 1, home), reason.StoreFull},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
	s.check(t)
	s.expire(midday.Add(2 * time.Minute)) // the first guest's has ended
	if why := put(gate, more+3, 1, home); why != reason.None {
		t.Errorf("when one has ended: got %v", why)
	}
	if s.expire(midday.Add(time.Hour)); len(s.guests) != 0 || s.len() != 0 {
		t.Errorf("in the end: got %d records, guests %v, want none", s.len(), s.guests)
	}
	s.check(t)
}

func TestRecordsWithdrawalIsForgotten(t *testing.T) {
	s, p := newStore(8), person(1)
	s.offer(attestation(p, p.ID(), midday, 0), midday)
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{limits.WithdrawalKept - time.Second, 1}, {limits.WithdrawalKept, 0}} {
		if s.expire(midday.Add(c.after)); s.len() != c.want {
			t.Errorf("records after %v: got %d, want %d", c.after, s.len(), c.want)
		}
	}
}

func TestRecordsFullStoreKeepsTheNearest(t *testing.T) {
	const most = 16
	s := newStore(most)
	var people []*identity.Identity
	for i := range 3 * most {
		people = append(people, person(i))
	}
	for _, p := range people {
		why := s.offer(attestation(p, p.ID(), midday, 120, wire.ID{9}), midday)
		if _, held := s.Attachment(p.ID()); held != (why == reason.None) || why != reason.None && why != reason.StoreFull {
			t.Errorf("%v: got %v, held %v", p, why, held)
		}
		s.check(t)
	}
	slices.SortFunc(people, func(a, b *identity.Identity) int {
		if routing.Closer(routing.Key(identity.KeyOf(a.ID())), routing.Key(identity.KeyOf(b.ID())), s.self) {
			return -1
		}
		return 1
	})
	for i, p := range people {
		if _, held := s.Attachment(p.ID()); held != (i < most) {
			t.Errorf("number %d by distance: held %v, want %v", i, held, i < most)
		}
	}
	if s.offer(attestation(people[0], people[0].ID(), midday.Add(time.Second), 120, wire.ID{8}), midday) != reason.None {
		t.Error("a full store refuses a newer record of one that it holds")
	}
}

func TestRecordsBound(t *testing.T) {
	var h holder
	if h.init(routing.ID{1}); h.store.most != limits.Records {
		t.Errorf("records held: got %d, want %d", h.store.most, limits.Records)
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
	sequence := uint64(0)
	for range 5000 {
		now = now.Add(time.Duration(r.IntN(3000)) * time.Millisecond)
		leaf := wire.ID{byte(1 + r.IntN(120))}
		rec := wire.Record{Kind: wire.RecordAttachment, TTL: uint16(r.IntN(3) * 60)}
		if rec.Sequence = sequence; r.IntN(4) > 0 {
			sequence++
		}
		a := wire.Attachment{Leaf: leaf}
		if rec.TTL > 0 {
			a.Homes = []wire.ID{{0xFF}}
		}
		rec.Body = wire.AppendAttachment(nil, &a)
		s.put(rec, wire.ID{byte(1 + r.IntN(120))}, nil, now.Add(time.Duration(rec.TTL+1)*time.Second), now)
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
	s := newStore(64)
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
		s.put(rec, ids[i], nil, midday.Add(time.Duration(i)*time.Millisecond+time.Second), midday)
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
		s.put(rec, leaf, nil, midday.Add(time.Hour), midday)
	}
}
