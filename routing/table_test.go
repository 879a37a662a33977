package routing

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func mustTable(t rapid.TB, self ID, capacity int) Table {
	table, err := NewTable(self, capacity)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestNewTableRefuses(t *testing.T) {
	for _, tt := range []struct {
		name     string
		self     ID
		capacity int
		want     error
	}{
		{"zero self", ID{}, 10, ErrZeroID},
		{"no room", ID{1}, 0, ErrCapacity},
		{"negative", ID{1}, -1, ErrCapacity},
		{"huge", ID{1}, MaxTableCapacity + 1, ErrCapacity},
		{"smallest", ID{1}, 1, nil},
		{"largest", ID{1}, MaxTableCapacity, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := NewTable(tt.self, tt.capacity); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestTableAdd(t *testing.T) {
	self := ID{1}
	table := mustTable(t, self, 2)
	for _, tt := range []struct {
		name string
		id   ID
		want error
		size int
	}{
		{"itself", self, ErrSelf, 0},
		{"nobody", ID{}, ErrZeroID, 0},
		{"first", ID{2}, nil, 1},
		{"first again", ID{2}, nil, 1},
		{"second", ID{3}, nil, 2},
		{"one too many", ID{4}, ErrTableFull, 2},
		{"second again, when full", ID{3}, nil, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := table.Add(tt.id); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if got := table.Len(); got != tt.size {
				t.Errorf("got length %d, want %d", got, tt.size)
			}
		})
	}
}

func TestTableRemoveMakesRoom(t *testing.T) {
	table := mustTable(t, ID{1}, 1)
	if table.Remove(ID{2}) {
		t.Error("Remove of a stranger: got true, want false")
	}
	if err := table.Add(ID{2}); err != nil {
		t.Fatal(err)
	}
	if !table.Remove(ID{2}) || table.Contains(ID{2}) || table.Len() != 0 {
		t.Error("Remove: the peer is still there")
	}
	if err := table.Add(ID{3}); err != nil {
		t.Errorf("got %v, want room", err)
	}
}

// TestTableHoldsAnyMix fills a table to its capacity with peers of one single
// bucket, the mix that small buckets would refuse.
func TestTableHoldsAnyMix(t *testing.T) {
	const capacity = 300
	src := source(3)
	self := mustID(src)
	table := mustTable(t, self, capacity)
	for table.Len() < capacity {
		id := mustID(src)
		if self.Key().CommonPrefixLen(id.Key()) != 0 {
			continue
		}
		if err := table.Add(id); err != nil {
			t.Fatalf("peer %d: got %v, want room", table.Len(), err)
		}
	}
	if got := table.BucketLen(0); got != capacity {
		t.Errorf("got %d peers in bucket 0, want %d", got, capacity)
	}
}

// TestTableAgreesWithSnapshot runs the same random history on a table, a snapshot
// and a plain map.
func TestTableAgreesWithSnapshot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := source(rapid.Uint64().Draw(t, "seed"))
		self := mustID(src)
		capacity := rapid.IntRange(1, 80).Draw(t, "capacity")
		table := mustTable(t, self, capacity)
		s := NewSnapshot[int](self.Key(), nil)
		pool := make([]ID, rapid.IntRange(1, 120).Draw(t, "population"))
		for i := range pool {
			pool[i] = mustID(src)
		}
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			id := pool[src.Uint64()%uint64(len(pool))]
			if src.Uint64()%4 == 0 {
				_, had := s.Find(id)
				if got := table.Remove(id); got != had {
					t.Fatalf("Remove: got %v, want %v", got, had)
				}
				s = s.Without(id)
			} else if err := table.Add(id); err == nil {
				s = s.With(Hop[int]{ID: id, Key: id.Key()})
			} else if s.Len() < capacity || !errors.Is(err, ErrTableFull) {
				t.Fatalf("Add with %d of %d: got %v", s.Len(), capacity, err)
			}
		}
		checkTable(t, table, s, pool)
	})
}

func checkTable(t *rapid.T, table Table, s *Snapshot[int], pool []ID) {
	if table.Len() != s.Len() {
		t.Fatalf("Len: got %d, want %d", table.Len(), s.Len())
	}
	for _, id := range pool {
		if _, want := s.Find(id); table.Contains(id) != want {
			t.Fatalf("Contains %s: got %v, want %v", id, !want, want)
		}
		n := rapid.IntRange(-1, s.Len()+2).Draw(t, "n")
		checkTableNearest(t, table, s, id.Key(), n)
		checkTableNearest(t, table, s, flip(id.Key(), 3), n)
	}
	for b := -1; b <= KeyBits; b++ {
		want := 0
		for i := range s.Len() {
			if s.self.CommonPrefixLen(s.At(i).Key) == b {
				want++
			}
		}
		if got := table.BucketLen(b); got != want {
			t.Fatalf("bucket %d: got %d, want %d", b, got, want)
		}
	}
}

func checkTableNearest(t *rapid.T, table Table, s *Snapshot[int], target Key, n int) {
	var want []ID
	for _, i := range s.Nearest(target, n, nil) {
		want = append(want, s.At(i).ID)
	}
	if got := table.Nearest(target, n); !slices.Equal(got, want) {
		t.Fatalf("Nearest %d to %s: got %v, want %v", n, target, got, want)
	}
}

// TestTableNearestAgreesWithBruteForce sorts the members by distance the plain way.
func TestTableNearestAgreesWithBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := source(rapid.Uint64().Draw(t, "seed"))
		table := mustTable(t, mustID(src), 100)
		ids := make([]ID, rapid.IntRange(0, 100).Draw(t, "peers"))
		for i := range ids {
			ids[i] = mustID(src)
			if err := table.Add(ids[i]); err != nil {
				t.Fatal(err)
			}
		}
		target := anyKey(src)
		slices.SortFunc(ids, func(a, b ID) int {
			x, y := a.Key().Xor(target), b.Key().Xor(target)
			return slices.Compare(x[:], y[:])
		})
		n := rapid.IntRange(0, 100).Draw(t, "n")
		if got, want := table.Nearest(target, n), ids[:min(n, len(ids))]; !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestTableFromManyGoroutines(t *testing.T) {
	const capacity = 50
	table := mustTable(t, ID{1}, capacity)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			src := source(uint64(g))
			for range 300 {
				id := mustID(src)
				err := table.Add(id)
				if err != nil && !errors.Is(err, ErrTableFull) {
					t.Errorf("Add: got %v", err)
				}
				table.BucketLen(0)
				if got := len(table.Nearest(id.Key(), 1000)); got > capacity {
					t.Errorf("Nearest: got %d peers of at most %d", got, capacity)
				}
				if err == nil && src.Uint64()%2 == 0 && !table.Remove(id) {
					t.Errorf("Remove %s: got false, want true", id)
				}
			}
		})
	}
	wg.Wait()
	if got, want := len(table.Nearest(Key{}, capacity)), table.Len(); got != want || want > capacity {
		t.Errorf("got %d peers in the buckets, %d counted, at most %d wanted", got, want, capacity)
	}
}

func TestTableNearestOfTooMany(t *testing.T) {
	table := mustTable(t, ID{1}, 10)
	if got := table.Nearest(Key{}, math.MaxInt); len(got) != 0 {
		t.Errorf("empty table: got %d peers, want 0", len(got))
	}
	if err := table.Add(ID{2}); err != nil {
		t.Fatal(err)
	}
	if got := table.Nearest(Key{}, math.MaxInt); len(got) != 1 {
		t.Errorf("got %d peers, want 1", len(got))
	}
}

func ExampleNewTable() {
	table, err := NewTable(ID{1}, 24)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = table.Add(ID{2})
	_ = table.Add(ID{3})
	for _, id := range table.Nearest(ID{3}.Key(), 1) {
		fmt.Println(id.Short())
	}
	// Output: 03000000
}
