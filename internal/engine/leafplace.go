package engine

import (
	"net/netip"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
)

// leafPlace finds a place for an accepted leaf. While there is a free one anybody
// gets it. Then a silent leaf of the fullest group yields, and where one host or
// one group of addresses has more than half of all places, its newest leaf does for
// one from elsewhere.
func (e *Engine) leafPlace(n *neighbour, now time.Time) reason.Reason {
	if e.links.leaves < e.cfg.MaxLeaves {
		return reason.None
	}
	old := e.fullestLeaf(groupOf, func(o *neighbour) bool { return e.mute(o, now) })
	for _, level := range []func(*neighbour) netip.Prefix{hostOf, groupOf} {
		if old == nil {
			old = e.overShare(n, level)
		}
	}
	if old == nil {
		return reason.LinkLimit
	}
	e.endFor(old, now)
	return reason.None
}

func hostOf(n *neighbour) netip.Prefix  { return n.from.Host }
func groupOf(n *neighbour) netip.Prefix { return n.from.Group }

// mute says of a leaf that it has not answered its first ping for long enough, or
// is late with all that it owes.
func (e *Engine) mute(n *neighbour, now time.Time) bool {
	return n.suspect || !n.answered && e.clock(now)-n.up >= limits.LeafSilent
}

// overShare is the newest leaf of a host or group, another than n's, that has more
// than half of the places; nil: none has. What is not counted has no share.
func (e *Engine) overShare(n *neighbour, level func(*neighbour) netip.Prefix) *neighbour {
	own := level(n)
	newest := e.fullestLeaf(level, func(o *neighbour) bool { return level(o).IsValid() && level(o) != own })
	if newest == nil || e.leavesOf(level)[level(newest)] <= e.cfg.MaxLeaves/2 {
		return nil
	}
	return newest
}

// fullestLeaf is the newest accepted leaf of the fullest group among those that fit.
func (e *Engine) fullestLeaf(level func(*neighbour) netip.Prefix, fits func(*neighbour) bool) (found *neighbour) {
	counts := e.leavesOf(level)
	for _, o := range e.links.list { // in the order they came up
		if o.acceptedLeaf() && fits(o) && (found == nil || counts[level(o)] >= counts[level(found)]) {
			found = o
		}
	}
	return found
}

// leavesOf counts the accepted leaves by host or group.
func (e *Engine) leavesOf(level func(*neighbour) netip.Prefix) map[netip.Prefix]int {
	counts := make(map[netip.Prefix]int)
	for _, o := range e.links.list {
		if o.acceptedLeaf() {
			counts[level(o)]++
		}
	}
	return counts
}

func (n *neighbour) acceptedLeaf() bool {
	return n.Leaf && !n.closing && !n.direct && !n.link.Outbound
}
