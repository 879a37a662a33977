package engine

import (
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

func (ev LinkFrame) step(e *Engine, now time.Time) {
	n := e.links.byNumber[ev.Link.Number]
	if n == nil || n.closing {
		return
	}
	var err error
	switch wire.LinkType(ev.Frame[0]) {
	case wire.LinkPeers:
		err = e.onPeers(now, n, ev.Frame)
	case wire.LinkFindNode:
		err = e.onFindNode(now, n, ev.Frame)
	case wire.LinkNodes:
		err = e.onNodes(now, n, ev.Frame)
	case wire.LinkRecord:
		err = e.recordCopy(now, n, ev.Frame)
	case wire.LinkHeld:
		err = e.heldFrame(now, n, ev.Frame)
	}
	if err != nil {
		e.blame(now, n, err)
		e.cfg.Drops.Add(reason.Malformed, 1)
	}
}

func (e *Engine) onFindNode(now time.Time, n *neighbour, frame []byte) error {
	q, err := wire.ParseFindNode(frame)
	if err != nil {
		return err
	}
	records := e.nearestRecords(now, routing.Key(q.Target), int(q.Count), n.ID)
	e.do(SendLink{n.link, wire.AppendNodes(nil, &wire.Nodes{Records: records})})
	return nil
}

// nearestRecords are the contact records of the relays linked now that are
// nearest a Key, without those of the asker itself.
func (e *Engine) nearestRecords(now time.Time, target routing.Key, count int, asker routing.ID) [][]byte {
	var near []*neighbour
	for _, n := range e.links.list {
		if n.usable() && n.answered && !n.Leaf && n.ID != asker && e.clock(now) < n.contactUntil {
			near = append(near, n)
		}
	}
	slices.SortFunc(near, func(a, b *neighbour) int {
		if routing.Closer(a.Key, b.Key, target) {
			return -1
		}
		return 1
	})
	var records [][]byte
	for _, n := range near[:min(count, len(near))] {
		records = append(records, n.contact)
	}
	return records
}

// findNode asks a neighbour for contacts near a Key.
func (e *Engine) findNode(n *neighbour, target routing.Key, count int) bool {
	if n.asked >= limits.FindNodesOpen {
		return false
	}
	n.asked++
	e.do(SendLink{n.link, wire.AppendFindNode(nil, &wire.FindNode{Target: wire.Key(target), Count: uint8(count)})})
	return true
}

func (e *Engine) onNodes(now time.Time, n *neighbour, frame []byte) error {
	if n.asked == 0 {
		e.cfg.Drops.Add(reason.Unsolicited, 1)
		return nil
	}
	n.asked--
	nodes, err := wire.ParseNodes(frame)
	if err != nil {
		return err
	}
	for _, raw := range nodes.Records {
		if n.closing {
			return nil // for those before
		}
		e.learnFrom(now, n, raw)
	}
	e.fillSoon(now, 0)
	return nil
}

// nearestRequest answers a lookup that ended here: this node itself, and the
// nearest of its links, as many as the answer has room for.
func (e *Engine) nearestRequest(now time.Time, frame []byte, f *wire.Frame, body *wire.NearestBody) {
	a := wire.AnswerBody{Nonce: body.Nonce, Kind: wire.AnswerNodes}
	reply := e.replyTo(f)
	room := len(frame) - reply.Len() - wire.NonceLen - 2
	records := e.nearestRecords(now, routing.Key(body.Target), limits.NodesEntries-1, routing.ID(f.Src))
	if !e.cfg.Leaf {
		records = slices.Insert(records, 0, e.cfg.Contact(now))
	}
	for _, r := range records {
		if room -= 2 + len(r); room < 0 {
			break
		}
		a.Records = append(a.Records, r)
	}
	e.sendAnswer(&reply, &a)
}

// replyTo is an Answer frame to the source of f, without its body.
func (e *Engine) replyTo(f *wire.Frame) wire.Frame {
	return wire.Frame{
		Type: wire.TypeAnswer, Class: wire.ClassControl, HopLimit: wire.MaxHopLimit,
		Dst: f.Src, Src: wire.ID(e.cfg.Self), Detour: []byte{}, Waypoints: f.Return,
	}
}

func (e *Engine) sendAnswer(reply *wire.Frame, a *wire.AnswerBody) {
	reply.Body = wire.AppendAnswerBody(nil, a)
	e.do(SendFrame{Frame: wire.AppendFrame(nil, reply)})
}

// recordFrame is a copy of a record with so many seconds left to live.
func recordFrame(record []byte, remaining uint16) []byte {
	return wire.AppendLinkRecord(nil, &wire.RecordCopy{Remaining: remaining, Record: record})
}
