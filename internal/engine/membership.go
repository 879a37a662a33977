package engine

import (
	"math/bits"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

// membership is what a node does to have the links that it should have: it
// learns of relays (contacts, asks, neighbours' lists), chooses among them
// (routing.Filler), and dials.
type membership struct {
	book   book
	filler routing.Filler
	asks   []*ask
	reach  map[routing.ID][]func(error) // who waits for a link with a node
	sought map[routing.ID]struct{}      // contacts that neighbours were asked for, since the last bucket check

	joined     bool  // the own Key was looked up, and somebody answered
	asking     bool  // it is being looked up
	empty      []int // buckets to be looked into
	dialing    int   // to learnt nodes
	needed     int   // of them, to nodes without which a bucket or the near set would have a gap
	fillAt     time.Time
	announceAt time.Time // zero: nothing new to tell
	announced  time.Time
	publishAt  time.Time // zero: the snapshot is up to date

	nearAt, bucketAt, farAt, contactAt time.Time // periodic; zero while there is no link
}

func (e *Engine) initMembership() {
	e.filler = routing.Filler{Self: e.cfg.Self.Key(), Room: max(1, e.cfg.MaxRelays-limits.SpareLinks)}
	e.book.init(e.cfg.MaxRelays)
	e.reach = make(map[routing.ID][]func(error))
	e.sought = make(map[routing.ID]struct{})
}

// earlier brings a deadline forward; zero is never.
func earlier(at *time.Time, to time.Time) {
	if at.IsZero() || to.Before(*at) {
		*at = to
	}
}

func (e *Engine) fillSoon(now time.Time, in time.Duration) { earlier(&e.fillAt, now.Add(in)) }

func (e *Engine) stale(now time.Time) { earlier(&e.publishAt, now.Add(limits.SnapshotGather)) }

// deadlines are those of membership.
func (e *Engine) deadlines(visit func(time.Time)) {
	for _, at := range []time.Time{e.fillAt, e.announceAt, e.publishAt, e.nearAt, e.bucketAt, e.farAt, e.contactAt} {
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
		e.nearAt, e.bucketAt, e.farAt, e.contactAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	} else if e.nearAt.IsZero() && !e.cfg.Leaf {
		e.nearAt, e.bucketAt = e.later(now, limits.NearExchange), e.later(now, limits.BucketCheck)
		e.farAt, e.contactAt = e.later(now, limits.FarLookup), now.Add(limits.ContactTTL*time.Second/2)
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
		e.checkBuckets(now)
		e.trim(now)
		e.fillSoon(now, 0)
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
	if due(e.publishAt, now) {
		e.publish()
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
		e.findNode(n, e.filler.Self, limits.NodesEntries)
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
		if n.usable() && !n.Leaf {
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

// fill looks for links that this node should have and dials.
func (e *Engine) fill(now time.Time) {
	e.fillAt = time.Time{}
	if e.cfg.Leaf {
		e.fillLeaf(now)
		return
	}
	if e.links.live() == 0 && e.dialing == 0 && len(e.book.list) == 0 {
		return
	}
	fresh, again, wait := e.candidates(now)
	e.dialWants(now, fresh, limits.LearntDials)
	e.dialWants(now, again, limits.RetryDials)
	e.seek(now, len(fresh))
	if wait > 0 && (e.links.relays < e.filler.Room || len(again) > 0) {
		e.fillSoon(now, max(wait, time.Second))
	}
}

// candidates are the contacts that may be dialled now: those that never failed,
// and the others; and how long until the next of those may.
func (e *Engine) candidates(now time.Time) (fresh, again []*known, wait time.Duration) {
	for _, k := range e.book.list {
		switch {
		case k.dialing || e.links.linked(k.ID) || e.isBanned(now, k.ID):
		case now.Before(k.next):
			if d := k.next.Sub(now); wait == 0 || d < wait {
				wait = d
			}
		case k.failures == 0:
			fresh = append(fresh, k)
		default:
			again = append(again, k)
		}
	}
	return fresh, again, wait
}

// places are the relays linked, or being dialled, as the fill policy sees them.
func (e *Engine) places() []routing.Place {
	places := make([]routing.Place, 0, e.links.relays+e.dialing)
	for _, n := range e.links.list {
		if n.usable() && !n.Leaf {
			places = append(places, routing.Place{Key: n.Key, RTT: n.link.Stats().RTT})
		}
	}
	if e.dialing > 0 {
		for _, k := range e.book.list {
			if k.dialing && !e.links.linked(k.ID) {
				places = append(places, routing.Place{Key: k.key})
			}
		}
	}
	return places
}

// dialWants dials the most wanted, at most so many at once.
func (e *Engine) dialWants(now time.Time, from []*known, most int) {
	n := min(most-e.dialing, limits.DialsInFlight-e.targets.flying)
	if n <= 0 || len(from) == 0 {
		return
	}
	links := e.places()
	candidates := make([]routing.Place, len(from))
	for i, k := range from {
		candidates[i] = routing.Place{Key: k.key}
	}
	for _, w := range e.filler.Wants(links, candidates, n) {
		if e.links.relays+e.dialing >= e.cfg.MaxRelays && e.spare(now, true) == nil {
			return
		}
		e.dialKnown(from[w.Index], w.Need > routing.NeedSpread || e.links.relays < limits.NearSet)
	}
}

// dialKnown dials a contact by one of its URLs, another one each time.
func (e *Engine) dialKnown(k *known, need bool) {
	urls := e.urlsOf(k)
	if len(urls) == 0 {
		return
	}
	k.dialing, k.needed = true, need
	e.dialing++
	if need {
		e.needed++
	}
	e.targets.flying++
	e.targets.dials++
	t := &Target{TargetSpec: TargetSpec{URL: urls[k.failures%len(urls)], Pin: k.ID, Scopes: k.Scopes}, known: k}
	e.do(Dial{Target: t, Count: e.targets.dials, Need: need})
}

// dialOver notes that a dial of k has ended, whatever came of it.
func (e *Engine) dialOver(k *known) {
	if k.dialing {
		k.dialing = false
		e.dialing--
		if k.needed {
			e.needed--
		}
		e.targets.flying--
	}
}

// seek asks neighbours for the contacts of relays that their lists name and
// that this node needs, and for anybody while it has few links.
func (e *Engine) seek(now time.Time, fresh int) {
	if !e.joined {
		return
	}
	self := keyHead(&e.filler.Self)
	var count [65]int
	nearest := make([]uint64, 0, limits.NearSet)
	for _, p := range e.places() {
		head := keyHead(&p.Key)
		count[bits.LeadingZeros64(head^self)]++
		nearest = insertSmall(nearest, head^self, limits.NearSet)
	}
	left := limits.LinkFindNodes
	for _, n := range e.links.list {
		if !n.usable() || !n.answered || n.neighbours == nil {
			continue
		}
		for i, head := range n.neighbours.heads {
			if left == 0 {
				return
			}
			b := bits.LeadingZeros64(head ^ self)
			near := len(nearest) < limits.NearSet || head^self < nearest[len(nearest)-1]
			if count[b] > 0 && !near || e.unneeded(n.peers[i]) {
				continue
			}
			if e.findNode(n, n.peers[i].Key(), limits.NearSet) {
				e.sought[n.peers[i]] = struct{}{}
				count[b]++
				left--
			}
		}
	}
	if e.links.relays+e.dialing+fresh < e.filler.Room && len(e.sought) < limits.Asks {
		n := e.links.random(e, func(n *neighbour) bool { return n.usable() && n.answered && !n.Leaf })
		if n != nil && e.findNode(n, e.randomKey(0), limits.NodesEntries) {
			e.sought[e.randomID()] = struct{}{} // one of a few until the next bucket check
		}
	}
}

func (e *Engine) randomID() (id routing.ID) {
	n := e.nonce()
	copy(id[:], n[:])
	return id
}

// unneeded says that the contact of a node is known, or was asked for.
func (e *Engine) unneeded(id routing.ID) bool {
	if e.links.linked(id) || e.book.byID[id] != nil || len(e.sought) >= 4*limits.Asks {
		return true
	}
	_, asked := e.sought[id]
	return asked
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

// fillLeaf dials further homes, wherever in the mesh.
func (e *Engine) fillLeaf(now time.Time) {
	fresh, again, wait := e.candidates(now)
	for want := e.wantsHomes() - e.dialing; want > 0; want-- {
		from := &fresh
		if len(fresh) == 0 {
			from = &again
		}
		if len(*from) == 0 || e.targets.flying >= limits.DialsInFlight {
			break
		}
		i := e.cfg.Rand.IntN(len(*from))
		k := (*from)[i]
		*from = append((*from)[:i], (*from)[i+1:]...)
		e.dialKnown(k, true)
	}
	if e.wantsHomes() <= e.dialing {
		return
	}
	if home := e.links.random(e, func(n *neighbour) bool { return n.usable() && n.answered }); home != nil && len(e.sought) < limits.Asks {
		if e.findNode(home, e.randomKey(0), 2*limits.Homes) {
			e.sought[e.randomID()] = struct{}{}
		}
		e.fillSoon(now, max(wait, limits.BootstrapRetry))
	} else if home != nil {
		clear(e.sought)
		e.fillSoon(now, limits.NearExchange)
	}
}

func (ev Lookup) step(e *Engine, now time.Time) {
	l := &lookup{Lookup: ev, found: map[routing.ID]*known{}, asked: map[routing.ID]bool{}}
	l.Count = min(max(l.Count, 1), limits.NodesEntries)
	l.ask(e, now, routing.ID{})
}

func (ev Reach) step(e *Engine, now time.Time) {
	id := ev.Contact.ID
	switch {
	case e.links.linked(id):
		ev.Done(nil)
		return
	case len(e.reach) >= limits.Asks:
		ev.Done(reason.RateLimited)
		return
	case ev.ByPeer && e.isBanned(now, id):
		ev.Done(reason.Banned)
		return
	}
	delete(e.banned, id)
	k := e.book.byID[id]
	if len(ev.Contact.URLs) > 0 {
		k = e.note(now, known{Contact: ev.Contact, until: now})
	}
	if k == nil {
		ev.Done(reason.NoRoute)
		return
	}
	e.reach[id] = append(e.reach[id], ev.Done)
	if !k.dialing {
		e.dialKnown(k, true)
	}
	if !k.dialing {
		e.reached(id, reason.Unsupported)
	}
}

// reached tells those who wait for a link with a node how it went.
func (e *Engine) reached(id routing.ID, err error) {
	waiting := e.reach[id]
	delete(e.reach, id)
	for _, done := range waiting {
		done(err)
	}
}

// Settled says that the node has found its place: a relay has looked up its own
// Key and has nobody left to dial whom it needs; a leaf is attached to as many
// homes as it wants or finds.
func (e *Engine) Settled() bool {
	if e.cfg.Leaf {
		return e.Attached() && (e.wantsHomes() <= 0 || len(e.book.list) <= e.links.relays)
	}
	if !e.joined {
		return len(e.targets.list) == 0
	}
	return e.needed == 0 && len(e.asks) == 0 && len(e.empty) == 0 && e.links.relays > 0
}
