package signal

import (
	"bytes"
	"cmp"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// peer is what is remembered of a peer beyond its attempts.
type peer struct {
	seen   time.Time
	offers bucket
	past   [limits.SignalUsed]wire.Session // used lately, by either end
	at     int                             // of the oldest in past
	early  *early                          // candidates that overtook their offer; nil: none
}

type early struct {
	session wire.Session
	theirs  candidates
}

// peer returns what is remembered of a peer. The one seen longest ago without an
// attempt goes when there are too many.
func (t *Table) peer(now time.Time, id wire.ID) *peer {
	p := t.peers[id]
	if p == nil {
		if len(t.peers) >= limits.SignalPeers {
			t.forget()
		}
		p = &peer{}
		t.peers[id] = p
	}
	p.seen = now
	return p
}

func (t *Table) forget() {
	var oldest *peer
	var id wire.ID
	for i, p := range t.peers {
		if t.attempts[i] != nil {
			continue
		}
		// Of two that were seen at the same time always the same goes.
		if oldest == nil || cmp.Or(p.seen.Compare(oldest.seen), bytes.Compare(i[:], id[:])) < 0 {
			oldest, id = p, i
		}
	}
	delete(t.peers, id)
}

func (p *peer) remember(s wire.Session) {
	p.past[p.at] = s
	p.at = (p.at + 1) % len(p.past)
}

// used says whether a session is or was in use; the zero one always was.
func (p *peer) used(s wire.Session) bool {
	for _, past := range p.past {
		if past == s {
			return true
		}
	}
	return s == wire.Session{}
}

// addEarly keeps candidates whose offer has not come, of the session named last.
func (p *peer) addEarly(s wire.Session, first int, lines []string) reason.Reason {
	if p.early == nil || p.early.session != s {
		p.early = &early{session: s}
	}
	return p.early.theirs.add(first, lines)
}

// takeEarly takes the candidates that came before their offer.
func (p *peer) takeEarly(s wire.Session) (c candidates) {
	if p.early != nil && p.early.session == s {
		c = p.early.theirs
		p.early = nil
	}
	return c
}

// bucket is a token bucket of limits.OfferBurst, one more each
// limits.OfferPause. It keeps when it will be full; the zero bucket is.
type bucket struct{ full time.Time }

func (b *bucket) take(now time.Time) bool {
	full := b.full
	if full.Before(now) {
		full = now
	}
	if full.Sub(now) > (limits.OfferBurst-1)*limits.OfferPause {
		return false
	}
	b.full = full.Add(limits.OfferPause)
	return true
}
