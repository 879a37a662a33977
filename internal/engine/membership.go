package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

// membership is what a node does to have the links that it should have: it
// learns of relays (contacts, asks, neighbours' lists), chooses among them
// (routing.Filler), and dials.
type membership struct {
	book    book
	filler  routing.Filler
	asks    []*ask
	reach   map[routing.ID]*reaching // who waits for a link with a node
	sought  map[uint64]struct{}      // heads of Keys whose contacts neighbours were asked for, since the last bucket check
	strayed int                      // contacts of anybody that were asked for in that time

	joined     bool  // the own Key was looked up, and somebody answered
	asking     bool  // it is being looked up
	empty      []int // buckets to be looked into
	pace       pace
	dialing    int // to learnt nodes
	needed     int // of them, to nodes without which a bucket or the near set would have a gap
	fillAt     time.Time
	filled     time.Time // the last look for links
	announceAt time.Time // zero: nothing new to tell
	announced  time.Time
	publishAt  time.Time // when what gathers goes into the snapshot; zero: nothing does
	ripeAt     time.Time // when the next link begins or ends to carry; zero: none does by itself
	redraw     bool      // the snapshot is to be made anew before Step ends

	nearAt, bucketAt, farAt, contactAt, improveAt time.Time // periodic; zero while there is no link
}

func (e *Engine) initMembership() {
	e.filler = routing.Filler{Self: e.cfg.Self.Key(), Room: max(1, e.cfg.MaxRelays-limits.SpareLinks)}
	e.book.init(e.cfg.MaxRelays)
	e.reach = make(map[routing.ID]*reaching)
	e.sought = make(map[uint64]struct{})
}

// earlier brings a deadline forward; zero is never.
func earlier(at *time.Time, to time.Time) {
	if at.IsZero() || to.Before(*at) {
		*at = to
	}
}

// fillSoon plans a look for links. What a node with some links learns gathers a
// little for it.
func (e *Engine) fillSoon(now time.Time, in time.Duration) {
	at := now.Add(in)
	if next := e.filled.Add(limits.FillGap); e.links.relays >= limits.NearSet && at.Before(next) {
		at = next
	}
	earlier(&e.fillAt, at)
}

func (e *Engine) stale(now time.Time) { earlier(&e.publishAt, now.Add(limits.SnapshotGather)) }

// deadlines are those of membership.
func (e *Engine) deadlines(visit func(time.Time)) {
	for _, at := range []time.Time{e.fillAt, e.announceAt, e.publishAt, e.ripeAt, e.nearAt, e.bucketAt, e.farAt, e.contactAt, e.improveAt} {
		if !at.IsZero() {
			visit(at)
		}
	}
	for _, a := range e.asks {
		visit(a.next)
	}
}

func due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// membershipDue does what time has made due.
func (e *Engine) membershipDue(now time.Time) {
	if e.targets.stopped {
		return
	}
	if len(e.asks) > 0 {
		e.asksDue(now)
	}
	if e.links.relays == 0 {
		e.nearAt, e.bucketAt, e.farAt, e.contactAt, e.improveAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	} else if e.nearAt.IsZero() && !e.cfg.Leaf {
		e.nearAt, e.bucketAt = e.later(now, limits.NearExchange), e.later(now, limits.BucketCheck)
		e.farAt, e.contactAt = e.later(now, limits.FarLookup), now.Add(limits.ContactTTL*time.Second/2)
		e.improveAt = e.later(now, limits.ImproveGap)
	}
	if due(e.nearAt, now) {
		e.nearAt = e.later(now, limits.NearExchange)
		e.nearExchange()
	}
	if due(e.farAt, now) {
		e.farAt = e.later(now, limits.FarLookup)
		e.farLookup(now)
	}
	if due(e.bucketAt, now) {
		e.bucketAt = e.later(now, limits.BucketCheck)
		clear(e.sought)
		e.strayed = 0
		e.checkBuckets(now)
		e.promote(now)
		e.trim(now)
		e.fillSoon(now, 0)
	}
	if due(e.improveAt, now) {
		e.improveAt = e.later(now, limits.ImproveGap)
		e.improve(now)
	}
	if due(e.contactAt, now) {
		e.contactAt = now.Add(limits.ContactTTL * time.Second / 2)
		e.tellContact(now)
	}
	if due(e.fillAt, now) {
		e.fill(now)
	}
	if due(e.announceAt, now) {
		e.announce(now)
	}
	if due(e.publishAt, now) || due(e.ripeAt, now) {
		e.redraw = true
	}
}

// later is a period from now, a quarter more or less.
func (e *Engine) later(now time.Time, period time.Duration) time.Time {
	return now.Add(period*3/4 + e.jitter(period/2))
}

// firstAnswer is called when a link answered its first ping: from then on the
// peer forwards to this node.
func (e *Engine) firstAnswer(now time.Time, n *neighbour) {
	if n.Leaf {
		return
	}
	if e.cfg.Leaf {
		e.fillSoon(now, 0)
		return
	}
	e.do(SendLink{n.link, e.peersFrame()})
	e.relaysChanged(now)
	if !e.joined && !e.asking {
		if n.asked == 0 && !n.link.Outbound {
			e.findNode(n, e.filler.Self, limits.NodesEntries)
		}
		e.lookUpSelf(now, routing.ID{})
	}
	e.fillSoon(now, 0)
}

// lookUpSelf finds this node's place in the mesh.
func (e *Engine) lookUpSelf(now time.Time, via routing.ID) {
	e.asking = e.askNearest(now, e.filler.Self, via, func(e *Engine, now time.Time, a *answer) {
		e.asking = false
		if a == nil {
			earlier(&e.farAt, now.Add(limits.PeersGap))
			return
		}
		if !e.joined {
			e.joined = true
			e.checkBuckets(now)
		}
		e.fillSoon(now, 0)
	})
}

func (e *Engine) farLookup(now time.Time) {
	if e.asking {
		return
	}
	var via routing.ID
	if far := e.links.random(e, func(n *neighbour) bool { return n.usable() && n.answered && !n.Leaf && !n.suspect }); far != nil && e.joined {
		via = far.ID
	}
	e.lookUpSelf(now, via)
}

// nearExchange asks one of the near set whom it knows nearer.
func (e *Engine) nearExchange() {
	near := e.links.nearest(e.filler.Self, limits.NearSet)
	if len(near) > 0 {
		e.findNode(near[e.cfg.Rand.IntN(len(near))], e.filler.Self, 2*limits.NearSet)
	}
}

// checkBuckets looks into buckets without a link, the deepest first.
func (e *Engine) checkBuckets(now time.Time) {
	if e.cfg.Leaf || !e.joined {
		return
	}
	deepest := -1
	var full [routing.KeyBits + 1]bool
	for _, n := range e.links.list {
		n.look()
		if n.ofTable() {
			b := e.filler.Self.CommonPrefixLen(n.Key)
			full[b] = true
			deepest = max(deepest, b)
		}
	}
	e.empty = e.empty[:0]
	for b := deepest - 1; b >= 0; b-- {
		if !full[b] {
			e.empty = append(e.empty, b)
		}
	}
	for range limits.LearntDials {
		e.checkNext(now)
	}
}

func (e *Engine) checkNext(now time.Time) {
	if len(e.empty) == 0 {
		return
	}
	b := e.empty[0]
	e.empty = e.empty[1:]
	e.askNearest(now, e.randomKey(b), routing.ID{}, func(e *Engine, now time.Time, _ *answer) {
		e.fillSoon(now, 0)
		e.checkNext(now)
	})
}

// randomKey is a random Key of a bucket.
func (e *Engine) randomKey(bucket int) routing.Key {
	k := e.filler.Self
	for i := bucket / 8; i < len(k); i++ {
		k[i] = byte(e.cfg.Rand.Uint32())
	}
	keep := byte(0xff) << (8 - bucket%8)
	flip := byte(0x80) >> (bucket % 8)
	own := e.filler.Self[bucket/8]
	k[bucket/8] = own&keep | (^own)&flip | k[bucket/8]&^keep&^flip
	return k
}

// tellContact gives the own contact record to all peers, before the one that
// they have ends.
func (e *Engine) tellContact(now time.Time) {
	frame := recordFrame(e.cfg.Contact(now), limits.ContactTTL)
	for _, n := range e.links.list {
		if n.usable() {
			e.do(SendLink{n.link, frame})
		}
	}
}
