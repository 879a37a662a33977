package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
)

// Holds is session.Config.Holds by the links of this snapshot. A suspect link counts
// as one that moves while no relay in good standing is there to send by.
func (s *Snapshot) Holds(now time.Time, hop *wire.ID, copy uint64, mark *uint64) session.Holding {
	p, late := s.direct[*hop], false
	if p == nil {
		p, late = s.overdue[*hop], s.relays.Len() > 0
	}
	if p == nil {
		return session.Gone
	}
	switch held := p.Link.Holds(now, (*wire.ID)(&s.self), copy, mark); {
	case held == link.NotHeld:
		return session.Gone
	case !late:
		return session.Moving
	case held == link.Waits:
		return session.Waiting
	}
	return session.Unacked
}
