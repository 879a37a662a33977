package session

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// Ingress says by which way a handshake came in.
type Ingress struct {
	Link  uint64       // the link's number; 0: none, this node began
	Group netip.Prefix // the address group of the link's peer; zero: it has no address
}

// share counts the peers that began by one ingress link, or by all links of one
// address group. Guarded by the lock of the Table.
type share struct {
	of    Ingress // Link 0: of the group
	group *share  // that the link belongs to; nil: none
	peers int
}

// charge counts one more peer for an ingress link, if any, and for its group. mu
// is held.
func (t *Table) charge(in Ingress) *share {
	if in.Link == 0 {
		return nil
	}
	s := t.shareOf(in)
	if in.Group.IsValid() {
		s.group = t.shareOf(Ingress{Group: in.Group})
		s.group.peers++
	}
	s.peers++
	return s
}

func (t *Table) shareOf(in Ingress) *share {
	s := t.shares[in]
	if s == nil {
		s = &share{of: in}
		t.shares[in] = s
	}
	return s
}

// discharge takes back what charge counted. mu is held.
func (t *Table) discharge(s *share) {
	if s == nil {
		return
	}
	if s.peers--; s.peers == 0 {
		delete(t.shares, s.of)
	}
	t.discharge(s.group)
}

// sated reports whether a link or a group has its part of a full Table.
func (s *share) sated() bool { return s != nil && s.peers >= limits.SessionsPerLink }

// yielding picks who has to go from a full Table for a peer that began by an
// ingress link: the least used one of the address group, and in it of the link,
// that brought most. Nobody goes who is held or one of the limits.SessionsInUse
// that are in use longest; and when the link, or its group, has its share, nobody
// of another. nil: the newcomer has to stay out. With link 0 this node begins, and
// somebody goes in any case, but for those that messages of ours wait for. mu is held.
func (t *Table) yielding(in Ingress, at time.Duration) *peer {
	link, group := t.shares[in], t.shares[Ingress{Group: in.Group}]
	junior := t.junior(at)
	p := t.least(at, func(p *peer) bool {
		switch {
		case p.held(at) || p.inUse(at) && p.senior(junior):
			return false
		case link.sated():
			return p.share == link
		case group.sated():
			return p.share != nil && p.share.group == group
		}
		return true
	})
	if p == nil && in.Link == 0 {
		p = t.least(at, func(p *peer) bool { return p.asked.Load() == 0 })
	}
	return p
}

// least returns who goes first of those who may, or nil. mu is held.
func (t *Table) least(at time.Duration, may func(*peer) bool) (worst *peer) {
	for _, p := range t.peers {
		if may(p) && (worst == nil || p.yields(worst, at)) {
			worst = p
		}
	}
	return worst
}

// junior returns the most senior peer in use that has no protection any more, or
// nil while all have. mu is held.
func (t *Table) junior(at time.Duration) *peer {
	count := 0
	for _, p := range t.peers {
		if p.inUse(at) {
			count++
		}
	}
	if count <= limits.SessionsInUse {
		return nil
	}
	all := make([]*peer, 0, count)
	for _, p := range t.peers {
		if p.inUse(at) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, (*peer).seniority)
	return all[limits.SessionsInUse]
}

// seniority orders by who has been there longest.
func (p *peer) seniority(o *peer) int {
	return cmp.Or(cmp.Compare(p.since, o.since), bytes.Compare(p.id[:], o.id[:]))
}

// senior reports whether p has been there longer than the first of the juniors, if
// there are any.
func (p *peer) senior(junior *peer) bool { return junior == nil || p.seniority(junior) < 0 }

// inUse reports whether p has been there for a while and something arrived from it
// lately. Whoever comes to displace such peers has to come before them.
func (p *peer) inUse(at time.Duration) bool {
	heard := time.Duration(p.heard.Load())
	return at-p.since >= limits.SessionHeld && heard > 0 && at-heard < limits.SessionHeld
}

// held reports whether no stranger displaces p: we began with it, a message of
// ours awaits an ack, or we sent it something a moment ago.
func (p *peer) held(at time.Duration) bool {
	spoken := time.Duration(p.spoken.Load())
	return p.share == nil && p.ours.Load() || p.asked.Load() > 0 || spoken > 0 && at-spoken < limits.SessionHeld
}

// yields reports whether p goes before o. mu of the Table is held.
func (p *peer) yields(o *peer, at time.Duration) bool {
	group, link := p.brought()
	ogroup, olink := o.brought()
	return cmp.Or(
		later(p.held(at), o.held(at)),
		cmp.Compare(ogroup, group),
		cmp.Compare(olink, link),
		later(p.awaited.Load() > 0, o.awaited.Load() > 0),
		cmp.Compare(p.used.Load(), o.used.Load()),
		bytes.Compare(p.id[:], o.id[:]),
	) < 0
}

// brought returns how many peers the address group and the link of p brought. A
// link without an address is a group of its own.
func (p *peer) brought() (group, link int) {
	switch {
	case p.share == nil:
		return 0, 0
	case p.share.group == nil:
		return p.share.peers, p.share.peers
	}
	return p.share.group.peers, p.share.peers
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
