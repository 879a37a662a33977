package signal

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// explore visits every state from w on, once, and calls last in those where
// nothing is under way.
func explore(w *world, seen map[string]bool, last func(*world)) {
	if k := w.key(); seen[k] {
		return
	} else {
		seen[k] = true
	}
	moved := false
	try := func(killing bool, step func(c *world)) {
		moved = true
		c := w.clone()
		good := c.good()
		step(c)
		c.check()
		if !killing && good != (wire.Session{}) && c.good() != good {
			c.failf("session %d was good and is gone", good[0])
		}
		explore(c, seen, last)
	}
	for n := range w.flight {
		try(false, func(c *world) { c.deliver(n) })
	}
	for i := range w.ends {
		if w.ends[i].begins > 0 {
			try(false, func(c *world) { c.begin(i) })
		}
		if _, busy := w.ends[i].table.Of(ids[1-i]); busy && w.ends[i].fails > 0 {
			try(true, func(c *world) { c.fail(i) })
		}
	}
	if !moved {
		last(w)
	}
}

// linked checks that the two ends keep one session, with all that belongs to it.
func (w *world) linked() {
	s := w.good()
	if s == (wire.Session{}) {
		w.failf("the ends keep %d and %d, want the same", w.ends[low].pc[0], w.ends[high].pc[0])
	}
	for i := range w.ends {
		if want := lines(1-i, s); !slices.Equal(w.ends[i].applied, want) {
			w.failf("%d has candidates %v, want %v", i, w.ends[i].applied, want)
		}
	}
}

// However the messages overtake each other, both ends end with one session, and
// after glare it is the lower ID's.
func TestEveryOrderEndsWithOneSession(t *testing.T) {
	for _, replays := range []bool{false, true} {
		seen := make(map[string]bool)
		ends := make(map[string]int)
		explore(newWorld(t, [2]int{1, 1}, [2]int{}, replays), seen, func(w *world) {
			w.linked()
			a, _ := w.ends[low].table.Of(ids[high])
			if w.offers == 2 && !a.Ours {
				w.failf("both made an offer and that of the higher ID counts")
			}
			ends[fmt.Sprint(w.offers, " offers, of the lower ID: ", a.Ours)]++
		})
		t.Logf("replays %v: %d states, ends: %v", replays, len(seen), ends)
		if len(ends) != 3 {
			t.Errorf("got %v, want both ends without glare and one with", slices.Collect(maps.Keys(ends)))
		}
	}
}

// Ends that give up at any moment and begin again, while what they said is under
// way, never have two PeerConnections and never lose what is answered. Once they
// have heard of each other's ends both have the same session or neither has any,
// and they are free after the timeout.
func TestEveryOrderWithFailuresEnds(t *testing.T) {
	for _, c := range []struct{ begins, fails [2]int }{
		{[2]int{1, 1}, [2]int{1, 1}},
		{[2]int{low: 2, high: 0}, [2]int{1, 1}},
		{[2]int{low: 0, high: 2}, [2]int{1, 1}},
	} {
		seen := make(map[string]bool)
		last := 0
		begun := newWorld(t, c.begins, c.fails, false)
		begun.whole = true
		explore(begun, seen, func(w *world) {
			last++
			w.linkedOrFree()
			for by := range w.ends {
				w.clone().afterwards(by)
			}
		})
		t.Logf("begins and failures of either end %v: %d states, %d last ones", c, len(seen), last)
	}
}

// linkedOrFree checks that no end holds what the other does not.
func (w *world) linkedOrFree() {
	if w.good() != (wire.Session{}) {
		return
	}
	for i := range w.ends {
		if a, held := w.ends[i].table.Of(ids[1-i]); held {
			w.failf("%d holds %+v, and nothing will come of it", i, a)
		}
	}
}

// afterwards lets the time run out and has a node begin once more.
func (w *world) afterwards(by int) {
	w.now = w.now.Add(limits.SignalTimeout)
	for i := range w.ends {
		e := &w.ends[i]
		for _, a := range e.table.Expired(w.now) {
			if !a.Yielded && a.Session != e.pc {
				w.failf("%d ended, and there is PeerConnection %d", a.Session[0], e.pc[0])
			}
			e.close()
		}
		if _, ok := e.table.Of(ids[1-i]); ok || e.pc != (wire.Session{}) {
			w.failf("%d has an attempt after the timeout", i)
		}
	}
	w.begin(by)
	for len(w.flight) > 0 {
		w.deliver(0)
		w.check()
	}
	w.linked()
}
