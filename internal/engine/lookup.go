package engine

import (
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

// lookup asks from answer to answer until none brings anybody nearer.
type lookup struct {
	Lookup
	found  map[routing.ID]*known
	asked  map[routing.ID]bool
	rounds int
}

func (ev Lookup) step(e *Engine, now time.Time) {
	l := &lookup{Lookup: ev, found: map[routing.ID]*known{}, asked: map[routing.ID]bool{}}
	l.Count = min(max(l.Count, 1), limits.NodesEntries)
	l.ask(e, now, routing.ID{})
}

// ask asks the relay nearest the target, by way of via unless it is zero.
func (l *lookup) ask(e *Engine, now time.Time, via routing.ID) {
	l.rounds++
	l.asked[via] = true
	if !e.askNearest(now, l.Target, via, l.take) {
		l.Done(l.nearest())
	}
}

func (l *lookup) take(e *Engine, now time.Time, a *answer) {
	if a != nil {
		l.asked[a.from] = true
		for _, k := range a.contacts {
			l.found[k.ID] = k
		}
	}
	found := l.sorted()
	for _, k := range found[:min(len(found), limits.NearSet)] {
		if l.rounds < limits.LookupRounds && !l.asked[k.ID] {
			l.ask(e, now, k.ID)
			return
		}
	}
	l.Done(l.nearest())
}

// sorted are all that were found, the nearest first.
func (l *lookup) sorted() []*known {
	all := make([]*known, 0, len(l.found))
	for _, k := range l.found {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b *known) int {
		if routing.Closer(a.key, b.key, l.Target) {
			return -1
		}
		return 1
	})
	return all
}

func (l *lookup) nearest() []Contact {
	var list []Contact
	for _, k := range l.sorted() {
		if len(list) < l.Count {
			list = append(list, k.contact())
		}
	}
	return list
}
