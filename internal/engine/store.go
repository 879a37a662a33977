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

// storeRequest takes a record that came to its end here: this node is the
// relay nearest its Key, as far as the links lead. The source is told, and the
// next nearest relays get copies.
func (e *Engine) storeRequest(now time.Time, f *wire.Frame, body *wire.NearestBody) {
	if e.cfg.Leaf {
		e.cfg.Drops.Add(reason.Unsupported, 1)
		return
	}
	a := wire.AnswerBody{Nonce: body.Nonce, Kind: wire.AnswerStored}
	if leaf, why := e.takeStore(now, body); why == reason.None {
		a.Holders = append(a.Holders, wire.ID(e.cfg.Self))
		a.Holders = append(a.Holders, e.copyAround(now, leaf)...)
	} else {
		e.cfg.Drops.Add(why, 1)
		a.Reason = uint8(why)
	}
	reply := e.replyTo(f)
	e.sendAnswer(&reply, &a)
}

// takeStore puts what the body bears into the store and returns whose it is.
func (e *Engine) takeStore(now time.Time, body *wire.NearestBody) (leaf wire.ID, why reason.Reason) {
	leaf, why = subject(body.Rest)
	if why == reason.None && routing.ID(leaf).Key() != routing.Key(body.Target) {
		why = reason.BadRecord
	}
	if why == reason.None {
		why = e.keep(now, leaf, body.Rest, limits.AttachmentTTL)
	}
	return leaf, why
}

// subject is whose attachment a record tells. Nothing is verified.
func subject(raw []byte) (leaf wire.ID, why reason.Reason) {
	rec, err := wire.ParseRecord(raw)
	if err != nil {
		return leaf, reason.BadRecord
	}
	if rec.Kind != wire.RecordAttachment {
		return leaf, reason.Unsupported
	}
	a, err := wire.ParseAttachment(rec.Body)
	if err != nil {
		return leaf, reason.BadRecord
	}
	return a.Leaf, reason.None
}

// keep verifies an attachment record of leaf that has so many seconds left, and
// puts it into the store. The very one that is there already costs nothing.
func (e *Engine) keep(now time.Time, leaf wire.ID, raw []byte, remaining uint16) reason.Reason {
	s := &e.holder.store
	if r := s.byLeaf[leaf]; r != nil && now.Before(r.end) && bytes.Equal(r.raw, raw) {
		return reason.None
	}
	rec, signer, err := e.cfg.Verify(raw, now)
	if err != nil {
		return recordReason(err)
	}
	return s.put(rec, signer, raw, identity.HeldUntil(&rec, now, remaining), now)
}

// recordReason names what is wrong with a record.
func recordReason(err error) reason.Reason {
	if errors.Is(err, identity.ErrExpired) {
		return reason.Expired
	}
	return reason.BadRecord
}

// copyAround gives the record of a leaf to the linked relays nearest its Key and
// returns them, the nearest first.
func (e *Engine) copyAround(now time.Time, leaf wire.ID) []wire.ID {
	r := e.holder.store.byLeaf[leaf]
	if r == nil {
		return nil
	}
	relays := e.snapshot.Load().relays
	var holders []wire.ID
	for _, i := range relays.Nearest(r.key, wire.MaxHolders-1, nil) {
		peer := relays.At(i).Value
		e.copyTo(now, peer, r)
		holders = append(holders, wire.ID(peer.ID))
	}
	return holders
}

// copyTo gives r to a relay. What as many nearer relays have got as there are
// to be holders is forgotten here, until an owner or a fellow brings it again.
func (e *Engine) copyTo(now time.Time, to *Peer, r *heldRecord) {
	left := r.end.Sub(now) / time.Second
	if r.withdrawn() {
		left = 0
	} else if left <= 0 {
		return
	}
	e.do(SendLink{Link: to.Link, Frame: wire.AppendLinkRecord(nil, &wire.RecordCopy{Remaining: uint16(left), Record: r.raw})})
	e.heldBy(to, r)
}

// heldBy notes that a relay has r.
func (e *Engine) heldBy(p *Peer, r *heldRecord) {
	s := &e.holder.store
	if !routing.Closer(p.Key, s.self, r.key) || slices.Contains(r.nearer, p.ID) {
		return
	}
	r.nearer = append(r.nearer, p.ID)
	if len(r.nearer) >= wire.MaxHolders && !r.withdrawn() && s.byLeaf[r.leaf] == r {
		s.remove(r)
	}
}

// recordCopy takes a record from a neighbour: a fellow holder's copy, or the
// neighbour's own contact.
func (e *Engine) recordCopy(now time.Time, l *link.Link, frame []byte) {
	c, err := wire.ParseLinkRecord(frame)
	if err != nil {
		e.cfg.Drops.Add(reason.Malformed, 1)
		return
	}
	if why := e.takeCopy(now, l, &c); why != reason.None {
		e.cfg.Drops.Add(why, 1)
	}
}

func (e *Engine) takeCopy(now time.Time, l *link.Link, c *wire.RecordCopy) reason.Reason {
	if rec, err := wire.ParseRecord(c.Record); err == nil && rec.Kind == wire.RecordContact {
		return e.takeContact(now, l, c.Record)
	}
	n := e.links.byNumber[l.Number]
	if n == nil || n.Leaf || e.cfg.Leaf {
		return reason.Unsolicited // only relays hold records
	}
	leaf, why := subject(c.Record)
	if why == reason.None {
		why = e.keep(now, leaf, c.Record, c.Remaining)
	}
	if r := e.holder.store.byLeaf[leaf]; why == reason.None && r != nil && bytes.Equal(r.raw, c.Record) {
		e.heldBy(n.Peer, r)
	}
	return why
}

func (e *Engine) takeContact(now time.Time, l *link.Link, raw []byte) reason.Reason {
	_, signer, err := e.cfg.Verify(raw, now)
	if err != nil {
		return recordReason(err)
	}
	e.contactCopy(now, l, signer, raw)
	return reason.None
}

// handing are records on their way to a relay that is nearer to them.
type handing struct {
	to     *Peer
	leaves []wire.ID
}

// handOver begins to copy to a relay whose link has come up what it is nearer
// to than this node.
func (e *Engine) handOver(now time.Time, n *neighbour) {
	if n.Leaf || e.cfg.Leaf {
		return
	}
	s := &e.holder.store
	h := handing{to: n.Peer}
	for _, r := range s.byDistance.list { // in an order that does not hang on a map
		if len(h.leaves) == limits.RecordsHandedOver {
			break
		}
		if !r.withdrawn() && routing.Closer(n.Key, s.self, r.key) && !slices.Contains(r.nearer, n.ID) {
			h.leaves = append(h.leaves, r.leaf)
		}
	}
	if e.hand(now, &h) {
		e.holder.handing = append(e.holder.handing, h)
		if e.holder.handAt.IsZero() {
			e.holder.handAt = now.Add(limits.RecordsHandPause)
		}
	}
}

// hand copies the next few records of h and says whether there are more. The
// link's queue of link frames is short, and its peer takes only so many a second.
func (e *Engine) hand(now time.Time, h *handing) (more bool) {
	n := e.links.byNumber[h.to.Link.Number]
	if n == nil || n.closing {
		return false
	}
	few := min(len(h.leaves), limits.RecordsHandedAtOnce)
	for _, leaf := range h.leaves[:few] {
		if r := e.holder.store.byLeaf[leaf]; r != nil && !r.withdrawn() {
			e.copyTo(now, h.to, r)
		}
	}
	h.leaves = h.leaves[few:]
	return len(h.leaves) > 0
}

// holderDue does what a holder has to do by now.
func (e *Engine) holderDue(now time.Time) {
	h := &e.holder
	if !now.Before(h.sweepAt) {
		h.store.expire(now)
		h.sweepAt = now.Add(limits.RecordsSweep)
	}
	if h.handAt.IsZero() || now.Before(h.handAt) {
		return
	}
	left := h.handing[:0]
	for _, x := range h.handing {
		if e.hand(now, &x) {
			left = append(left, x)
		}
	}
	clear(h.handing[len(left):])
	h.handing, h.handAt = left, time.Time{}
	if len(left) > 0 {
		h.handAt = now.Add(limits.RecordsHandPause)
	}
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
