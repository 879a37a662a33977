package routing

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// at returns the Key that begins with these bytes, all else zero.
func at(prefix ...byte) (k Key) {
	copy(k[:], prefix)
	return k
}

func placesAt(keys ...Key) (places []Place) {
	for _, k := range keys {
		places = append(places, Place{Key: k})
	}
	return places
}

// fourNear fills the near set of the zero Key: buckets 13 to 15, two of them in 13.
var fourNear = placesAt(at(0, 1), at(0, 2), at(0, 4), at(0, 5))

// with returns fourNear and the given places.
func with(keys ...Key) []Place { return append(slices.Clone(fourNear), placesAt(keys...)...) }

func TestNeedString(t *testing.T) {
	for n, want := range map[Need]string{
		NeedNone: "none", NeedSpread: "spread", NeedBucket: "bucket", NeedNear: "near", 4: "unknown",
	} {
		if got := n.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestNeed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		room  int
		links []Place
		key   Key
		want  Need
	}{
		{"the first link", 20, nil, at(0x80), NeedNear},
		{"the fourth link", 20, fourNear[:3], at(0x80), NeedNear},
		{"self", 20, nil, at(), NeedNone},
		{"linked", 20, fourNear, at(0, 1), NeedNone},
		{"nearer than the fourth", 20, fourNear, at(0, 3), NeedNear},
		{"the nearest, without room", 4, fourNear, at(0, 0, 1), NeedNear},
		{"nearer than the fourth, under a tight cap", 4, fourNear, at(0, 3), NeedNone},
		{"an empty bucket", 20, fourNear, at(0x80), NeedBucket},
		{"an empty bucket, without room", 4, fourNear, at(0x80), NeedBucket},
		{"a bucket with one", 20, with(at(0x80)), at(0xc0), NeedSpread},
		{"a bucket with one, the last room", 6, with(at(0x80)), at(0xc0), NeedSpread},
		{"a bucket with one, without room", 5, with(at(0x80)), at(0xc0), NeedNone},
		{"the near set's bucket", 20, fourNear, at(0, 6), NeedSpread},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := Filler{Room: tt.room}
			if got := f.Need(tt.links, tt.key); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestNearSize lets the network grow until the near set must shrink. The fourth
// neighbour at bucket b stands for 2^(b+2) nodes.
func TestNearSize(t *testing.T) {
	for _, tt := range []struct {
		name         string
		room, bucket int
		want         int
	}{
		{"1,000 nodes, cap 24", 20, 8, 4},
		{"250,000 nodes, cap 24", 20, 16, 4},
		{"500,000 nodes, cap 24", 20, 17, 3},
		{"a million nodes, cap 24", 20, 18, 2},
		{"no end of nodes, cap 24", 20, 60, 2},
		{"1,000 nodes, cap 16", 12, 8, 4},
		{"2,000 nodes, cap 16", 12, 9, 3},
		{"10,000 nodes, cap 12", 8, 11, 2},
		{"no room", 0, 8, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := Filler{Room: tt.room}
			links := make([]Place, nearMost)
			for i := range links {
				links[i].Key = flip(Key{}, tt.bucket)
				links[i].Key[KeyLen-1] = byte(i)
			}
			near := f.nearest(links)
			if got := near.size(tt.room); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestRedundant(t *testing.T) {
	links := with(at(0x80), at(0x40), at(0x60), at(0, 6))
	f := Filler{Room: 20}
	for i, want := range []bool{false, false, false, false, false, true, true, true} {
		if got := f.Redundant(links, i); got != want {
			t.Errorf("link %s: got %v, want %v", links[i].Key, got, want)
		}
	}
}

func TestWants(t *testing.T) {
	for _, tt := range []struct {
		name              string
		room, n           int
		links, candidates []Place
		want              string
	}{
		{"nobody", 20, 9, fourNear, nil, "[]"},
		{"none asked for", 20, 0, nil, fourNear, "[]"},
		{"a negative number asked for", 20, -1, nil, fourNear, "[]"},
		{"self alone", 20, 9, nil, placesAt(at()), "[]"},
		{"near, by distance", 20, 9, nil, placesAt(at(0x80), at(0, 1), at(0x40)), "[{1 near} {2 near} {0 near}]"},
		{"near, nearer than those linked", 0, 9, placesAt(at(0, 2), at(0x90), at(0xa0), at(0xb0)), placesAt(at(0xf0), at(0, 1)), "[{1 near}]"},
		{"near and buckets, without a look at room", 0, 9, nil, fourNear, "[{0 near} {1 near} {2 bucket}]"},
		{"only so many", 20, 2, nil, fourNear, "[{0 near} {1 near}]"},
		{"buckets, the deepest first", 0, 9, fourNear, placesAt(at(0x80), at(0x20), at(0x40)), "[{1 bucket} {2 bucket} {0 bucket}]"},
		{"a bucket that a near want fills", 5, 9, fourNear[:3], placesAt(at(0x40), at(0x80), at(0x60)), "[{0 near} {1 bucket}]"},
		{"all three kinds", 20, 9, fourNear[:3], placesAt(at(0x80), at(0xc0), at(0, 7)), "[{2 near} {0 bucket} {1 spread}]"},
		{"spread, the fewest first", 20, 1, with(at(0x80), at(0x90), at(0x40)), placesAt(at(0xa0), at(0x60)), "[{1 spread}]"},
		{"spread, the farthest of those", 20, 1, with(at(0x80), at(0x40)), placesAt(at(0x60), at(0xc0)), "[{1 spread}]"},
		{"spread, the most diverse", 20, 2, with(at(0x80)), placesAt(at(0x81), at(0xf0), at(0xa0)), "[{1 spread} {2 spread}]"},
		{"spread up to room", 6, 9, with(at(0x80)), placesAt(at(0x81), at(0xf0), at(0xa0)), "[{1 spread}]"},
		{"no room", 5, 9, with(at(0x80)), placesAt(at(0x81), at(0xf0)), "[]"},
		{"buckets use up room", 6, 9, with(at(0x80)), placesAt(at(0xc0), at(0x40)), "[{1 bucket}]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := Filler{Room: tt.room}
			if got := fmt.Sprint(f.Wants(tt.links, tt.candidates, tt.n)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestWantsTheQuick looks at when the round trip decides.
func TestWantsTheQuick(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name       string
		links      []Place
		candidates []Place
		want       string
	}{
		{"an empty bucket", fourNear, []Place{{at(0x80), 9 * ms}, {at(0xc0), 0}, {at(0xa0), 7 * ms}, {at(0xb0), 8 * ms}}, "[{2 bucket}]"},
		{"about equally diverse", with(at(0x80)), []Place{{at(0xff), 9 * ms}, {at(0xfe), 0}, {at(0xc0), 7 * ms}}, "[{2 spread}]"},
		{"not about equally diverse", with(at(0x80)), []Place{{at(0xff), 9 * ms}, {at(0xa0), 1 * ms}}, "[{0 spread}]"},
		{"equally quick", with(at(0x80)), []Place{{at(0xc0), 5 * ms}, {at(0xd0), 5 * ms}}, "[{1 spread}]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := Filler{Room: 20}
			if got := fmt.Sprint(f.Wants(tt.links, tt.candidates, 1)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestWantsShareTheLoad lets 2,000 nodes enter a bucket of 20: no member of it may
// get far more than its share.
func TestWantsShareTheLoad(t *testing.T) {
	src := source(3)
	var members []Place
	for range 20 {
		members = append(members, Place{Key: flip(sharing(Key{}, anyKey(src), 1), 0)})
	}
	entered := make([]int, len(members))
	for range 2000 {
		f := Filler{Self: sharing(Key{}, anyKey(src), 1), Room: 20}
		var links []Place
		for i := range nearMost {
			k := f.Self
			k[KeyLen-1] ^= byte(i + 1)
			links = append(links, Place{Key: k})
		}
		entered[f.Wants(links, members, 1)[0].Index]++
	}
	if most := slices.Max(entered); most > 150 {
		t.Errorf("got %d of 2,000 at one of 20 members, want about 100: %v", most, entered)
	}
}

func TestSpare(t *testing.T) {
	const ms = time.Millisecond
	all := func(int) bool { return true }
	rtt := func(links []Place, from int, rtts ...time.Duration) []Place {
		for i, d := range rtts {
			links[from+i].RTT = d
		}
		return links
	}
	for _, tt := range []struct {
		name  string
		links []Place
		may   func(i int) bool
		want  int
	}{
		{"no links", nil, all, -1},
		{"the near set alone", fourNear, all, -1},
		{"alone in their buckets", with(at(0x80), at(0x40)), all, -1},
		{"may is nil", with(at(0x80), at(0x40), at(0x60)), nil, 6},
		{"may forbids all", with(at(0x80), at(0xc0)), func(int) bool { return false }, -1},
		{"may forbids one", with(at(0x40), at(0x60)), func(i int) bool { return i == 4 }, 4},
		{"the fullest bucket", with(at(0x40), at(0x41), at(0x80), at(0xc0), at(0xe0)), all, 8},
		{"the fullest that may lets go", with(at(0x40), at(0x41), at(0x80), at(0xc0), at(0xe0)), func(i int) bool { return i < 6 }, 5},
		{"the deepest of the fullest", with(at(0x80), at(0x81), at(0x40), at(0x60)), all, 7},
		{"the least diverse", with(at(0x80), at(0xc0), at(0xff), at(0x81)), all, 7},
		{"compared with those that stay, too", with(at(0x80), at(0xc0), at(0xff), at(0x81)), func(i int) bool { return i != 7 }, 4},
		{"the slower of two", rtt(with(at(0x80), at(0xc0), at(0x81)), 4, 9*ms, 20*ms, 5*ms), all, 4},
		{"the unknown of two", rtt(with(at(0x80), at(0xc0), at(0x81)), 4, 9*ms, 20*ms, 0), all, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := Filler{Room: 20}
			if got, ok := f.Spare(tt.links, tt.may); got != tt.want || ok != (tt.want >= 0) {
				t.Errorf("got %d, %v, want %d", got, ok, tt.want)
			}
		})
	}
}

func TestEmptyBuckets(t *testing.T) {
	for _, tt := range []struct {
		name         string
		links, known []Place
		want         []int
	}{
		{"nobody known", fourNear, nil, nil},
		{"self known", nil, placesAt(at()), nil},
		{"the deepest first", nil, placesAt(at(0x80), at(0x01), at(0x40), at(0x41)), []int{7, 1, 0}},
		{"linked ones left out", placesAt(at(0x60)), placesAt(at(0x80), at(0x01), at(0x40)), []int{7, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (&Filler{}).emptyBuckets(tt.links, tt.known); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// benchFill returns a node with n links and m candidates.
func benchFill(n, m int) (f *Filler, links, candidates []Place) {
	c := newCrowd(n+m, 5, "random", 0)
	for _, h := range c.hops {
		links = append(links, Place{Key: h.Key})
	}
	return &Filler{Self: c.self, Room: n + 10}, links[:n:n], links[n:]
}

func BenchmarkFill(b *testing.B) {
	f, links, candidates := benchFill(200, 600)
	b.Run("Wants", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f.Wants(links, candidates, 20)
		}
	})
	b.Run("Need", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f.Need(links, candidates[0].Key)
		}
	})
	b.Run("Spare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f.Spare(links, nil)
		}
	})
}
