package engine

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
)

// An address group may have any number of relay links while places are free. When
// none is, it has its share: whoever comes from a group with less takes the place of
// one that has more. See ADR 034.

// GroupError is why a peer was refused whose address group has its share of links.
type GroupError struct {
	Group netip.Prefix
	Links int // of the group
	Share int // of the group while places are scarce
	Most  int // of all relays
}

func (e *GroupError) Error() string {
	return fmt.Sprintf("%d of at most %d links are with the address group %v, whose share is %d while no place is free; clients of a proxy count as one group unless it is named (--trusted-proxy), and --max-peers makes more places",
		e.Links, e.Most, e.Group, e.Share)
}

// groupShare is how many relay links an address group may have while places are
// scarce.
func (e *Engine) groupShare() int { return max(limits.GroupLinks, e.cfg.MaxRelays/limits.GroupPart) }

// bucketShare is the same within one bucket.
func (e *Engine) bucketShare() int {
	return e.groupShare() * limits.GroupBucketLinks / limits.GroupLinks
}

// groupAndBucket names what a bucket has of an address group.
type groupAndBucket struct {
	group  netip.Prefix
	bucket int
}

// groupCounts are the relay links by address group, and by group and bucket.
func (e *Engine) groupCounts() (groups map[netip.Prefix]int, buckets map[groupAndBucket]int) {
	groups, buckets = make(map[netip.Prefix]int), make(map[groupAndBucket]int)
	for _, o := range e.links.list {
		if o.ofTable() && o.from.Group.IsValid() {
			groups[o.from.Group]++
			buckets[e.groupAndBucket(o)]++
		}
	}
	return groups, buckets
}

func (e *Engine) groupAndBucket(n *neighbour) groupAndBucket {
	return groupAndBucket{n.from.Group, e.filler.Self.CommonPrefixLen(n.Key)}
}

// crowded says that the peer's address group has its share of links.
func (e *Engine) crowded(n *neighbour) bool {
	if !n.from.Group.IsValid() {
		return false
	}
	groups, buckets := e.groupCounts()
	return groups[n.from.Group] >= e.groupShare() || buckets[e.groupAndBucket(n)] >= e.bucketShare()
}

// groupInNeed finds a place for a peer of a crowded group: one of those that are
// kept for relays in need.
func (e *Engine) groupInNeed(n *neighbour) reason.Reason {
	if n.from.Need && e.links.relays < e.cfg.MaxRelays {
		return reason.None
	}
	return reason.GroupLimit
}

// groupYields ends the newest link of a group that has more than its share, for n of
// another group; false: there is none. The user's own choices stay.
func (e *Engine) groupYields(n *neighbour, now time.Time) bool {
	groups, buckets := e.groupCounts()
	var newest *neighbour
	for _, o := range e.links.list { // in the order they came up
		if o.ofTable() && !o.wanted && o.target == nil && o.from.Group.IsValid() && o.from.Group != n.from.Group &&
			(groups[o.from.Group] > e.groupShare() || buckets[e.groupAndBucket(o)] > e.bucketShare()) {
			newest = o
		}
	}
	if newest == nil {
		return false
	}
	e.endFor(newest, now)
	return true
}

// refusal is what the user of this node should know of a refusal; nil: the reason
// says it.
func (e *Engine) refusal(n *neighbour, why reason.Reason) error {
	if why != reason.GroupLimit {
		return nil
	}
	groups, _ := e.groupCounts()
	return &GroupError{Group: n.from.Group, Links: groups[n.from.Group], Share: e.groupShare(), Most: e.cfg.MaxRelays}
}
