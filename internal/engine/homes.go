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

// attachment is what a leaf does to be found: it chooses homes among its
// relays and has a signed record of them stored at the relays nearest its Key.
type attachment struct {
	// Read by any goroutine.
	homes    atomic.Pointer[[]wire.ID]
	attached atomic.Bool

	// Owned by the loop.
	stores   []store // the last is the one to be confirmed, or that was; of the earlier ones only those that may yet be
	signed   uint64  // how many stores there were
	standing store   // of those confirmed the latest
	left     bool    // withdrawn: the node goes
	doubted  bool    // it was told that the own clock is in doubt, and no Store was confirmed since
}

// store is one attachment record of this node on its way to its holders.
type store struct {
	number    uint64 // a later one is higher
	nonce     [wire.NonceLen]byte
	record    []byte
	homes     []wire.ID
	tries     int
	next      time.Time // the frame is sent again
	renew     time.Time // a new record is due
	end       time.Time // of the record
	confirmed bool
}

// Homes are the relays that this leaf is to be found at, the best first; nil:
// none, or this node is a relay. They must not be changed. Any goroutine.
func (e *Engine) Homes() []wire.ID {
	if homes := e.attach.homes.Load(); homes != nil {
		return *homes
	}
	return nil
}

// Attached says whether this node can be reached by others than its peers: a
// record of where this leaf is was stored, and one of the homes in it is still
// linked; or this relay is among the links of another node. Any goroutine.
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
	return max(0, e.homesWanted()-len(e.roofs(func(*neighbour) bool { return true })))
}

// homesMoved looks at the links anew: one came, went, answered a ping, or
// became suspect.
func (e *Engine) homesMoved(now time.Time) {
	if !e.cfg.Leaf {
		e.attach.attached.Store(e.links.reached(routing.ID{}))
		return
	}
	if e.attach.left {
		return
	}
	old := e.Homes()
	homes := e.chooseHomes(old)
	if !slices.Equal(homes, old) {
		e.attach.homes.Store(&homes)
		e.moveIn(now, homes)
	}
	e.judge(now)
}

// moveIn tells the mesh of new homes.
func (e *Engine) moveIn(now time.Time, homes []wire.ID) {
	if len(homes) == 0 {
		e.attach.stores = nil // nobody to tell
		return
	}
	e.attest(now, homes)
	e.cfg.Sessions.HomesChanged(now)
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

// chooseHomes returns the homes, the best first. A home stays one as long as its
// link is good, however fast others are: each change costs everybody who talks
// to this leaf. The order is only looked at when a home comes or goes, or the
// first one is not to be trusted.
func (e *Engine) chooseHomes(old []wire.ID) []wire.ID {
	good := e.roofs(func(n *neighbour) bool { return n.answered })
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

// attest signs a record of the homes and sends it to be stored.
func (e *Engine) attest(now time.Time, homes []wire.ID) {
	life := limits.AttachmentTTL * time.Second
	e.send(now, store{
		homes: homes, renew: now.Add(life / 2), end: now.Add(life),
		record: e.attestation(now, limits.AttachmentTTL, homes),
	})
}

func (e *Engine) attestation(now time.Time, ttl uint16, homes []wire.ID) []byte {
	body := wire.Attachment{Leaf: wire.ID(e.cfg.Self), Homes: homes}
	return e.cfg.Sign(wire.RecordAttachment, now, ttl, wire.AppendAttachment(nil, &body))
}

// send begins a store. Earlier ones may still be confirmed, but are not sent again.
func (e *Engine) send(now time.Time, s store) {
	a := &e.attach
	a.signed++
	s.number, s.nonce = a.signed, e.nonce()
	a.stores = slices.DeleteFunc(a.stores, func(o store) bool { return o.confirmed || !now.Before(o.end) })
	a.stores = append(a.stores, s)
	if len(a.stores) > limits.Homes {
		a.stores = slices.Delete(a.stores, 0, 1)
	}
	e.sendStore(now, &a.stores[len(a.stores)-1])
}

// sendStore sends s, each time by another first hop.
func (e *Engine) sendStore(now time.Time, s *store) {
	f := wire.Frame{
		Type: wire.TypeNearest, Class: wire.ClassControl, HopLimit: wire.MaxHopLimit,
		Src: wire.ID(e.cfg.Self), Return: s.homes[0][:],
		Body: wire.AppendNearestBody(nil, &wire.NearestBody{
			Nonce: s.nonce, Target: wire.Key(e.cfg.Self.Key()), Op: wire.OpStore, Rest: s.record,
		}),
	}
	e.do(SendFrame{Frame: wire.AppendFrame(nil, &f), K: s.tries})
	s.next = now.Add(min(limits.StoreRetry<<min(s.tries, 8), limits.StoreRetryMax))
	s.tries++
}

// stored takes an Answer to a Store of this node; false: it is not to one.
func (e *Engine) stored(now time.Time, f *wire.Frame, body *wire.AnswerBody) bool {
	a := &e.attach
	i := slices.IndexFunc(a.stores, func(s store) bool { return s.nonce == body.Nonce })
	if i < 0 || body.Kind != wire.AnswerStored {
		return false
	}
	if why := reason.Reason(body.Reason); why != reason.None {
		e.cfg.Drops.Add(why, 1) // sent again until the record is renewed
		e.doubt(routing.ID(f.Src), why)
		return true
	}
	s := &a.stores[i]
	s.confirmed, a.doubted = true, false
	if s.number > a.standing.number {
		a.standing = *s
	}
	e.judge(now)
	return true
}

// doubt tells the user, once until a Store is confirmed, that a holder finds this
// node's record too old, or bad: a record of this node is well signed, so that
// there is nothing bad about it but a time in the future.
func (e *Engine) doubt(holder routing.ID, why reason.Reason) {
	if why != reason.Expired && why != reason.BadRecord || e.attach.doubted {
		return
	}
	e.attach.doubted = true
	e.do(Tell{Notice{Kind: NoticeClockDoubted, Peer: holder, Reason: why}})
}

// judge finds out whether this leaf is attached.
func (e *Engine) judge(now time.Time) {
	a := &e.attach
	homes := e.Homes()
	i := slices.IndexFunc(a.standing.homes, func(id wire.ID) bool { return slices.Contains(homes, id) })
	is := now.Before(a.standing.end) && i >= 0
	if a.attached.Swap(is) || !is {
		return
	}
	notice := Notice{Kind: NoticeAttached, Peer: routing.ID(a.standing.homes[i])}
	if n := inUse(e.links.byID[notice.Peer]); n != nil {
		notice.Link, notice.URL = n.link, n.url
	}
	e.do(Tell{notice})
}

// attachDue sends again what is not confirmed, and renews what is half over.
func (e *Engine) attachDue(now time.Time) {
	a := &e.attach
	if len(a.stores) > 0 {
		switch s := &a.stores[len(a.stores)-1]; {
		case !now.Before(s.renew):
			e.attest(now, e.Homes())
		case !s.confirmed && !now.Before(s.next):
			e.sendStore(now, s)
		}
	}
	if a.attached.Load() && e.cfg.Leaf {
		e.judge(now)
	}
}

// attachNext is when attachDue has something to do; false: not by itself.
func (e *Engine) attachNext() (at time.Time, ok bool) {
	a := &e.attach
	if len(a.stores) > 0 {
		s := &a.stores[len(a.stores)-1]
		if at, ok = s.renew, true; !s.confirmed && s.next.Before(at) {
			at = s.next
		}
	}
	if e.cfg.Leaf && a.attached.Load() && (!ok || a.standing.end.Before(at)) {
		return a.standing.end, true
	}
	return at, ok
}

// detach withdraws the record, once and without waiting for an answer: this
// leaf goes. What is not withdrawn ends by itself.
func (e *Engine) detach(now time.Time) {
	a := &e.attach
	if !e.cfg.Leaf || a.left {
		return
	}
	told := a.stores
	a.left, a.stores = true, nil
	a.attached.Store(false)
	if homes := e.Homes(); len(told) > 0 && len(homes) > 0 {
		e.sendStore(now, &store{nonce: e.nonce(), homes: homes, record: e.attestation(now, 0, nil)})
	}
}
