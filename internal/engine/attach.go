package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// statement is one attachment record of this leaf.
type statement struct {
	record   []byte
	sequence uint64
	homes    []wire.ID
	end      time.Time
}

// HomeError is why a relay that is linked is no home of this leaf.
type HomeError struct {
	Relay  routing.ID
	Reason reason.Reason // why it refuses the leaf's record; None: it has not answered
}

// Error names the relay and the cause.
func (e *HomeError) Error() string {
	switch e.Reason {
	case reason.None:
		return fmt.Sprintf("relay %s is linked and answers pings, but has not taken this leaf's record in %v", e.Relay.Short(), limits.HeldWait)
	case reason.Expired, reason.BadRecord:
		return fmt.Sprintf("relay %s refuses this leaf's record for its time: one of the two clocks is wrong", e.Relay.Short())
	}
	return fmt.Sprintf("relay %s refuses this leaf's record: %v", e.Relay.Short(), e.Reason)
}

// StageAttach is where a join stands that has a link with a relay which is no home.
const StageAttach = "attach"

// moveIn tells the mesh of new homes.
func (e *Engine) moveIn(now time.Time, homes []wire.ID) {
	a := &e.attach
	if len(homes) == 0 {
		a.said, a.renew, a.next = nil, time.Time{}, time.Time{} // nobody to tell
		return
	}
	e.attest(now, homes)
	e.cfg.Sessions.HomesChanged(now)
}

// attest signs a record of the homes and gives it to them.
func (e *Engine) attest(now time.Time, homes []wire.ID) {
	a := &e.attach
	life := limits.AttachmentTTL * time.Second
	s := statement{homes: homes, end: now.Add(life), record: e.attestation(now, limits.AttachmentTTL, homes)}
	rec, _ := wire.ParseRecord(s.record) // signed here
	s.sequence = rec.Sequence
	if a.said = append(a.said, s); len(a.said) > limits.HeldAwaited {
		a.said = slices.Delete(a.said, 0, 1)
	}
	a.renew = now.Add(life / 2)
	e.tellHomes(now)
}

func (e *Engine) attestation(now time.Time, ttl uint16, homes []wire.ID) []byte {
	body := wire.Attachment{Leaf: wire.ID(e.cfg.Self), Homes: homes}
	return e.cfg.Sign(wire.RecordAttachment, now, ttl, wire.AppendAttachment(nil, &body))
}

// tellHomes gives the newest record to the homes, and to as many relays beside as
// good homes are missing: these prove first that they answer, and are named then.
func (e *Engine) tellHomes(now time.Time) {
	a, homes := &e.attach, e.Homes()
	if len(a.said) == 0 {
		return
	}
	newest := a.said[len(a.said)-1].sequence
	isHome := func(n *neighbour) bool { return slices.Contains(homes, wire.ID(n.ID)) }
	beside := e.homesWanted() - len(e.roofs(func(n *neighbour) bool { return isHome(n) && !n.suspect }))
	for _, n := range e.roofs(func(n *neighbour) bool { return n.answered }) {
		h := a.relays[n.ID]
		if !isHome(n) {
			if beside <= 0 || !h.good() {
				continue
			}
			beside--
		}
		if h == nil || h.asked < newest {
			e.tellHome(now, n)
		}
	}
	e.attachSoon()
}

// tellHome gives the newest record to a relay.
func (e *Engine) tellHome(now time.Time, n *neighbour) {
	a := &e.attach
	newest := &a.said[len(a.said)-1]
	h := a.relays[n.ID]
	if h == nil {
		h = new(home)
		if a.relays == nil {
			a.relays = make(map[routing.ID]*home)
		}
		a.relays[n.ID] = h
	}
	h.asked = newest.sequence
	if h.since.IsZero() {
		h.since = now
	}
	h.again = now.Add(e.homePause(h))
	e.do(SendLink{n.link, recordFrame(newest.record, limits.AttachmentTTL)})
}

// homePause is how long a relay that does not answer is left alone. The link loses
// nothing, but a busy relay may have dropped the frame.
func (e *Engine) homePause(h *home) time.Duration {
	switch {
	case h.good():
		return limits.HeldRetry
	case e.Attached():
		return limits.AttachmentTTL * time.Second / 2
	}
	return limits.HeldAgain
}

// heldFrame takes the answer of a home.
func (e *Engine) heldFrame(now time.Time, n *neighbour, frame []byte) error {
	held, err := wire.ParseHeld(frame)
	if err != nil {
		return err
	}
	a := &e.attach
	h := a.relays[n.ID]
	i := slices.IndexFunc(a.said, func(s statement) bool { return s.sequence == held.Sequence })
	if h == nil || i < 0 || held.Sequence > h.asked || a.left || !n.ofTable() {
		e.cfg.Drops.Add(reason.Unsolicited, 1)
		return nil
	}
	s := &a.said[i]
	if s.sequence == h.asked {
		h.since = time.Time{}
	}
	before := h.refuses
	h.mute, h.refuses = false, reason.Reason(held.Reason)
	if h.proved = h.refuses == reason.None; h.proved {
		a.doubted = false
		e.isHome(n)
		if slices.Contains(s.homes, wire.ID(n.ID)) && h.until.Before(s.end) {
			h.until = s.end
		}
	} else {
		h.again = now.Add(e.homePause(h))
		e.cfg.Drops.Add(h.refuses, 1)
		if h.refuses != before {
			e.noHome(n, &HomeError{n.ID, h.refuses})
		}
	}
	e.homesMoved(now)
	e.attachSoon()
	return nil
}

// isHome clears what was told of the URL that led to a relay.
func (e *Engine) isHome(n *neighbour) {
	for _, t := range e.targets.list {
		if t.peer == n.ID && t.stage == StageAttach {
			t.lastErr, t.stage = nil, ""
		}
	}
}

// noHome tells the user, and whoever waits for a URL that led to the relay, that
// it is no home. A record of this leaf is well signed: what a relay finds bad about it can only
// be a time in the future.
func (e *Engine) noHome(n *neighbour, why *HomeError) {
	for _, t := range e.targets.list {
		if t.peer == n.ID {
			t.lastErr, t.stage = why, StageAttach
		}
	}
	notice := Notice{Kind: NoticeNoHome, Link: n.link, Peer: n.ID, URL: n.url, Reason: why.Reason, Err: why}
	if why.Reason == reason.Expired || why.Reason == reason.BadRecord {
		if e.attach.doubted {
			return
		}
		e.attach.doubted = true
		notice.Kind, notice.Err = NoticeClockDoubted, nil
	}
	e.do(Tell{notice})
}

// judge finds out whether this leaf is attached: one home said that it holds a
// record which names it.
func (e *Engine) judge(now time.Time) {
	a := &e.attach
	at := e.roofs(func(n *neighbour) bool { h := a.relays[n.ID]; return h != nil && now.Before(h.until) })
	if a.attached.Swap(len(at) > 0) || len(at) == 0 {
		return
	}
	e.do(Tell{Notice{Kind: NoticeAttached, Peer: at[0].ID, Link: at[0].link, URL: at[0].url}})
}

// attachDue tells homes again that have not answered, gives those up that do not,
// and renews what is half over.
func (e *Engine) attachDue(now time.Time) {
	a := &e.attach
	if !due(a.next, now) {
		return
	}
	afresh, moved := due(a.renew, now), false
	for _, n := range e.roofs(func(n *neighbour) bool { return a.relays[n.ID] != nil }) {
		h := a.relays[n.ID]
		if due(h.until, now) {
			h.until = time.Time{}
		}
		switch owes := !h.since.IsZero(); {
		case owes && !h.mute && !now.Before(h.since.Add(limits.HeldWait)):
			h.mute, h.proved, moved = true, false, true
			h.again = now.Add(e.homePause(h))
			e.noHome(n, &HomeError{Relay: n.ID})
		case !due(h.again, now):
		case owes:
			e.tellHome(now, n)
		case h.refuses == reason.None || e.Attached():
			h.again = time.Time{}
		default: // perhaps the clock was set right
			afresh, h.again = true, now.Add(e.homePause(h))
		}
	}
	if moved {
		e.homesMoved(now)
		e.fillSoon(now, 0)
	}
	if afresh {
		e.attest(now, e.Homes())
	}
	e.judge(now)
	e.attachSoon()
}

// attachSoon finds out when attachDue has something to do.
func (e *Engine) attachSoon() {
	a := &e.attach
	if a.next = a.renew; a.renew.IsZero() {
		return
	}
	for _, h := range a.relays {
		if !h.again.IsZero() {
			earlier(&a.next, h.again)
		}
		if !h.since.IsZero() && !h.mute {
			earlier(&a.next, h.since.Add(limits.HeldWait))
		}
		if !h.until.IsZero() {
			earlier(&a.next, h.until)
		}
	}
}

// attachNext is when attachDue has something to do; false: not by itself.
func (e *Engine) attachNext() (at time.Time, ok bool) { return e.attach.next, !e.attach.next.IsZero() }

// detach withdraws the record, once and without waiting for an answer: this
// leaf goes. What is not withdrawn ends by itself.
func (e *Engine) detach(now time.Time) {
	a := &e.attach
	if !e.cfg.Leaf || a.left {
		return
	}
	a.left, a.renew, a.next = true, time.Time{}, time.Time{}
	a.attached.Store(false)
	if len(a.said) == 0 {
		return
	}
	record := e.attestation(now, 0, e.Homes())
	for _, n := range e.roofs(func(n *neighbour) bool { return a.relays[n.ID] != nil }) {
		e.do(SendLink{n.link, recordFrame(record, 0)})
	}
}

// serves says that a relay does what a link with it is for: for a leaf, that it
// is a home, or was never asked to be one.
func (e *Engine) serves(relay routing.ID) bool {
	h := e.attach.relays[relay]
	return h == nil || h.proved
}
