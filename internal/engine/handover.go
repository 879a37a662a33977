package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

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
	h := handing{to: n.Peer}
	e.holder.store.each(func(r *heldRecord) bool {
		if routing.Closer(n.Key, e.holder.store.self, r.key) {
			h.leaves = append(h.leaves, r.leaf)
		}
		return len(h.leaves) < limits.RecordsHandedOver
	})
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
		if r := e.holder.store.byLeaf[leaf]; r != nil {
			e.copyTo(h.to, r.raw, r.end.Sub(now))
		}
	}
	h.leaves = h.leaves[few:]
	return len(h.leaves) > 0
}

// handDue copies what is due to be copied.
func (e *Engine) handDue(now time.Time) {
	h := &e.holder
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
