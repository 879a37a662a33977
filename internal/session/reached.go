package session

import (
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// reached remembers when IDs were last known to be there: those whose entry is
// gone, or that never had one. A Send to such an ID lasts until its sender gives up,
// whatever relays say meanwhile (see known).
type reached struct {
	most int // set when made

	mu       sync.Mutex // guards what follows; taken last
	now, old map[wire.ID]time.Duration
	turned   time.Duration // when now became old
}

// note remembers that an ID was there at that time. Of more than most the older half
// goes.
func (r *reached) note(id wire.ID, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil || len(r.now) >= r.most/2 || at-r.turned >= limits.ReachedLife {
		if r.old = r.now; at-r.turned >= 2*limits.ReachedLife {
			r.old = nil
		}
		r.now, r.turned = make(map[wire.ID]time.Duration), at
	}
	r.now[id] = max(r.now[id], at)
}

// get returns when an ID was last known to be there; 0: not known.
func (r *reached) get(id wire.ID) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(r.now[id], r.old[id])
}

// Linked tells that there is a link with a node now. The way that was learnt to it is
// forgotten, as no way is better; and whoever waits for a way to any node has
// news. A control call.
func (t *Table) Linked(now time.Time, id wire.ID) {
	t.there(t.at(now), id)
	if p := t.find(&id); p != nil {
		p.lead.by.Store(nil)
	}
	t.Changed(now)
}

// Parted tells that a link with a node has ended: until then the node was there.
func (t *Table) Parted(now time.Time, id wire.ID) { t.there(t.at(now), id) }

func (t *Table) there(at time.Duration, id wire.ID) {
	t.linked.note(id, at)
	if p := t.find(&id); p != nil {
		note(&p.reached, at)
	}
}

// known reports whether the peer is known to be there, or was a while ago: there is
// a session, or there was a proof that it is. Then no answer of a relay ends
// what waits for it. Any goroutine.
func (p *peer) known(at time.Duration) bool {
	if p.current.Load() != nil {
		return true
	}
	last := p.proven()
	return last > 0 && at-last < limits.ReachedLife
}

// proven returns when the peer was last known to be there; 0: never.
func (p *peer) proven() time.Duration {
	return time.Duration(max(p.reached.Load(), p.heard.Load()))
}

// recall takes what is remembered of a peer into its new entry.
func (t *Table) recall(p *peer) {
	p.reached.Store(int64(max(t.talked.get(p.id), t.linked.get(p.id))))
}

// keep remembers a peer whose entry goes, if this node has spoken with it: what
// strangers bring takes no place of that.
func (t *Table) keep(p *peer) {
	if last := p.proven(); last > 0 && p.spoken.Load() > 0 {
		t.talked.note(p.id, last)
	}
}

// WasReached reports whether a node is known to be there, or was a while ago. Any
// goroutine.
func (t *Table) WasReached(now time.Time, id wire.ID) bool {
	at := t.at(now)
	if p := t.find(&id); p != nil {
		return p.known(at)
	}
	last := max(t.talked.get(id), t.linked.get(id))
	return last > 0 && at-last < limits.ReachedLife
}
