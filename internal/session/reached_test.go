package session

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

func TestReachedIsBounded(t *testing.T) {
	id := func(i int) wire.ID { return wire.ID{byte(i), byte(i >> 8), byte(i >> 16)} }
	for _, most := range []int{limits.ReachedPeers, limits.ReachedLinks} {
		r := reached{most: most}
		for i := range 4 * most {
			r.note(id(i), time.Hour)
			if n := len(r.now) + len(r.old); n > most {
				t.Fatalf("got %d remembered, want at most %d", n, most)
			}
		}
		for i := 4*most - most/2; i < 4*most; i++ {
			if r.get(id(i)) != time.Hour {
				t.Fatalf("the %d that came last: one is forgotten", most/2)
			}
		}
		if r.get(id(0)) != 0 {
			t.Error("the first is remembered, want it forgotten")
		}
		at := time.Hour + limits.ReachedLife
		r.note(id(1), at)
		r.note(id(2), at+limits.ReachedLife)
		if n := len(r.now) + len(r.old); n != 2 {
			t.Errorf("after a while: got %d remembered, want what is young, 2", n)
		}
	}
}

// Strangers who come and go do not take the place of those whom this node spoke with.
func TestStrangersAreNotRememberedAsReached(t *testing.T) {
	w, a, b := pair(t, 520)
	w.connect(b, a)
	a.forget(b)
	if a.t.talked.get(b.self) != 0 {
		t.Error("who only came is remembered")
	}
	b.forget(a)
	w.connect(b, a)
	w.connect(a, b)
	a.forget(b)
	if a.t.talked.get(b.self) == 0 {
		t.Error("who was spoken with is forgotten")
	}
}
