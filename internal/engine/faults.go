package engine

import (
	"errors"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// faultForgiven is how long it takes until one bad record more is forgiven.
const faultForgiven = limits.BadRecordsForget / limits.BadRecords

// peerTimes are times by peer. Those that are over are swept, and the number is
// bounded by dropping the one that ends first.
type peerTimes map[routing.ID]time.Time

func (d peerTimes) set(id routing.ID, now, until time.Time, most int) {
	var first routing.ID
	for other, end := range d {
		if !now.Before(end) {
			delete(d, other)
		} else if first.IsZero() || end.Before(d[first]) {
			first = other
		}
	}
	if _, known := d[id]; !known && len(d) >= most {
		delete(d, first)
	}
	d[id] = until
}

// isFault says that an honest peer would not have said what was refused with err.
// It verifies before it passes on, but its clock may be another, and its version
// may know more.
func isFault(err error) bool {
	var why reason.Reason
	switch {
	case errors.As(err, &why):
		return why == reason.BadRecord
	case errors.Is(err, identity.ErrExpired), errors.Is(err, identity.ErrFuture):
		return false
	case errors.Is(err, wire.ErrType), errors.Is(err, wire.ErrVersion):
		return false
	}
	return err != nil
}

// blame counts what a neighbour itself said and was refused with err. Who goes on
// so loses its links and stays away for a while.
func (e *Engine) blame(now time.Time, n *neighbour, err error) {
	if n.closing || !isFault(err) {
		return
	}
	if n.forgiven.Before(now) {
		n.forgiven = now
	}
	n.forgiven = n.forgiven.Add(faultForgiven)
	if n.forgiven.Sub(now) > limits.BadRecordsForget-faultForgiven {
		e.shun(now, n)
	}
}

// shun ends the links with a peer that broke the rules, and keeps it away.
func (e *Engine) shun(now time.Time, n *neighbour) {
	until := now.Add(limits.DisconnectHold)
	e.shunned.set(n.ID, now, until, limits.BadPeers)
	e.holdTargets(n.ID, until)
	e.do(Tell{Notice{Kind: NoticeRefused, Link: n.link, Peer: n.ID, Reason: reason.ProtocolError, URL: n.url}})
	for _, o := range slices.Clone(e.links.byID[n.ID]) {
		o.forgiven = time.Time{}
		e.end(o, reason.ProtocolError, now)
	}
}

// owes brings what is not forgiven yet over to a new link.
func (e *Engine) owes(n *neighbour) {
	n.forgiven = e.owing[n.ID]
	for _, o := range e.links.byID[n.ID] {
		if n.forgiven.Before(o.forgiven) {
			n.forgiven = o.forgiven
		}
	}
}

// remember keeps it beyond the end of a link.
func (e *Engine) remember(now time.Time, n *neighbour) {
	if now.Before(n.forgiven) {
		e.owing.set(n.ID, now, n.forgiven, limits.BadPeers)
	}
}

// awayUntil is until when a peer stays away; false: it is welcome.
func (e *Engine) awayUntil(now time.Time, id routing.ID) (until time.Time, away bool) {
	for _, d := range []peerTimes{e.banned, e.shunned} {
		end, ok := d[id]
		switch {
		case ok && !now.Before(end):
			delete(d, id)
		case ok && until.Before(end):
			until = end
		}
	}
	return until, !until.IsZero()
}

func (e *Engine) isBanned(now time.Time, id routing.ID) bool {
	_, away := e.awayUntil(now, id)
	return away
}

// welcome lets a peer come that the user wants a link with.
func (e *Engine) welcome(id routing.ID) {
	delete(e.banned, id)
	delete(e.shunned, id)
}

// holdTargets keeps the targets that lead to a peer from being dialled.
func (e *Engine) holdTargets(id routing.ID, until time.Time) {
	for _, t := range e.targets.list {
		if t.peer == id || t.Pin == id {
			t.hold(until)
		}
	}
}
