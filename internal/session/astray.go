package session

import (
	"slices"

	"github.com/peermesh/peermesh/internal/wire"
)

// Datagrams go by the best home of the peer and are acked by nobody: that they get no
// further there is told by the suspicion of an own link, or by the Hint of a relay
// whose link with that home is suspect. Then the next ones go by another home.

// astray is what is known of datagrams that got no further. Guarded by peer.mu.
type astray struct {
	session *session // whose counter it is
	counter uint64   // of the first frame by the way that was taken since
}

// goneAstray deals with a Hint that a frame of s with this counter, no message, got no
// further. What left before the way was changed says nothing of the new one. mu is
// held.
func (p *peer) goneAstray(s *session, counter uint64) {
	if a := &p.astray; a.session != s || counter >= a.counter {
		a.session, a.counter = s, s.sent.Load()
		p.turnFrom(p.route.Load().first)
	}
}

// turnFrom puts a home behind the others; false: there is no other, or it is not the
// first one. mu is held.
func (p *peer) turnFrom(home wire.ID) bool {
	r := p.route.Load()
	if len(r.ranked) < 2 || r.ranked[0] != home {
		return false
	}
	turned := newRoute(p.table.cfg.Self, p.id, append(slices.Clone(r.ranked[1:]), home))
	turned.homes, turned.before = r.homes, r
	if r.before != nil {
		turned.before = r.before
	}
	p.route.Store(turned)
	return true
}

// Shun has frames to the peers of which home is the best home go by another one: the
// link with it is suspect, or over. A control call.
func (t *Table) Shun(home wire.ID) {
	t.eachOf(home, func(p *peer) { p.turnFrom(home) })
}

// Trust undoes Shun: the link with home is in good standing again. A control call.
func (t *Table) Trust(home wire.ID) {
	t.eachOf(home, func(p *peer) {
		if before := p.route.Load().before; before != nil && before.first == home {
			p.route.Store(before)
		}
	})
}

// eachOf calls do for every peer with a home, with its lock held.
func (t *Table) eachOf(home wire.ID, do func(*peer)) {
	t.mu.RLock()
	var all []*peer
	for _, p := range t.peers {
		if slices.Contains(p.route.Load().homes, home) {
			all = append(all, p)
		}
	}
	t.mu.RUnlock()
	for _, p := range all {
		p.mu.Lock()
		do(p)
		p.mu.Unlock()
	}
}
