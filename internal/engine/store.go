package engine

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// holder is what a relay does for leaves: it keeps records of where they are,
// and hands them on to relays that are nearer to them.
type holder struct {
	store   recordStore
	layings layings
	handing []handing
	handAt  time.Time // when the next copies are due
	sweepAt time.Time // when ended records may be looked for again
}

func (h *holder) init(self routing.ID) {
	h.store.init(self, limits.Records, limits.RecordsRemembered)
	h.layings.init()
}

// storeRequest takes a record whose Store ends here. If this node is one of those
// nearest its Key, the next nearest relays get copies.
func (e *Engine) storeRequest(now time.Time, link uint64, body *wire.NearestBody) {
	why := reason.Unsupported // of a leaf
	if !e.cfg.Leaf {
		why = e.takeStore(now, link, body)
	}
	if why != reason.None {
		e.cfg.Drops.Add(why, 1)
	} else if key := routing.Key(body.Target); e.nearestTo(key) {
		e.copyAround(key, body.Rest)
	}
}

// takeStore keeps the record of a Store, whether that ends here or goes on.
func (e *Engine) takeStore(now time.Time, link uint64, body *wire.NearestBody) reason.Reason {
	leaf, _, err := subject(body.Rest)
	if err == nil && routing.ID(leaf).Key() != routing.Key(body.Target) {
		return reason.BadRecord
	}
	if err == nil {
		err = e.keep(now, leaf, body.Rest, limits.AttachmentTTL, e.behind(link))
	}
	return recordReason(err)
}

// Behind is the peer at a link; zero: it is gone, or this node itself. On the
// goroutine of Step.
func (e *Engine) Behind(link uint64) routing.ID { return e.behind(link) }

// behind is the peer at a link; zero: it is gone, or this node itself.
func (e *Engine) behind(link uint64) (id routing.ID) {
	if n := e.links.byNumber[link]; n != nil {
		id = n.ID
	}
	return id
}

// subject is whose attachment a record tells. Nothing is verified.
func subject(raw []byte) (leaf wire.ID, homes []wire.ID, err error) {
	rec, err := wire.ParseRecord(raw)
	if err != nil {
		return leaf, nil, err
	}
	if rec.Kind != wire.RecordAttachment {
		return leaf, nil, reason.Unsupported
	}
	a, err := wire.ParseAttachment(rec.Body)
	return a.Leaf, a.Homes, err
}

// keep verifies an attachment record of leaf that has so many seconds left, and
// puts it into the store. The very one that is there already costs nothing.
func (e *Engine) keep(now time.Time, leaf wire.ID, raw []byte, remaining uint16, by routing.ID) error {
	s := &e.holder.store
	if r := s.byLeaf[leaf]; r != nil && now.Before(r.end) && bytes.Equal(r.raw, raw) {
		return nil
	}
	rec, signer, err := e.cfg.Verify(raw, now)
	if err != nil {
		return err
	}
	if why := s.put(&offered{Record: rec, signer: signer, raw: raw, by: by, held: identity.HeldUntil(&rec, now, remaining)}, now); why != reason.None {
		return why
	}
	e.cfg.Sessions.Located(now, leaf)
	return nil
}

// recordReason names what is wrong with a record.
func recordReason(err error) reason.Reason {
	var why reason.Reason
	switch {
	case err == nil, errors.As(err, &why):
		return why
	case errors.Is(err, identity.ErrExpired):
		return reason.Expired
	}
	return reason.BadRecord
}

// copyAround gives a record that has just been taken to the linked relays
// nearest its Key.
func (e *Engine) copyAround(key routing.Key, record []byte) {
	rec, err := wire.ParseRecord(record)
	if err != nil {
		return // not reached: it was verified
	}
	relays := e.snapshot.Load().relays
	for _, i := range relays.Nearest(key, limits.RecordCopies, nil) {
		e.do(SendLink{Link: relays.At(i).Value.Link, Frame: recordFrame(record, rec.TTL)})
	}
}

// copyTo gives a record that is held so long to a relay.
func (e *Engine) copyTo(to *Peer, record []byte, left time.Duration) {
	if left >= time.Second {
		e.do(SendLink{Link: to.Link, Frame: recordFrame(record, uint16(left/time.Second))})
	}
}

// recordCopy takes a record from a neighbour: an attachment, or the neighbour's
// own contact.
func (e *Engine) recordCopy(now time.Time, n *neighbour, frame []byte) error {
	c, err := wire.ParseLinkRecord(frame)
	if err != nil {
		return err
	}
	if rec, bad := wire.ParseRecord(c.Record); bad == nil && rec.Kind == wire.RecordContact {
		err = e.contactCopy(now, n, c.Record)
	} else {
		err = e.takeCopy(now, n, &c)
	}
	if err != nil {
		e.cfg.Drops.Add(recordReason(err), 1)
		e.blame(now, n, err)
	}
	return nil
}

// takeCopy takes an attachment from one of the homes that it names, or if this
// node is one of those whom it would be laid at.
func (e *Engine) takeCopy(now time.Time, n *neighbour, c *wire.RecordCopy) error {
	leaf, homes, err := subject(c.Record)
	switch {
	case err != nil:
		return err
	case e.cfg.Leaf || n.direct:
		return reason.Unsolicited // only relays hold records
	case n.Leaf && leaf == wire.ID(n.ID):
		return e.takeOwn(now, n, c)
	case n.Leaf:
		return reason.Unsolicited
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
		if !n.closing && !n.Leaf && e.book.byID[n.ID] == nil {
			count(n.Key)
		}
	}
	for _, k := range e.book.list {
		count(k.key)
	}
	return nearer < limits.RecordHolders
}

// holderDue does what a holder has to do by now.
func (e *Engine) holderDue(now time.Time) {
	h := &e.holder
	if !now.Before(h.sweepAt) {
		h.store.expire(now)
		h.sweepAt = now.Add(limits.RecordsSweep)
	}
	e.handDue(now)
	e.layDue(now)
}

// holderNext is when holderDue has something to do; false: not by itself.
func (e *Engine) holderNext() (at time.Time, ok bool) {
	h := &e.holder
	at, ok = h.store.firstEnd()
	if ok && at.Before(h.sweepAt) {
		at = h.sweepAt
	}
	if !h.handAt.IsZero() && (!ok || h.handAt.Before(at)) {
		at, ok = h.handAt, true
	}
	if due := h.layings.due.list; len(due) > 0 && (!ok || due[0].next.Before(at)) {
		at, ok = due[0].next, true
	}
	return at, ok
}
