package engine

import (
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// onPeers takes the list of relays that a neighbour is linked to.
func (e *Engine) onPeers(now time.Time, n *neighbour, frame []byte) error {
	list, err := wire.ParsePeers(frame)
	if err != nil {
		return err
	}
	if n.Leaf || e.cfg.Leaf {
		return nil
	}
	ids := make([]routing.ID, 0, len(list.Entries))
	for _, p := range list.Entries {
		if id := routing.ID(p.ID); p.Role == wire.RoleRelay && id != n.ID && id != e.cfg.Self {
			ids = append(ids, id)
		}
	}
	n.neighbours = NewNeighbours(ids)
	e.stale(now)
	if e.joined && (e.links.relays < e.filler.Room || slices.ContainsFunc(n.neighbours.heads, e.wanted().has)) {
		e.fillSoon(now, e.jitter(limits.RepairJitter))
	}
	return nil
}

// relaysChanged notes that the own relay links are others than told.
func (e *Engine) relaysChanged(now time.Time) {
	if e.cfg.Leaf || !e.announceAt.IsZero() {
		return
	}
	gap := max(limits.PeersGap, time.Duration(e.links.relays)*limits.PeersGapPerLink)
	at := now.Add(limits.PeersDelay)
	if next := e.announced.Add(gap); at.Before(next) {
		at = next
	}
	e.announceAt = at
}

// announce tells all relays who the others are.
func (e *Engine) announce(now time.Time) {
	e.announceAt, e.announced = time.Time{}, now
	frame := e.peersFrame()
	for _, n := range e.links.list {
		if n.usable() && n.answered && !n.Leaf {
			e.do(SendLink{n.link, frame})
		}
	}
}

// peersFrame lists the relays that have this node among their links, direct ones
// apart: those come and go with what a pair has to say.
func (e *Engine) peersFrame() []byte {
	var list wire.Peers
	for _, n := range e.links.list {
		if n.ofTable() && n.answered && len(list.Entries) < limits.PeerListEntries &&
			!slices.ContainsFunc(list.Entries, func(p wire.PeerEntry) bool { return p.ID == wire.ID(n.ID) }) {
			list.Entries = append(list.Entries, wire.PeerEntry{ID: wire.ID(n.ID), Role: wire.RoleRelay})
		}
	}
	return wire.AppendPeers(nil, &list)
}
