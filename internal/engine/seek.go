package engine

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

// wanted tells of which places, going by the first 64 bits of their Keys, a
// node needs contacts: those in buckets without a link, and those nearer than
// its near set.
type wanted struct {
	self  uint64
	count [65]int  // places by bucket
	near  []uint64 // distances of the nearest, ascending
}

func (e *Engine) wanted() *wanted {
	w := &wanted{self: keyHead(&e.filler.Self), near: make([]uint64, 0, limits.NearSet)}
	for _, n := range e.links.list {
		if n.ofTable() {
			w.add(keyHead(&n.Key))
		}
	}
	if e.dialing > 0 {
		for _, k := range e.book.list {
			if k.dialing && !k.direct {
				w.add(keyHead(&k.key))
			}
		}
	}
	return w
}

func (w *wanted) add(head uint64) {
	w.count[bits.LeadingZeros64(head^w.self)]++
	w.near = insertSmall(w.near, head^w.self, limits.NearSet)
}

func (w *wanted) has(head uint64) bool {
	return w.count[bits.LeadingZeros64(head^w.self)] == 0 || len(w.near) < limits.NearSet || head^w.self < w.near[len(w.near)-1]
}

// seek asks neighbours for the contacts of relays that their lists name and
// that this node needs, and for anybody while it has few links.
func (e *Engine) seek(fresh int) {
	if !e.joined {
		return
	}
	w, left := e.wanted(), limits.LinkFindNodes
	for _, n := range e.links.list {
		if !n.usable() || !n.answered || n.neighbours == nil {
			continue
		}
		for _, head := range n.neighbours.heads {
			if left == 0 {
				return
			}
			if !w.has(head) || e.unneeded(head) || !e.findNode(n, headKey(head), limits.NearSet) {
				continue
			}
			e.sought[head] = struct{}{}
			w.count[bits.LeadingZeros64(head^w.self)]++
			left--
		}
	}
	if e.links.relays+e.dialing+fresh >= e.filler.Room || e.strayed >= limits.Asks {
		return
	}
	n := e.links.random(e, func(n *neighbour) bool { return n.usable() && n.answered && !n.Leaf })
	if n != nil && e.findNode(n, e.randomKey(0), limits.NodesEntries) {
		e.strayed++
	}
}

// unneeded says that the contact of a node is known, or was asked for.
func (e *Engine) unneeded(head uint64) bool {
	if _, asked := e.sought[head]; asked || len(e.sought) >= 4*limits.Asks {
		return true
	}
	return slices.ContainsFunc(e.book.list, func(k *known) bool { return keyHead(&k.key) == head }) ||
		slices.ContainsFunc(e.links.list, func(n *neighbour) bool { return keyHead(&n.Key) == head })
}

// headKey is the first place that has this head: nobody is nearer to it than
// the node whose Key begins so.
func headKey(head uint64) (k routing.Key) {
	binary.BigEndian.PutUint64(k[:], head)
	return k
}

// insertSmall keeps the most smallest values in ascending order.
func insertSmall(list []uint64, v uint64, most int) []uint64 {
	i := len(list)
	for i > 0 && list[i-1] > v {
		i--
	}
	if i >= most {
		return list
	}
	if len(list) < most {
		list = append(list, 0)
	}
	copy(list[i+1:], list[i:])
	list[i] = v
	return list
}
