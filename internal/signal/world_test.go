package signal

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	low  = 0 // the node with the lower ID
	high = 1
)

var ids = [2]wire.ID{low: {1}, high: {2}}

type msgKind uint8

const (
	offer msgKind = iota
	replayed
	answer
	yield
	noWay
	over
	two // candidates: the first two
	one // and the third
)

// message is under way to a node.
type message struct {
	to      int
	kind    msgKind
	session wire.Session
}

var actionNames = [...]string{"refusal", "acceptance", "acceptance dropping its own", "yield"}

var kindNames = [...]string{"the offer", "the offer again", "the answer", "yield", "no way", "the end", "two candidates", "the third candidate"}

// lines are an end's candidates for a session.
func lines(of int, s wire.Session) []string { return allLines[of][s[0]] }

var allLines = func() (all [2][8][]string) {
	for of := range all {
		for s := range all[of] {
			for _, n := range "abc" {
				all[of][s] = append(all[of][s], fmt.Sprintf("%d/%d%c", of, s, n))
			}
		}
	}
	return all
}()

// end is a node as its caller sees it.
type end struct {
	table     *Table
	begins    int          // offers that it may still make
	fails     int          // times that it may still give up for reasons of its own
	pc        wire.Session // the PeerConnection; zero: none
	described bool
	applied   []string
}

func (e *end) open(s wire.Session) { e.pc, e.described, e.applied = s, false, nil }
func (e *end) close()              { e.open(wire.Session{}) }

// Of returns the attempt under way with a peer.
func (t *Table) Of(peer wire.ID) (Attempt, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.attempts[peer]; a != nil {
		return a.Attempt, true
	}
	return Attempt{}, false
}

// world is two nodes and all that is under way between them. The network loses
// nothing and delivers in any order.
type world struct {
	t       *testing.T
	now     time.Time
	ends    [2]end
	flight  []message
	next    byte // number of the next session
	offers  int
	replays bool  // each offer comes once more, from nobody knows where
	whole   bool  // all candidates come in one message: the states would be too many
	steps   *step // how it came to this, the last first
}

type step struct {
	before  *step
	node    int
	what    string
	session wire.Session
}

func (w *world) note(node int, what string, s wire.Session) {
	w.steps = &step{w.steps, node, what, s}
}

func newWorld(t *testing.T, begins, fails [2]int, replays bool) *world {
	w := &world{t: t, now: start, next: 1, replays: replays}
	for i := range w.ends {
		w.ends[i] = end{table: New(ids[i]), begins: begins[i], fails: fails[i]}
	}
	return w
}

func (t *Table) clone() *Table {
	c := New(t.self)
	c.accepted = t.accepted
	for id, a := range t.attempts {
		a := *a
		c.attempts[id] = &a
	}
	for id, p := range t.peers {
		p := *p
		if p.early != nil {
			e := *p.early
			p.early = &e
		}
		c.peers[id] = &p
	}
	return c
}

func (w *world) clone() *world {
	c := *w
	c.flight = slices.Clone(w.flight)
	for i := range c.ends {
		c.ends[i].table = w.ends[i].table.clone()
		c.ends[i].applied = slices.Clone(w.ends[i].applied)
	}
	return &c
}

// key tells states apart.
func (w *world) key() string {
	flight := slices.Clone(w.flight)
	slices.SortFunc(flight, func(a, b message) int { return a.number() - b.number() })
	b := []byte{w.next}
	for _, m := range flight {
		b = binary.BigEndian.AppendUint16(b, uint16(m.number()))
	}
	for i := range w.ends {
		e := &w.ends[i]
		b = append(b, 0xFF, byte(e.begins), byte(e.fails), e.pc[0], bit(e.described), byte(len(e.applied)))
		if a := e.table.attempts[ids[1-i]]; a != nil {
			b = append(b, 1, a.Session[0], bit(a.Ours), bit(a.Yielded), bit(a.answered), bit(a.alone), bit(a.promised))
			b = a.theirs.key(b)
		}
		if p := e.table.peers[ids[1-i]]; p != nil {
			b = append(b, 2, byte(p.at))
			for _, s := range p.past {
				b = append(b, s[0])
			}
			if p.early != nil {
				b = p.early.theirs.key(append(b, 3, p.early.session[0]))
			}
		}
	}
	return string(b)
}

func (m message) number() int { return int(m.session[0])<<8 | int(m.kind)<<4 | m.to }

func (c *candidates) key(b []byte) []byte {
	b = append(b, byte(c.next), bit(c.described))
	for _, have := range c.have {
		b = append(b, bit(have))
	}
	return b
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (w *world) failf(format string, args ...any) {
	w.t.Helper()
	var steps []string
	for s := w.steps; s != nil; s = s.before {
		steps = append(steps, fmt.Sprintf("%d: %s of %d", s.node, s.what, s.session[0]))
	}
	slices.Reverse(steps)
	w.t.Fatalf("after\n\t%s\n%s", strings.Join(steps, "\n\t"), fmt.Sprintf(format, args...))
}

func (w *world) send(to int, s wire.Session, kinds ...msgKind) {
	for _, k := range kinds {
		if w.whole && k == two {
			continue // they are in one
		}
		w.flight = append(w.flight, message{to, k, s})
	}
}

// begin has a node make an offer if its table lets it.
func (w *world) begin(i int) {
	e := &w.ends[i]
	e.begins--
	s := wire.Session{w.next}
	why := e.table.Begin(w.now, ids[1-i], s)
	w.note(i, "beginning", s)
	if why != reason.None {
		return
	}
	if e.pc != (wire.Session{}) {
		w.failf("%d has begun beside %d", i, e.pc[0])
	}
	w.next++
	w.offers++
	e.open(s)
	w.send(1-i, s, offer, two, one)
}

// fail has a node give up what it does, if it does anything.
func (w *world) fail(i int) {
	e := &w.ends[i]
	e.fails--
	a, _ := e.table.Of(ids[1-i])
	w.note(i, "giving up", a.Session)
	e.table.End(ids[1-i], a.Session)
	if e.pc != (wire.Session{}) {
		w.send(1-i, e.pc, over)
	}
	e.close()
}

// deliver takes a message from the network.
func (w *world) deliver(n int) {
	m := w.flight[n]
	w.flight = slices.Delete(w.flight, n, n+1)
	w.note(m.to, kindNames[m.kind], m.session)
	e, peer := &w.ends[m.to], ids[1-m.to]
	switch m.kind {
	case offer:
		w.offered(m)
	case replayed:
		before := w.key()
		if v := e.table.Offered(w.now, peer, m.session); v.Action != Refuse || v.Reason != reason.Replayed {
			w.failf("got %+v, want a refusal as replayed", v)
		}
		e.table.peers[peer].offers = bucket{}
		if w.key() != before {
			w.failf("a replay has changed something")
		}
	case answer:
		if e.table.Answered(w.now, peer, m.session) {
			if e.pc != m.session {
				w.failf("the answer to %d counts, and there is PeerConnection %d", m.session[0], e.pc[0])
			}
			w.describe(m.to, m.session)
		}
		if e.table.Answered(w.now, peer, m.session) {
			w.failf("the answer counts twice")
		}
	case yield:
		yields := e.table.Yielded(w.now, peer, m.session)
		if yields && e.pc != m.session {
			w.failf("yielded: got %v with PeerConnection %d", yields, e.pc[0])
		}
		if e.pc == m.session {
			if e.close(); !yields {
				e.table.End(peer, m.session)
			}
		}
	case noWay:
		if e.table.End(peer, m.session) {
			w.send(1-m.to, m.session, over)
		}
		if e.pc == m.session {
			e.close()
		}
	case over:
		w.over(m)
	case two, one:
		w.candidates(m)
	}
}

func (w *world) offered(m message) {
	e, peer := &w.ends[m.to], ids[1-m.to]
	v := e.table.Offered(w.now, peer, m.session)
	e.table.peers[peer].offers = bucket{} // the network is slow, or the states would be too many
	w.note(m.to, actionNames[v.Action], m.session)
	if w.replays {
		w.send(m.to, m.session, replayed)
	}
	switch v.Action {
	case AcceptDroppingOurs, Accept:
		if v.Drop != e.pc {
			w.failf("got an offer accepted dropping %d, and there is PeerConnection %d", v.Drop[0], e.pc[0])
		}
		if v.Drop != (wire.Session{}) {
			w.send(1-m.to, v.Drop, over)
		}
		e.open(m.session)
		w.send(1-m.to, m.session, answer, two, one)
		w.describe(m.to, m.session)
	case Yield:
		w.send(1-m.to, m.session, yield)
	case Refuse:
		w.send(1-m.to, m.session, noWay)
	}
}

// over takes the peer's word that a session is over. Who made its offer says so
// once more: it may have yielded for it meanwhile.
func (w *world) over(m message) {
	e, peer := &w.ends[m.to], ids[1-m.to]
	a, _ := e.table.Of(peer)
	was := e.pc == m.session
	if got := e.table.Over(w.now, peer, m.session); got != was {
		w.failf("the end: got %v with PeerConnection %d", got, e.pc[0])
	}
	if !was {
		return
	}
	e.close()
	if a.Ours {
		w.send(1-m.to, m.session, over)
	}
}

func (w *world) describe(i int, s wire.Session) {
	e := &w.ends[i]
	if e.described {
		w.failf("%d is described twice", s[0])
	}
	e.described = true
	e.applied = append(e.applied, e.table.Described(ids[1-i], s)...)
}

func (w *world) candidates(m message) {
	e := &w.ends[m.to]
	part, first := lines(1-m.to, m.session), uint16(0)
	switch {
	case w.whole:
	case m.kind == two:
		part = part[:2]
	default:
		part, first = part[2:], 2
	}
	got, why := e.table.Candidates(w.now, ids[1-m.to], m.session, first, part)
	if len(got) > 0 && (!e.described || e.pc != m.session) {
		w.failf("got candidates %v of %d, and PeerConnection %d is described: %v", got, m.session[0], e.pc[0], e.described)
	}
	if why != reason.None && (why != reason.Unsolicited || e.pc == m.session) {
		w.failf("got %v for candidates", why)
	}
	e.applied = append(e.applied, got...)
}

// good is the session that is sure to become a link: its answer was used.
func (w *world) good() wire.Session {
	a, b := &w.ends[low], &w.ends[high]
	if a.pc == b.pc && a.described && b.described {
		return a.pc
	}
	return wire.Session{}
}

// check looks at what has to hold in every state.
func (w *world) check() {
	for i := range w.ends {
		e := &w.ends[i]
		a, ok := e.table.Of(ids[1-i])
		if has := ok && !a.Yielded; has != (e.pc != wire.Session{}) || has && a.Session != e.pc {
			w.failf("%d has PeerConnection %d and attempt %+v", i, e.pc[0], a)
		}
		if want := lines(1-i, e.pc); !slices.Equal(e.applied, want[:min(len(e.applied), 3)]) {
			w.failf("%d has candidates %v, want the first of %v", i, e.applied, want)
		}
	}
}
