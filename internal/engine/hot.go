package engine

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/routing"
)

// hotPairs are the peers with whom this node talks much.
type hotPairs struct {
	byID   map[routing.ID]*hotPair // at most limits.HotPeers
	flying int                     // attempts under way
	calm   time.Duration           // what fails until then is the fault of a network that changed, by Engine.clock
}

// hotPair is one of them. Its times are those of Engine.clock.
type hotPair struct {
	id       routing.ID
	seconds  int    // in a row, with as much traffic as is worth a link
	bytes    uint64 // in the last of them
	seen     time.Duration
	failures int // attempts in a row
	next     time.Duration
	dialing  bool
}

func hot(t *session.PeerTraffic) bool {
	return t.Bytes >= limits.HotBytes || t.Messages >= limits.HotMessages
}

func talking(t *session.PeerTraffic) bool {
	return t.Bytes >= limits.HotBytes/limits.HotQuiet || t.Messages >= limits.HotMessages/limits.HotQuiet
}

func (ev Traffic) step(e *Engine, now time.Time) {
	clock := e.clock(now)
	for i := range ev.Peers {
		t := &ev.Peers[i]
		if !talking(t) {
			continue
		}
		for _, n := range e.links.byID[routing.ID(t.ID)] {
			n.talked = clock
		}
		if hot(t) {
			e.hot.note(clock, t)
		}
	}
	for _, p := range e.hot.due(clock) {
		e.upgrade(now, p)
	}
}

// note counts one second in which a pair talked much.
func (h *hotPairs) note(clock time.Duration, t *session.PeerTraffic) {
	p := h.byID[routing.ID(t.ID)]
	if p == nil {
		if len(h.byID) >= limits.HotPeers && !h.forget() {
			return
		}
		if h.byID == nil {
			h.byID = make(map[routing.ID]*hotPair)
		}
		p = &hotPair{id: routing.ID(t.ID)}
		h.byID[p.id] = p
	}
	p.seconds, p.bytes, p.seen = p.seconds+1, t.Bytes, clock
}

// forget drops the peer that last talked much longest ago, unless all do now.
func (h *hotPairs) forget() bool {
	var oldest *hotPair
	for _, p := range h.byID {
		if !p.dialing && p.seconds == 0 && (oldest == nil || cmp.Or(cmp.Compare(p.seen, oldest.seen), bytes.Compare(p.id[:], oldest.id[:])) < 0) {
			oldest = p
		}
	}
	if oldest == nil {
		return false
	}
	delete(h.byID, oldest.id)
	return true
}

// due are the pairs that are worth an attempt, those with most to say first. The
// others' seconds begin anew, and who has been silent for long is forgotten.
func (h *hotPairs) due(clock time.Duration) (list []*hotPair) {
	for id, p := range h.byID {
		switch {
		case p.seen == clock:
			if p.seconds >= limits.HotSeconds && !p.dialing && clock >= p.next {
				list = append(list, p)
			}
		case !p.dialing && clock >= max(p.seen, p.next)+limits.HotRetryMax:
			delete(h.byID, id)
		default:
			p.seconds = 0
		}
	}
	slices.SortFunc(list, func(a, b *hotPair) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), bytes.Compare(a.id[:], b.id[:]))
	})
	return list
}

// upgrade dials a peer, if this node is the one to do so and it has no link.
func (e *Engine) upgrade(now time.Time, p *hotPair) {
	switch k := e.book.byID[p.id]; {
	case bytes.Compare(e.cfg.Self[:], p.id[:]) > 0 && p.seconds < limits.HotSeconds+limits.HotYield:
	case e.targets.stopped, e.links.linked(p.id), e.isBanned(now, p.id), e.reach[p.id] != nil, k != nil && k.dialing:
	case e.targets.flying >= limits.DialsInFlight, e.pairRoom(now) <= 0:
	default:
		e.dialHot(now, e.hotContact(p.id, k))
	}
}

// hotContact is how to dial a peer for the pair's sake: by what the book knows of
// it, and over WebRTC unless it has said that it does not speak that. It is no
// contact of the table.
func (e *Engine) hotContact(id routing.ID, k *known) *known {
	c := &known{Contact: Contact{ID: id}, key: id.Key(), direct: true, hot: true}
	if k != nil {
		c.Contact = k.contact()
		c.URLs = k.addresses()
	}
	c.webRTC = e.cfg.WebRTC == WebRTCOn && (k == nil || k.webRTC)
	return c
}

func (e *Engine) dialHot(now time.Time, k *known) bool {
	if e.dialKnown(now, k, true) != reason.None {
		return false
	}
	e.hot.flying++
	if p := e.hot.byID[k.ID]; p != nil {
		p.dialing = true
	}
	return true
}

// dials says whether an attempt with a peer is under way.
func (h *hotPairs) dials(id routing.ID) bool {
	p := h.byID[id]
	return p != nil && p.dialing
}

// landed notes that an attempt is over, whatever came of it.
func (h *hotPairs) landed(id routing.ID) {
	h.flying--
	if p := h.byID[id]; p != nil {
		p.dialing = false
	}
}

// failed notes that an attempt came to nothing.
func (h *hotPairs) failed(clock time.Duration, id routing.ID) {
	p := h.byID[id]
	switch {
	case p == nil:
		return
	case clock < h.calm:
		p.next = h.calm
		return
	}
	p.next = clock + min(limits.HotRetry<<min(p.failures, 16), limits.HotRetryMax)
	p.failures++
	p.seconds = 0
}

// forgive has every pair tried again at once, as what failed before says nothing of
// the network of now, and what fails until calm is its change's fault.
func (h *hotPairs) forgive(calm time.Duration) {
	h.calm = calm
	for _, p := range h.byID {
		p.failures, p.next = 0, 0
	}
}

// parted notes that the link of a pair has ended: one that stood was a success.
func (h *hotPairs) parted(clock time.Duration, n *neighbour) {
	if clock-n.up < limits.HotRetry {
		h.failed(clock, n.ID)
	} else if p := h.byID[n.ID]; p != nil {
		p.failures = 0
	}
}

// hotFailed tries the peer's next URL, if there is one.
func (e *Engine) hotFailed(now time.Time, t *Target, why error) {
	k := t.known
	e.dialOver(k)
	if e.links.linked(k.ID) { // by the peer's own attempt
		e.answerReach(k.ID, nil)
		return
	}
	if k.failures++; int(k.failures) < len(e.urlsOf(k)) && e.dialHot(now, k) {
		return
	}
	e.hot.failed(e.clock(now), k.ID)
	e.answerReach(k.ID, why)
}
