package engine

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// attachment is what a leaf does to be found: it chooses homes among its relays
// and gives them a signed record that names them (attach.go). They lay it in the
// mesh (laying.go).
type attachment struct {
	// Read by any goroutine.
	homes    atomic.Pointer[[]wire.ID]
	attached atomic.Bool

	// Owned by the loop.
	relays  map[routing.ID]*home // one for each that is linked and was given a record
	said    []statement          // those that may still be answered, the newest last
	renew   time.Time            // when the next one is due
	next    time.Time            // when attachDue has something to do; zero: not by itself
	left    bool                 // withdrawn: the node goes
	doubted bool                 // the user was told that the own clock is in doubt, and no home has said Held since
}

// home is a relay as a home of this leaf.
type home struct {
	asked   uint64        // the sequence of the record that it was given last
	since   time.Time     // when it was given the first of those that it has not answered; zero: it owes no answer
	again   time.Time     // when it is given one again; zero: with the next record
	until   time.Time     // it holds a record that names it, which ends then
	proved  bool          // it said Held, and has answered since
	mute    bool          // it owes an answer longer than limits.HeldWait
	refuses reason.Reason // why it does not hold the record; None: it does, or has not said
}

// good says that nothing speaks against a relay as a home.
func (h *home) good() bool { return h == nil || !h.mute && h.refuses == reason.None }

// Homes are the relays that this leaf is to be found at, the best first; nil:
// none, or this node is a relay. They must not be changed. Any goroutine.
func (e *Engine) Homes() []wire.ID {
	if homes := e.attach.homes.Load(); homes != nil {
		return *homes
	}
	return nil
}

// Attached says whether this node can be reached by others than its peers: a home
// that is still linked said that it holds a record of this leaf which names it; or
// this relay is among the links of another node. Any goroutine.
func (e *Engine) Attached() bool { return e.attach.attached.Load() }

// homesWanted is never more than there may be links: a home too many would be
// refused when it is linked, with what it sent already.
func (e *Engine) homesWanted() int {
	wanted := min(e.cfg.Homes, limits.Homes)
	if wanted <= 0 {
		wanted = limits.LeafHomes
	}
	if e.cfg.MaxRelays > 0 {
		wanted = min(wanted, e.cfg.MaxRelays)
	}
	return wanted
}

// wantsHomes says how many links with further relays this leaf would like.
func (e *Engine) wantsHomes() int {
	if !e.cfg.Leaf || e.attach.left {
		return 0
	}
	return max(0, e.homesWanted()-len(e.roofs(func(n *neighbour) bool { return e.attach.relays[n.ID].good() })))
}

// homesMoved looks at the links anew: one came, went, answered a ping, became
// suspect, or its relay proved or failed as a home.
func (e *Engine) homesMoved(now time.Time) {
	if !e.cfg.Leaf {
		e.attach.attached.Store(e.links.reached(routing.ID{}))
		return
	}
	if e.attach.left {
		return
	}
	for id := range e.attach.relays {
		if !e.links.linked(id) {
			delete(e.attach.relays, id)
		}
	}
	old := e.Homes()
	homes := e.chooseHomes(old)
	switch {
	case !slices.Equal(homes, old):
		e.attach.homes.Store(&homes)
		e.moveIn(now, homes)
	case len(homes) > 0:
		e.tellHomes(now)
	}
	e.judge(now)
}

// roofs are the live links of the table with relays that pass, one for each relay: the one
// that is not suspect, then the fastest, then the oldest. They come in that
// order, too.
func (e *Engine) roofs(pass func(*neighbour) bool) []*neighbour {
	var list []*neighbour
	for _, n := range e.links.list {
		if n.ofTable() && pass(n) {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(a, b *neighbour) int {
		return cmp.Or(rank(a.suspect)-rank(b.suspect), cmp.Compare(a.roundTrip(), b.roundTrip()), cmp.Compare(a.link.Number, b.link.Number))
	})
	seen := make(map[routing.ID]struct{}, len(list))
	return slices.DeleteFunc(list, func(n *neighbour) bool {
		_, again := seen[n.ID]
		seen[n.ID] = struct{}{}
		return again
	})
}

func rank(worse bool) int {
	if worse {
		return 1
	}
	return 0
}

// roundTrip is the smoothed round trip in whole milliseconds: what is less is noise.
func (n *neighbour) roundTrip() time.Duration { return n.rtt.Truncate(time.Millisecond) }

// mayBeHomes are the relays that have proved themselves as homes; while there is
// none, those that have not been asked or may yet answer; while there is none of
// these either, all: they are no worse than nobody.
func (e *Engine) mayBeHomes() []*neighbour {
	answered := e.roofs(func(n *neighbour) bool { return n.answered })
	for _, fits := range []func(*home) bool{
		func(h *home) bool { return h != nil && h.proved },
		(*home).good,
	} {
		var good []*neighbour
		for _, n := range answered {
			if fits(e.attach.relays[n.ID]) {
				good = append(good, n)
			}
		}
		if len(good) > 0 {
			return good
		}
	}
	return answered
}

// chooseHomes returns the homes, the best first. A home stays one as long as its
// link is good, however fast others are: each change costs everybody who talks
// to this leaf. The order is only looked at when a home comes or goes, or the
// first one is not to be trusted.
func (e *Engine) chooseHomes(old []wire.ID) []wire.ID {
	good := e.mayBeHomes()
	isHome := func(n *neighbour) bool { return slices.Contains(old, wire.ID(n.ID)) }
	best := slices.Clone(good)
	slices.SortStableFunc(best, func(a, b *neighbour) int {
		return cmp.Or(rank(a.suspect)-rank(b.suspect), rank(!isHome(a))-rank(!isHome(b)))
	})
	best = best[:min(len(best), e.homesWanted())]
	if kept := len(best) == len(old) && !slices.ContainsFunc(best, func(n *neighbour) bool { return !isHome(n) }); kept && !e.shaky(old, best) {
		return old
	}
	homes := make([]wire.ID, 0, len(best))
	for _, n := range good {
		if slices.Contains(best, n) {
			homes = append(homes, wire.ID(n.ID))
		}
	}
	return homes
}

// shaky says that the first home is suspect while another is not.
func (e *Engine) shaky(homes []wire.ID, links []*neighbour) bool {
	return len(homes) > 0 && slices.ContainsFunc(links, func(n *neighbour) bool { return n.suspect && wire.ID(n.ID) == homes[0] }) &&
		slices.ContainsFunc(links, func(n *neighbour) bool { return !n.suspect })
}
