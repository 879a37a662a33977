package session

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// Revive has what is under way leave again, and what waits for a first hop or for an
// answer leave now: this node was cut off and has a link again, so no copy that left
// before tells anything of the way. A control call.
func (t *Table) Revive(now time.Time) {
	at := t.at(now)
	var fx effects
	for _, p := range t.sorted() {
		p.mu.Lock()
		if !p.gone {
			p.revive(at, false)
			if in := p.init; in != nil && !in.busy && in.next > at {
				in.next = at
				p.arm(at)
			}
		}
		p.mu.Unlock()
	}
	fx.run(t)
}

// comesBack has what is late leave again for a peer that tells of its homes: it may
// have been away. Who tells of them all the time gets it no more often than others.
// mu is held.
func (p *peer) comesBack(at time.Duration) {
	if p.revived == 0 || at-p.revived >= limits.ReviveGap {
		p.revived = at
		p.revive(at, true)
	}
}

// revive has copies leave again: all, or only those that are late and those of
// messages that timed out before; none that a link of this node still has to bring.
// mu is held.
func (p *peer) revive(at time.Duration, late bool) {
	o := &p.out
	o.stalled, o.stalls = 0, 0
	for _, f := range o.paths {
		f.since, f.timeouts = at, 0
		for m := f.flight.head; m != nil; {
			next := m.behind
			due := !late || m.timeouts > 0 || at-m.last.at > p.rto(f)
			if due && p.holds(f, m, at) != Moving {
				o.past.add(m, false)
				m.cut()
				m.timeouts, m.stay = 0, false
				o.again.push(m)
			}
			m = next
		}
	}
	p.flush(at)
}
