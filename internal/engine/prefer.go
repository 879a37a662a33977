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
	filler := e.filling()
	wants := filler.Wants(links, candidates, n)
	if !slices.ContainsFunc(from, func(k *known) bool { return k.noURL }) {
		return wants
	}
	if e.mayCarry(now, nil, false) {
		return e.preferURLs(wants, candidates, from)
	}
	needed := slices.DeleteFunc(wants, func(w routing.Want) bool { return w.Need <= routing.NeedSpread })
	needed = e.preferURLs(needed, candidates, from)
	return append(needed, e.spreadByURL(needed, links, candidates, from, n-len(needed))...)
}

// preferURLs puts candidates with a URL in the place of those without, where one
// is as good as the other: of the nearest none stands for another.
func (e *Engine) preferURLs(wants []routing.Want, candidates []routing.Place, from []*known) []routing.Want {
	wanted := make(map[int]bool, len(wants))
	for _, w := range wants {
		wanted[w.Index] = true
	}
	for i, w := range wants {
		if !from[w.Index].noURL || w.Need == routing.NeedNear {
			continue
		}
		if other := e.withURL(candidates, from, w.Index, wanted); other >= 0 {
			wants[i].Index, wanted[other] = other, true
		}
	}
	return wants
}

// spreadByURL is at most n candidates with a URL that nobody needs, besides
// those that somebody does.
func (e *Engine) spreadByURL(needed []routing.Want, links, candidates []routing.Place, from []*known, n int) (wants []routing.Want) {
	links = slices.Clip(links)
	for _, w := range needed {
		links = append(links, candidates[w.Index])
	}
	var places []routing.Place
	var index []int
	for i, k := range from {
		if !k.noURL && !slices.ContainsFunc(needed, func(w routing.Want) bool { return w.Index == i }) {
			places, index = append(places, candidates[i]), append(index, i)
		}
	}
	filler := e.filling()
	for _, w := range filler.Wants(links, places, n) {
		wants = append(wants, routing.Want{Index: index[w.Index], Need: w.Need})
	}
	return wants
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
