package engine

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// holder is what a relay does for leaves: it keeps records of where they are,
// and hands them on to relays that are nearer to them.
type holder struct {
	store   recordStore
	handing []handing
	handAt  time.Time // when the next copies are due
	sweepAt time.Time // when ended records may be looked for again
}

func (h *holder) init(self routing.ID) { h.store.init(self, limits.Records, limits.RecordsRemembered) }

// storeRequest takes a record whose Store ends here: this node is the relay
// nearest its Key, as far as the links lead. The source is told, and the next
// nearest relays get copies.
func (e *Engine) storeRequest(now time.Time, link uint64, f *wire.Frame, body *wire.NearestBody) {
	if e.cfg.Leaf {
		e.cfg.Drops.Add(reason.Unsupported, 1)
		return
	}
	a := wire.AnswerBody{Nonce: body.Nonce, Kind: wire.AnswerStored}
	if why := e.takeStore(now, link, body); why == reason.None {
		a.Holders = append(a.Holders, wire.ID(e.cfg.Self))
		a.Holders = append(a.Holders, e.copyAround(routing.Key(body.Target), body.Rest)...)
	} else {
		e.cfg.Drops.Add(why, 1)
		a.Reason = uint8(why)
	}
	reply := e.replyTo(f)
	e.sendAnswer(&reply, &a)
}

// takeStore keeps the record of a Store, whether that ends here or goes on.
func (e *Engine) takeStore(now time.Time, link uint64, body *wire.NearestBody) reason.Reason {
	leaf, _, why := subject(body.Rest)
	if why == reason.None && routing.ID(leaf).Key() != routing.Key(body.Target) {
		why = reason.BadRecord
	}
	if why == reason.None {
		why = e.keep(now, leaf, body.Rest, limits.AttachmentTTL, e.behind(link))
	}
	return why
}

// behind is the peer at a link; zero: it is gone, or this node itself.
func (e *Engine) behind(link uint64) (id routing.ID) {
	if n := e.links.byNumber[link]; n != nil {
		id = n.ID
	}
	return id
}

// subject is whose attachment a record tells. Nothing is verified.
func subject(raw []byte) (leaf wire.ID, homes []wire.ID, why reason.Reason) {
	rec, err := wire.ParseRecord(raw)
	if err != nil {
		return leaf, nil, reason.BadRecord
	}
	if rec.Kind != wire.RecordAttachment {
		return leaf, nil, reason.Unsupported
	}
	a, err := wire.ParseAttachment(rec.Body)
	if err != nil {
		return leaf, nil, reason.BadRecord
	}
	return a.Leaf, a.Homes, reason.None
}

// keep verifies an attachment record of leaf that has so many seconds left, and
// puts it into the store. The very one that is there already costs nothing.
func (e *Engine) keep(now time.Time, leaf wire.ID, raw []byte, remaining uint16, by routing.ID) reason.Reason {
	s := &e.holder.store
	if r := s.byLeaf[leaf]; r != nil && now.Before(r.end) && bytes.Equal(r.raw, raw) {
		return reason.None
	}
	rec, signer, err := e.cfg.Verify(raw, now)
	if err != nil {
		return recordReason(err)
	}
	return s.put(&offered{Record: rec, signer: signer, raw: raw, by: by, held: identity.HeldUntil(&rec, now, remaining)}, now)
}

// recordReason names what is wrong with a record.
func recordReason(err error) reason.Reason {
	if errors.Is(err, identity.ErrExpired) {
		return reason.Expired
	}
	return reason.BadRecord
}

// copyAround gives a record that has just been taken to the linked relays
// nearest its Key and returns them, the nearest first.
func (e *Engine) copyAround(key routing.Key, record []byte) (holders []wire.ID) {
	relays := e.snapshot.Load().relays
	for _, i := range relays.Nearest(key, limits.RecordCopies, nil) {
		peer := relays.At(i).Value
		e.copyTo(peer, record, limits.AttachmentTTL*time.Second)
		holders = append(holders, wire.ID(peer.ID))
	}
	return holders
}

// copyTo gives a record that is held so long to a relay.
func (e *Engine) copyTo(to *Peer, record []byte, left time.Duration) {
	if left >= time.Second {
		e.do(SendLink{Link: to.Link, Frame: recordFrame(record, uint16(left/time.Second))})
	}
}

// recordCopy takes a record from a neighbour: an attachment, or the neighbour's
// own contact.
func (e *Engine) recordCopy(now time.Time, n *neighbour, frame []byte) {
	c, err := wire.ParseLinkRecord(frame)
	if err != nil {
		e.cfg.Drops.Add(reason.Malformed, 1)
		return
	}
	why := reason.None
	if rec, err := wire.ParseRecord(c.Record); err == nil && rec.Kind == wire.RecordContact {
		why = e.takeContact(now, n.link, c.Record)
	} else {
		why = e.takeCopy(now, n, &c)
	}
	if why != reason.None {
		e.cfg.Drops.Add(why, 1)
	}
}

// takeCopy takes an attachment from one of the homes that it names, or if this
// node is one of those whom it would be laid at.
func (e *Engine) takeCopy(now time.Time, n *neighbour, c *wire.RecordCopy) reason.Reason {
	leaf, homes, why := subject(c.Record)
	switch {
	case why != reason.None:
		return why
	case n.Leaf || e.cfg.Leaf:
		return reason.Unsolicited // only relays hold records
	case !slices.Contains(homes, wire.ID(n.ID)) && !e.nearestTo(routing.ID(leaf).Key()):
		return reason.Unsolicited
	}
	return e.keep(now, leaf, c.Record, c.Remaining, n.ID)
}

// nearestTo says that this node is among the limits.RecordHolders relays nearest
// a Key that it knows: those it is linked with, and those it has contacts of.
func (e *Engine) nearestTo(key routing.Key) bool {
	nearer := 0
	count := func(other routing.Key) {
		if routing.Closer(other, e.filler.Self, key) {
			nearer++
		}
	}
	for _, n := range e.links.list {
		if n.ofTable() && e.book.byID[n.ID] == nil {
			count(n.Key)
		}
	}
	for _, k := range e.book.list {
		count(k.key)
	}
	return nearer < limits.RecordHolders
}

func (e *Engine) takeContact(now time.Time, l *link.Link, raw []byte) reason.Reason {
	_, signer, err := e.cfg.Verify(raw, now)
	if err != nil {
		return recordReason(err)
	}
	e.contactCopy(now, l, signer, raw)
	return reason.None
}

// holderDue does what a holder has to do by now.
func (e *Engine) holderDue(now time.Time) {
	h := &e.holder
	if !now.Before(h.sweepAt) {
		h.store.expire(now)
		h.sweepAt = now.Add(limits.RecordsSweep)
	}
	e.handDue(now)
}

// holderNext is when holderDue has something to do; false: not by itself.
func (e *Engine) holderNext() (at time.Time, ok bool) {
	h := &e.holder
	at, ok = h.store.firstEnd()
	if ok && at.Before(h.sweepAt) {
		at = h.sweepAt
	}
	if !h.handAt.IsZero() && (!ok || h.handAt.Before(at)) {
		return h.handAt, true
	}
	return at, ok
}
