package engine

import (
	"bytes"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// laying is what a home does for one of its leaves: it lays the leaf's record in
// the mesh. The homes that a record names share its Stores in turn, and each tells
// some of its own links beside.
type laying struct {
	leaf     wire.ID
	sequence uint64
	record   []byte
	homes    []wire.ID // that it names
	turn, of int       // this home among them; turn is -1: it is none

	begun time.Time     // the generation under way, or the last one
	store int           // the number of its next Store
	stale bool          // the record is newer than it: another one follows
	next  time.Time     // when the next Store is due; zero: none is
	laid  [2]generation // the last two, the latest first: as long as they live somewhere, they can be withdrawn
	place int
}

// generation is where a record was laid.
type generation struct {
	aims [limits.RecordStores][wire.AimLen]byte
	told []uint64 // numbers of links
	any  bool
}

// layings are those of a home's leaves.
type layings struct {
	byLeaf map[wire.ID]*laying // one for each that is linked
	due    placedHeap[*laying] // those with a next Store, the first first
}

func (s *layings) init() {
	s.byLeaf = make(map[wire.ID]*laying)
	s.due.before = func(a, b *laying) bool { return a.next.Before(b.next) }
	s.due.place = func(l *laying) *int { return &l.place }
}

// plan sets when l has a Store to send; zero: it has none.
func (s *layings) plan(l *laying, at time.Time) {
	if !l.next.IsZero() {
		s.due.remove(l)
	}
	if l.next = at; !at.IsZero() {
		s.due.add(l)
	}
}

// forget ends the laying of a leaf that is gone.
func (s *layings) forget(leaf wire.ID) {
	if l := s.byLeaf[leaf]; l != nil {
		s.plan(l, time.Time{})
		delete(s.byLeaf, leaf)
	}
}

// takeOwn takes the record that a leaf gives of itself by its link, lays it if
// this relay is one of the homes in it, and tells the leaf what became of it. A
// home answers for its leaf by the link, whatever the store has room for.
func (e *Engine) takeOwn(now time.Time, n *neighbour, c *wire.RecordCopy) error {
	rec, signer, err := e.cfg.Verify(c.Record, now)
	why := reason.None
	switch {
	case err != nil:
		why = recordReason(err)
		rec, _ = wire.ParseRecord(c.Record)
	case signer != wire.ID(n.ID):
		return identity.ErrWrongID
	default:
		o := offered{Record: rec, signer: signer, raw: c.Record, by: n.ID, held: identity.HeldUntil(&rec, now, c.Remaining)}
		if why = e.holder.store.put(&o, now); why == reason.StoreFull {
			why = reason.None
		}
	}
	if why == reason.None {
		e.layRecord(now, n, &rec, c.Record)
	}
	if rec.TTL > 0 {
		e.do(SendLink{n.link, wire.AppendHeld(nil, wire.Held{Sequence: rec.Sequence, Reason: uint8(why)})})
	}
	if err != nil || why == reason.None {
		return err
	}
	return why
}

// layRecord has a record laid that this relay holds for one of its leaves.
func (e *Engine) layRecord(now time.Time, n *neighbour, rec *wire.Record, raw []byte) {
	s, leaf := &e.holder.layings, wire.ID(n.ID)
	a, _ := wire.ParseAttachment(rec.Body) // the store read it
	l := s.byLeaf[leaf]
	switch {
	case l != nil && rec.Sequence <= l.sequence:
		return
	case rec.TTL == 0:
		e.withdrawLaid(l, raw)
		s.forget(leaf)
		return
	case l == nil:
		l = &laying{leaf: leaf}
		s.byLeaf[leaf] = l
	}
	l.sequence, l.record = rec.Sequence, bytes.Clone(raw)
	l.homes = a.Homes
	l.turn, l.of = slices.Index(a.Homes, wire.ID(e.cfg.Self)), len(a.Homes)
	switch over := !now.Before(l.begun.Add(limits.LaySpread)); {
	case l.turn < 0:
		s.plan(l, time.Time{})
	case over:
		e.layAnew(now, l)
	default: // a leaf that changes its mind costs the mesh no more than one that does not
		l.stale = true
		e.planStore(l)
	}
}

// layAnew begins another generation.
func (e *Engine) layAnew(now time.Time, l *laying) {
	l.begun, l.stale, l.store = now, false, 0
	l.laid[1] = l.laid[0]
	l.laid[0] = generation{told: e.tellLinks(l), any: true}
	for i := range l.laid[0].aims {
		l.laid[0].aims[i] = e.Aim(l.leaf)
	}
	e.planStore(l)
}

// planStore plans the next Store of l that is this home's turn: the Stores of a
// generation are spread over limits.LaySpread.
func (e *Engine) planStore(l *laying) {
	for l.store%l.of != l.turn {
		l.store++
	}
	at := l.begun.Add(limits.LaySpread * time.Duration(l.store) / limits.RecordStores)
	if l.store >= limits.RecordStores {
		if at = l.begun.Add(limits.LaySpread); !l.stale {
			at = time.Time{}
		}
	}
	e.holder.layings.plan(l, at)
}

// layDue sends the Stores that are due.
func (e *Engine) layDue(now time.Time) {
	due := &e.holder.layings.due
	for len(due.list) > 0 && !now.Before(due.list[0].next) {
		l := due.list[0]
		if l.store >= limits.RecordStores {
			e.layAnew(now, l)
			continue
		}
		e.sendStore(l, &l.laid[0], l.store, l.record)
		l.store++
		e.planStore(l)
	}
}

// sendStore sends one Store of a generation. The first goes greedily to the Key, so
// do every third one after, each by another first hop; the others are scatter frames.
func (e *Engine) sendStore(l *laying, g *generation, number int, record []byte) {
	f := wire.Frame{
		Type: wire.TypeNearest, Class: wire.ClassControl, HopLimit: wire.MaxHopLimit, Src: wire.ID(e.cfg.Self),
		Body: wire.AppendNearestBody(nil, &wire.NearestBody{
			Nonce: e.nonce(), Target: wire.Key(routing.ID(l.leaf).Key()), Op: wire.OpStore, Rest: record,
		}),
	}
	k := 0
	if number%greedyStores == 0 {
		k = number / greedyStores
	} else {
		f.Aim = g.aims[number][:]
	}
	e.do(SendFrame{Frame: wire.AppendFrame(nil, &f), K: k})
}

const greedyStores = 3 // one in so many

// tellLinks gives the record to some of this home's links with relays, those that it
// chose itself first, and returns which.
func (e *Engine) tellLinks(l *laying) (told []uint64) {
	var to []*neighbour
	for _, n := range e.links.list {
		if n.ofTable() && n.answered && !slices.Contains(l.homes, wire.ID(n.ID)) {
			to = append(to, n)
		}
	}
	e.cfg.Rand.Shuffle(len(to), func(i, j int) { to[i], to[j] = to[j], to[i] })
	slices.SortStableFunc(to, func(a, b *neighbour) int { return rank(!a.chosen) - rank(!b.chosen) })
	for _, n := range to[:min(len(to), limits.RecordTold)] {
		e.do(SendLink{n.link, recordFrame(l.record, limits.AttachmentTTL)})
		told = append(told, n.link.Number)
	}
	return told
}

// withdrawLaid sends a withdrawal the ways that the last two generations went. What it
// misses ends by itself.
func (e *Engine) withdrawLaid(l *laying, record []byte) {
	if l == nil || l.turn < 0 {
		return
	}
	told := make(map[uint64]bool)
	for age := range l.laid {
		g := &l.laid[age]
		if !g.any {
			break
		}
		for number := l.turn; number < limits.RecordStores; number += l.of {
			if age == 0 || number%greedyStores != 0 {
				e.sendStore(l, g, number, record)
			}
		}
		for _, number := range g.told {
			if n := e.links.byNumber[number]; n != nil && n.usable() && !told[number] {
				told[number] = true
				e.do(SendLink{n.link, recordFrame(record, 0)})
			}
		}
	}
}
