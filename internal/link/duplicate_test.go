package link

import (
	"testing"

	"github.com/peermesh/peermesh/internal/wire"
)

func TestDuplicate(t *testing.T) {
	low, high := wire.ID{1}, wire.ID{2}
	a, b := wire.Instance{1}, wire.Instance{2}
	for _, c := range []struct {
		name       string
		self, peer wire.ID
		old, fresh Origin
		want       Choice
	}{
		{"the peer restarted", low, high, Origin{a, true, 1}, Origin{b, false, 1}, CloseOld},
		{"the peer restarted, dialled here", low, high, Origin{a, false, 1}, Origin{b, true, 1}, CloseOld},
		{"dialled twice by the peer", low, high, Origin{a, false, 1}, Origin{a, false, 2}, CloseOld},
		{"dialled twice by the peer, out of order", low, high, Origin{a, false, 2}, Origin{a, false, 1}, CloseNew},
		{"dialled twice from here", low, high, Origin{a, true, 1}, Origin{a, true, 2}, KeepBoth},
		{"both sides, the lower's is old, seen by the lower", low, high, Origin{a, true, 1}, Origin{a, false, 1}, CloseNewOK},
		{"both sides, the lower's is old, seen by the higher", high, low, Origin{a, false, 1}, Origin{a, true, 1}, KeepBoth},
		{"both sides, the lower's is new, seen by the lower", low, high, Origin{a, false, 1}, Origin{a, true, 1}, CloseOldOK},
		{"both sides, the lower's is new, seen by the higher", high, low, Origin{a, true, 1}, Origin{a, false, 1}, KeepBoth},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Duplicate(c.self, c.peer, c.old, c.fresh); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// Whatever the order in which the two ends see two links, exactly one link is
// closed, and by its acceptor.
func TestDuplicateLeavesOne(t *testing.T) {
	low, high := wire.ID{1}, wire.ID{2}
	inst := wire.Instance{9}
	type l struct {
		byLow bool
		dial  uint32
	}
	view := func(x l, isLow bool) Origin { return Origin{inst, x.byLow == isLow, x.dial} }
	for _, pair := range [][2]l{
		{{true, 1}, {true, 2}}, {{false, 1}, {false, 2}}, {{true, 1}, {false, 1}}, {{false, 3}, {true, 1}},
	} {
		for _, orders := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
			closed := map[l]int{}
			decide := func(self, peer wire.ID, isLow, swapped bool) {
				x, y := pair[0], pair[1]
				if swapped {
					x, y = y, x
				}
				switch Duplicate(self, peer, view(x, isLow), view(y, isLow)) {
				case CloseOld, CloseOldOK:
					closed[x]++
				case CloseNew, CloseNewOK:
					closed[y]++
				}
			}
			decide(low, high, true, orders[0])
			decide(high, low, false, orders[1])
			if len(closed) != 1 {
				t.Errorf("links %v, seen in orders %v: closed %v, want one link, once", pair, orders, closed)
			}
		}
	}
}
