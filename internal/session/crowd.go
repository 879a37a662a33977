package session

import (
	"bytes"
	"cmp"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// share counts the peers that began by one ingress link. Guarded by the lock of
// the Table.
type share struct {
	link  uint64
	peers int
}

// charge counts one more peer for an ingress link, if any. mu is held.
func (t *Table) charge(link uint64) *share {
	if link == 0 {
		return nil
	}
	s := t.shares[link]
	if s == nil {
		s = &share{link: link}
		t.shares[link] = s
	}
	s.peers++
	return s
}

// discharge takes back what charge counted. mu is held.
func (t *Table) discharge(s *share) {
	if s == nil {
		return
	}
	if s.peers--; s.peers == 0 {
		delete(t.shares, s.link)
	}
}

// yielding picks who has to go from a full Table for a peer that began by an
// ingress link, or, with link 0, for one that we begin with: the least used one
// of the link that brought most. For a stranger nobody goes who is held, and, when
// its link has its share, nobody of another link; nil: it has to stay out. mu is
// held.
func (t *Table) yielding(link uint64, at time.Duration) *peer {
	own := t.shares[link]
	sated := own != nil && own.peers >= limits.SessionsPerLink
	var worst *peer
	for _, p := range t.peers {
		if sated && p.share != own || link != 0 && p.held(at) {
			continue
		}
		if worst == nil || p.yields(worst, at) {
			worst = p
		}
	}
	return worst
}

// held reports whether no stranger displaces p: we began with it, a message of
// ours awaits an ack, or we sent it something a moment ago.
func (p *peer) held(at time.Duration) bool {
	spoken := time.Duration(p.spoken.Load())
	return p.share == nil && p.ours.Load() || p.asked.Load() > 0 || spoken > 0 && at-spoken < limits.SessionHeld
}

// yields reports whether p goes before o. mu of the Table is held.
func (p *peer) yields(o *peer, at time.Duration) bool {
	return cmp.Or(
		later(p.held(at), o.held(at)),
		cmp.Compare(o.brought(), p.brought()),
		later(p.awaited.Load() > 0, o.awaited.Load() > 0),
		cmp.Compare(p.used.Load(), o.used.Load()),
		bytes.Compare(p.id[:], o.id[:]),
	) < 0
}

// brought returns how many peers the link of p brought.
func (p *peer) brought() int {
	if p.share == nil {
		return 0
	}
	return p.share.peers
}

// later orders false before true.
func later(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
