package engine

import (
	"slices"
	"time"

	"github.com/peermesh/peermesh/routing"
)

// wants is what Filler.Wants says of the candidates, with the difference that
// who has a URL goes before who has none: in the same bucket and, while links
// over WebRTC are only for what is needed, in all of them for what is not.
func (e *Engine) wants(now time.Time, links, candidates []routing.Place, from []*known, n int) []routing.Want {
	wants := e.filler.Wants(links, candidates, n)
	if !slices.ContainsFunc(from, func(k *known) bool { return k.noURL }) {
		return wants
	}
	if !e.mayCarry(now, nil, false) {
		wants = e.spreadByURL(wants, links, candidates, from, n)
	}
	wanted := make(map[int]bool, len(wants))
	for _, w := range wants {
		wanted[w.Index] = true
	}
	for i, w := range wants {
		if !from[w.Index].noURL || w.Need == routing.NeedNear {
			continue // of the nearest none stands for another
		}
		if other := e.withURL(candidates, from, w.Index, wanted); other >= 0 {
			wants[i].Index, wanted[other] = other, true
		}
	}
	return wants
}

// spreadByURL puts candidates with a URL in place of the wants that nobody needs.
func (e *Engine) spreadByURL(wants []routing.Want, links, candidates []routing.Place, from []*known, n int) []routing.Want {
	needed := wants[:0:0]
	links = slices.Clip(links)
	for _, w := range wants {
		if w.Need > routing.NeedSpread {
			needed = append(needed, w)
			links = append(links, candidates[w.Index])
		}
	}
	var places []routing.Place
	var index []int
	for i, k := range from {
		if !k.noURL && !slices.ContainsFunc(needed, func(w routing.Want) bool { return w.Index == i }) {
			places, index = append(places, candidates[i]), append(index, i)
		}
	}
	for _, w := range e.filler.Wants(links, places, n-len(needed)) {
		needed = append(needed, routing.Want{Index: index[w.Index], Need: w.Need})
	}
	return needed
}

// withURL is a random one of the candidates with a URL that are in the same
// bucket as one without and not wanted yet, -1 when there is none.
func (e *Engine) withURL(candidates []routing.Place, from []*known, than int, wanted map[int]bool) int {
	bucket := e.filler.Self.CommonPrefixLen(candidates[than].Key)
	found, seen := -1, 0
	for i, k := range from {
		if k.noURL || wanted[i] || e.filler.Self.CommonPrefixLen(candidates[i].Key) != bucket {
			continue
		}
		if seen++; e.cfg.Rand.IntN(seen) == 0 {
			found = i
		}
	}
	return found
}
