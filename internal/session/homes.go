package session

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// HomesChanged tells the homes of this node, as Config.Homes returns them now,
// to every peer that was talked to in the last limits.HomesTold. Any goroutine.
func (t *Table) HomesChanged(now time.Time) {
	at := t.at(now)
	var fx effects
	for _, p := range t.sorted() {
		p.mu.Lock()
		if !p.gone && p.current.Load() != nil && at-p.usedAt() < limits.HomesTold {
			p.tellHomes(at, &fx)
		}
		p.mu.Unlock()
	}
	fx.run(t)
}

// tellHomes sends our homes as a message; one that tells older ones ends.
func (p *peer) tellHomes(at time.Duration, fx *effects) {
	if p.told != nil {
		p.end(p.told, Result{Err: reason.Replaced}, fx)
	}
	homes := p.table.homes()
	data := append(make([]byte, 0, 1+len(homes)*len(wire.ID{})), byte(len(homes)))
	for _, h := range homes {
		data = append(data, h[:]...)
	}
	p.told, _ = p.submit(Message{To: p.id, Kind: wire.PlainHomes, Data: data, Patient: true}, at, nil)
}

// onHomes takes the new homes of the peer, unless newer ones came before.
func (p *peer) onHomes(b *Batch, s *session, body []byte, at time.Duration) reason.Reason {
	m, err := wire.ParseHomesBody(body)
	if err != nil {
		return reason.Malformed
	}
	in, why := p.admit(b, s, m.ID, m.Lowest, at)
	if in == nil {
		return why
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	in.finished(m.ID)
	if p.in != in || p.gone {
		return reason.UnknownSession
	}
	p.decide(m.ID, reason.None)
	if m.ID >= in.homes {
		in.homes = m.ID
		if p.setHomes(m.Homes) {
			b.fx.events = append(b.fx.events, p.event(HomesChanged))
		}
		p.comesBack(at)
	}
	p.settle(b, s, m.ID, reason.None, at)
	return reason.None
}
