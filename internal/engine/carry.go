package engine

import (
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

// Frames of others go by links that carry, and by another only where none of
// these leads closer (rule 6). A link carries because this node chose the peer,
// or because it has stood for a while in a place that nobody can take by asking:
// so whoever comes to a mesh that stands attracts no frames, however near to a
// target it is. Its own frames, and what is for it, take its links at once.

// seat says how a link of the table got its place.
type seat uint8

const (
	seatReserve seat = iota // taken in beyond what strangers may fill
	seatRegular             // taken in below the cap less limits.SpareLinks, while strangers held less than half of that
	seatChosen              // this node asked for the link, because of a contact or for its user
)

// half is how many of the regular places strangers fill at most: the others are
// for links that this node chooses.
func (e *Engine) half() int { return e.filler.Room / 2 }

// chose says whether a link that came up is one that this node asked for. It is
// called before the dial of it is forgotten. A dial that the peer had asked for is
// the peer's choice; so is a link for a pair, which talks as much as it likes.
func (e *Engine) chose(n *neighbour) bool {
	w := e.reach[n.ID]
	if n.from.Wanted || w != nil && w.byUser {
		return true
	}
	k := e.book.byID[n.ID]
	if n.target != nil {
		if n.target.known == nil {
			return true
		}
		k = n.target.known
	}
	return k != nil && k.dialing && !k.forPeer && !k.direct
}

// sit gives a link that is admitted its seat. One that takes the place of another
// to the same peer keeps what that one had.
func (e *Engine) sit(n *neighbour) {
	n.since = n.up
	switch {
	case n.chosen:
		n.seat = seatChosen
	case e.links.relays < e.filler.Room && e.free() > 0:
		n.seat = seatRegular
	}
	for _, old := range e.links.byID[n.ID] {
		if old.ofTable() && !n.direct && old.seat >= n.seat {
			n.seat, n.since = old.seat, old.since
		}
	}
}

// promote gives regular places that strangers may fill and that are free to those
// who have waited longest. What they have stood until then does not count.
func (e *Engine) promote(now time.Time) {
	free := e.free()
	for _, n := range e.links.list { // in the order they came up
		if free <= 0 {
			return
		}
		if n.ofTable() && n.seat == seatReserve && n.answered && !n.needed {
			n.seat, n.since = seatRegular, e.clock(now)
			e.redraw = true
			free--
		}
	}
}

// free is how many more strangers that this node does not need may have regular
// places. The others carry wherever they are: the last places count as theirs.
func (e *Engine) free() int {
	e.weigh()
	taken, needed := 0, 0
	for _, n := range e.links.list {
		switch {
		case !n.ofTable() || n.seat == seatChosen:
		case n.needed:
			needed++
		case n.seat == seatRegular:
			taken++
		}
	}
	return min(e.half(), e.filler.Room-e.seated(seatChosen)) - taken - max(0, needed-limits.SpareLinks)
}

// young says that this node has not run for long: everybody is new to it.
func (e *Engine) young(now time.Time) bool { return e.clock(now) < limits.ProvenAfter }

// seated counts the links of the table with such a seat.
func (e *Engine) seated(s seat) (count int) {
	for _, n := range e.links.list {
		if n.ofTable() && n.seat == s {
			count++
		}
	}
	return count
}

// lack is how many links of its own choice this node may still want, however many
// strangers came first.
func (e *Engine) lack() int { return max(0, e.half()-e.seated(seatChosen)) }

// filling is the filler for what this node wants of itself. What strangers hold
// beyond their half does not count while it lacks links of its own choice.
func (e *Engine) filling() routing.Filler {
	f := e.filler
	if lack := e.lack(); lack > 0 {
		if beyond := len(e.lodgers()); beyond > 0 {
			f.Room = max(f.Room, min(f.Room+beyond, e.links.relays+lack))
		}
	}
	return f
}

// lodgers are the strangers beyond what they may fill that this node does not
// need: first those without a regular place, then as many of the others as there
// are too many since some are needed that were not.
func (e *Engine) lodgers() (list []*neighbour) {
	var seated []*neighbour
	free := e.free()
	for _, n := range e.links.list {
		switch {
		case !n.ofTable() || n.seat == seatChosen || !n.lets() || e.twin(n) || n.needed:
		case n.seat == seatRegular:
			seated = append(seated, n)
		default:
			list = append(list, n)
		}
	}
	return append(list, seated[len(seated)-min(len(seated), max(0, -free)):]...)
}

// lodger is the one that makes room for a link of this node's own choice: the
// newest, of those that can do without this node if there are any; nil: there is
// none, or no lack.
func (e *Engine) lodger() (newest *neighbour) {
	if e.lack() == 0 {
		return nil
	}
	spared := false
	for _, n := range e.lodgers() {
		if newest != nil && newest.seat < n.seat {
			break
		}
		if can := e.sparedBy(n); can || !spared {
			newest, spared = n, can
		}
	}
	return newest
}

// weigh notes which links forwarding here needs: those of the near set, and those
// alone in their bucket. It goes through all links once, so whoever looks at many
// weighs first.
func (e *Engine) weigh() {
	places, relays := e.linkedRelays()
	e.weighed = e.filler.Needed(places, e.weighed[:0])
	for i, n := range relays {
		n.needed = e.weighed[i]
	}
}

// passes says whether a link carries frames of others, and when that may become
// so by itself; zero: never. The links have been weighed.
func (e *Engine) passes(n *neighbour, now time.Time) (carries bool, at time.Duration) {
	switch {
	case n.direct:
		return n.kept, 0
	case n.seat == seatChosen:
		return true, 0
	case n.seat == seatReserve && !n.needed:
		return false, 0
	}
	clock, ripe := e.clock(now), n.since+limits.ProvenAfter
	if clock >= ripe {
		return true, 0
	}
	if e.young(now) {
		return true, limits.ProvenAfter
	}
	return false, ripe
}

// chosen says whether this node asked for a link with a peer.
func (e *Engine) chosen(id routing.ID) bool {
	return slices.ContainsFunc(e.links.byID[id], func(n *neighbour) bool {
		return !n.closing && (n.kept || !n.direct && n.seat == seatChosen)
	})
}

// peerPasses is passes of all links with a peer together. The links have been weighed.
func (e *Engine) peerPasses(id routing.ID, now time.Time) (carries bool) {
	if e.cfg.AllCarry {
		return true
	}
	for _, n := range e.links.byID[id] {
		if n.closing || n.Leaf {
			continue
		}
		can, at := e.passes(n, now)
		carries = carries || can
		if at != 0 {
			earlier(&e.ripeAt, e.started.Add(at-1)) // see clock
		}
	}
	return carries
}
