package engine

import (
	"cmp"
	"slices"

	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// RankHomes sorts the homes of a leaf, in place, by how few hops it takes to get
// there from this node, as far as it can tell: a linked one first, then by how
// near the nearest known relay is. Equally good ones stay in their order. Of two
// leaves with three homes each the best of nine pairs is a hop nearer than any.
func (s *Snapshot) RankHomes(homes []wire.ID) {
	type ranked struct {
		home wire.ID
		near int
	}
	list := make([]ranked, len(homes))
	for i, home := range homes {
		list[i] = ranked{home, s.nearness(home)}
	}
	slices.SortStableFunc(list, func(a, b ranked) int { return cmp.Compare(b.near, a.near) })
	for i := range list {
		homes[i] = list[i].home
	}
}

// nearness is how many leading bits the Key of a relay shares with that of the
// nearest relay within two hops, by links that carry; more of one that is
// linked, and less than any of one whose link is suspect.
func (s *Snapshot) nearness(relay wire.ID) int {
	if p := s.direct[relay]; p != nil {
		return routing.KeyBits + 1
	}
	if s.overdue[relay] != nil {
		return -1
	}
	key := routing.ID(relay).Key()
	if s.ahead != nil {
		return s.ahead.nearest(keyHead(&key))
	}
	if relay := s.nearest(&key); relay != nil {
		return key.CommonPrefixLen(relay.Key)
	}
	return 0
}
