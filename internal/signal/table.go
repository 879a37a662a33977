package signal

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// Attempt is a WebRTC link under way.
type Attempt struct {
	Peer    wire.ID
	Session wire.Session
	Ours    bool      // this node made the offer
	Yielded bool      // it was given up, and the peer's is waited for: there is no PeerConnection
	Until   time.Time // its end, unless it is done before
}

// attempt is an Attempt with what came for it.
type attempt struct {
	Attempt
	answered bool // the answer to our offer came
	alone    bool // an offer of the peer ended while ours was out: a yield is for that one
	promised bool // the peer was told that our offer counts, and may wait for it
	theirs   candidates
}

// Table holds the attempts of one node. Its methods may be called from any
// goroutine.
type Table struct {
	self wire.ID

	mu       sync.Mutex
	attempts map[wire.ID]*attempt
	accepted int // of them, those that peers began
	peers    map[wire.ID]*peer
}

// New returns an empty table of the node self.
func New(self wire.ID) *Table {
	return &Table{self: self, attempts: make(map[wire.ID]*attempt), peers: make(map[wire.ID]*peer)}
}

// Begin notes that this node makes an offer. session is fresh and random.
//
// Reasons: Duplicate, there is an attempt with that peer: wait for what becomes
// of it; SessionLimit, limits.SignalSessions are under way.
func (t *Table) Begin(now time.Time, peer wire.ID, session wire.Session) reason.Reason {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.attempts[peer] != nil:
		return reason.Duplicate
	case len(t.attempts) >= limits.SignalSessions:
		return reason.SessionLimit
	}
	t.peer(now, peer).remember(session)
	t.put(now, peer, session, true)
	return reason.None
}

// Action is what the caller does about an offer.
type Action uint8

// The actions.
const (
	Refuse             Action = iota // say so, with Verdict.Reason
	Accept                           // answer it
	AcceptDroppingOurs               // close the PeerConnection of Verdict.Drop first, then answer it
	Yield                            // say that this node's own offer counts
)

// Verdict is what becomes of an offer.
type Verdict struct {
	Action Action
	Drop   wire.Session  // with AcceptDroppingOurs
	Reason reason.Reason // with Refuse
}

// Offered tells what becomes of a peer's offer. An accepted one is under way
// from then on.
//
// Reasons of a refusal: RateLimited, the peer makes more offers than
// limits.OfferPause and limits.OfferBurst allow; Replayed, the session was used
// lately; Duplicate, another attempt with that peer is under way and counts;
// SessionLimit, limits.SignalSessions are under way, or limits.SignalAccepted
// that peers began.
func (t *Table) Offered(now time.Time, id wire.ID, session wire.Session) Verdict {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, a := t.peer(now, id), t.attempts[id]
	switch {
	case !p.offers.take(now):
		return Verdict{Reason: reason.RateLimited}
	case p.used(session):
		return Verdict{Reason: reason.Replayed}
	case a == nil && (len(t.attempts) >= limits.SignalSessions || t.accepted >= limits.SignalAccepted):
		return Verdict{Reason: reason.SessionLimit}
	}
	v := t.judge(a, id)
	if v.Action == Refuse {
		return v
	}
	p.remember(session)
	if v.Action == Yield {
		a.promised = true
	} else {
		t.put(now, id, session, false).theirs = p.takeEarly(session)
	}
	return v
}

// judge tells what a good offer of a peer means beside the attempt a with it.
func (t *Table) judge(a *attempt, id wire.ID) Verdict {
	switch {
	case a == nil || a.Yielded:
		return Verdict{Action: Accept}
	case !a.Ours:
		return Verdict{Reason: reason.Duplicate}
	case t.counts(id):
		return Verdict{Action: Yield}
	case a.answered:
		return Verdict{Reason: reason.Duplicate}
	}
	return Verdict{Action: AcceptDroppingOurs, Drop: a.Session}
}

// counts says whether an offer of this node counts beside one of that peer.
func (t *Table) counts(peer wire.ID) bool { return bytes.Compare(t.self[:], peer[:]) < 0 }

// Answered says whether the answer to an offer of this node may be used: it is
// the first, and the offer still counts.
func (t *Table) Answered(now time.Time, peer wire.ID, session wire.Session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.live(peer, session)
	if a == nil || !a.Ours || a.answered || !now.Before(a.Until) {
		return false
	}
	a.answered = true
	return true
}

// Yielded notes that the peer did not answer an offer of this node because its
// own counts. True: the caller closes the PeerConnection and waits for the
// peer's offer; the attempt ends when it did anyway. False: there is nothing to
// wait for by this, and the caller ends the session if it has not yet. The peer's
// offer may be over already; or this one has been given up for it.
func (t *Table) Yielded(now time.Time, peer wire.ID, session wire.Session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.live(peer, session)
	if a == nil || !a.Ours || a.answered || a.alone || !now.Before(a.Until) || t.counts(peer) {
		return false
	}
	a.Yielded = true
	return true
}

// Described notes that the peer's description is set, and returns the
// candidates that waited for it.
func (t *Table) Described(peer wire.ID, session wire.Session) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.live(peer, session)
	if a == nil {
		return nil
	}
	a.theirs.described = true
	return a.theirs.ready()
}

// Candidates takes some of the peer's candidates, of which the first has the
// number first, and returns those that may be used now. Those of a session whose
// offer they have overtaken wait for it, of one session per peer.
//
// Reasons: Malformed, a number is beyond limits.Candidates; Unsolicited, the
// session is over.
func (t *Table) Candidates(now time.Time, id wire.ID, session wire.Session, first uint16, lines []string) ([]string, reason.Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.live(id, session); a != nil {
		why := a.theirs.add(int(first), lines)
		return a.theirs.ready(), why
	}
	p := t.peer(now, id)
	if p.used(session) {
		return nil, reason.Unsolicited
	}
	return nil, p.addEarly(session, int(first), lines)
}

// End forgets an attempt: it failed, was closed, or is a link now. Of a session
// that is not under way nothing happens. True: the peer was told that this offer
// counts, and has to be told that it is over, also where the peer has refused it.
func (t *Table) End(peer wire.ID, session wire.Session) (promised bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.attempts[peer]; a != nil && a.Session == session {
		t.drop(a)
		return a.promised
	}
	return false
}

// Over notes that the peer has given a session up. An offer of it that comes
// later is refused as Replayed, and is not waited for any more. True: it was under
// way, and the caller closes its PeerConnection.
func (t *Table) Over(now time.Time, id wire.ID, session wire.Session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, a := t.peer(now, id), t.attempts[id]
	if !p.used(session) {
		p.remember(session)
	}
	switch {
	case a == nil:
		return false
	case a.Yielded: // it can only have been the one that is waited for, or an older one
		t.drop(a)
		return false
	case a.Session != session:
		a.alone = true
		return false
	}
	t.drop(a)
	return true
}

// Expired forgets the attempts whose time is over, and returns them in the order
// of their ends. The caller closes their PeerConnections.
func (t *Table) Expired(now time.Time) []Attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	var over []Attempt
	for _, a := range t.attempts {
		if !now.Before(a.Until) {
			over = append(over, a.Attempt)
			t.drop(a)
		}
	}
	slices.SortFunc(over, func(x, y Attempt) int {
		return cmp.Or(x.Until.Compare(y.Until), bytes.Compare(x.Peer[:], y.Peer[:]))
	})
	return over
}

// live returns the attempt of a session that has a PeerConnection.
func (t *Table) live(peer wire.ID, session wire.Session) *attempt {
	if a := t.attempts[peer]; a != nil && a.Session == session && !a.Yielded {
		return a
	}
	return nil
}

// put begins an attempt in the place of what there is.
func (t *Table) put(now time.Time, peer wire.ID, session wire.Session, ours bool) *attempt {
	if old := t.attempts[peer]; old != nil {
		t.drop(old)
	}
	a := &attempt{Attempt: Attempt{Peer: peer, Session: session, Ours: ours, Until: now.Add(limits.SignalTimeout)}}
	t.attempts[peer] = a
	if !ours {
		t.accepted++
	}
	return a
}

func (t *Table) drop(a *attempt) {
	delete(t.attempts, a.Peer)
	if !a.Ours {
		t.accepted--
	}
}
