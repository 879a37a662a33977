package session

import (
	"time"

	"github.com/peermesh/peermesh/internal/wire"
)

// way is what the source of a frame decides about its way; the zero way is greedy.
type way struct {
	home    wire.ID           // not zero: the waypoint
	aim     [wire.AimLen]byte // of a scatter frame
	scatter bool
}

// scattered is the transmission from which on frames take ways of their own behind
// the first hop, too, counted from 0.
const scattered = 2

// wayOf returns the way of transmission k of something to a node with these homes,
// the best first. Where homes are known two of three go by one of them, each by
// another, and the third scatters: homes may be old. Else the first two go greedily,
// and of those behind every third; the others scatter.
func (t *Table) wayOf(to wire.ID, homes []wire.ID, k int) way {
	n := len(homes)
	switch {
	case n > 0 && k%3 != 2:
		if home := homes[(k-k/3)%n]; home != to && home != t.cfg.Self {
			return way{home: home}
		}
		return way{}
	case n == 0 && (k < scattered || k%3 == 1):
		return way{}
	}
	return t.scatter(to)
}

// scatter draws the way of a scatter frame; where there are none it is greedy.
func (t *Table) scatter(to wire.ID) way {
	if t.cfg.Aim == nil {
		return way{}
	}
	return way{aim: t.cfg.Aim(to), scatter: true}
}

// wayAt returns the way of transmission k of something to the peer.
func (p *peer) wayAt(k int, at time.Duration) way {
	if by := p.lead.get(at); k == 0 && by != nil && by.by != (way{}) {
		return by.by
	}
	return p.table.wayOf(p.id, p.route.Load().ranked, k)
}

// frame returns the frame of a handshake that takes this way.
func (w *way) frame(to wire.ID) *wire.Frame {
	f := &wire.Frame{Dst: to}
	if w.home != (wire.ID{}) {
		f.Waypoints = w.home[:]
	}
	if w.scatter {
		f.Aim = w.aim[:]
	}
	return f
}

// appendRoute appends the beginning of a Data frame that takes this way.
func (p *peer) appendRoute(dst []byte, class wire.Class, by *way) []byte {
	at := len(dst)
	dst = p.route.Load().append(dst, wire.TypeData, class, &by.home)
	if by.scatter {
		dst[at+1] |= byte(wire.FlagAim)
		dst = append(dst, by.aim[:]...)
	}
	return dst
}

// choiceAt returns the first hop for the next copy of what left by that trail: one
// that no copy has left by.
func (p *peer) choiceAt(r *trail, at time.Duration) Choice {
	if r.turns() >= scattered && p.table.cfg.Aim != nil {
		return Choice{Past: r.hops()}
	}
	return p.lead.choice(r.turns(), r.led, at)
}
