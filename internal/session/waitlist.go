package session

import (
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// waitlist keeps the peers whose messages wait for room on a link of this node,
// for each link in the order in which they were refused: who comes later does not
// overtake them. Its lock is taken after that of a peer.
type waitlist struct {
	mu    sync.Mutex
	byHop map[wire.ID]*waitLine
}

// waitLine is who waits for one link.
type waitLine struct {
	head, tail *peer
	woken      time.Duration // when the link last had room, or the first one came
}

// waiting is the place of a peer in a waitLine. Guarded by the lock of the waitlist.
type waiting struct {
	line           *waitLine // nil: it waits for none
	hop            wire.ID
	before, behind *peer
}

// join puts p at the end of those who wait for hop, unless it does already.
func (w *waitlist) join(p *peer, hop wire.ID, at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.waits.line != nil && p.waits.hop == hop {
		return
	}
	w.cut(p)
	if w.byHop == nil {
		w.byHop = make(map[wire.ID]*waitLine)
	}
	l := w.byHop[hop]
	if l == nil {
		l = &waitLine{woken: at}
		w.byHop[hop] = l
	}
	p.waits = waiting{line: l, hop: hop, before: l.tail}
	if l.tail != nil {
		l.tail.waits.behind = p
	} else {
		l.head = p
	}
	l.tail = p
}

// leave takes p out.
func (w *waitlist) leave(p *peer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut(p)
}

func (w *waitlist) cut(p *peer) {
	l := p.waits.line
	if l == nil {
		return
	}
	if before := p.waits.before; before != nil {
		before.waits.behind = p.waits.behind
	} else {
		l.head = p.waits.behind
	}
	if behind := p.waits.behind; behind != nil {
		behind.waits.before = p.waits.before
	} else {
		l.tail = p.waits.before
	}
	if l.head == nil {
		delete(w.byHop, p.waits.hop)
	}
	p.waits = waiting{}
}

// wake returns those who wait for hop, who waits longest first, at most most.
func (w *waitlist) wake(hop wire.ID, at time.Duration, most int) (all []*peer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.byHop[hop]
	if l == nil {
		return nil
	}
	l.woken = at
	for p := l.head; p != nil && len(all) < most; p = p.waits.behind {
		all = append(all, p)
	}
	return all
}

// overdue reports whether p may try without having been woken: it is the first
// who waits for its link, and nothing was heard of that for limits.MessageStallMax.
func (w *waitlist) overdue(p *peer, at time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := p.waits.line
	return l == nil || l.head == p && at-l.woken >= limits.MessageStallMax
}

// The numbers of Room.
const (
	roomTurn  = 64 // peers that are looked up at a time
	roomTries = 2  // peers in a row that find no room, until the others are left for the next time
)

// Room says that the link to a neighbour takes frames of this node again, after
// Emit was refused there. Those who wait for it send what it takes, who waits longest
// first; whoever has more to send waits again behind the others. Any goroutine that
// holds no lock.
func (t *Table) Room(now time.Time, hop wire.ID) {
	at := t.at(now)
	for {
		all := t.waits.wake(hop, at, roomTurn)
		if len(all) == 0 || !t.serve(all, hop, at) {
			return
		}
	}
}

// serve lets peers send that waited for hop. false: it takes no more.
func (t *Table) serve(all []*peer, hop wire.ID, at time.Duration) bool {
	refused, sent := 0, false
	for _, p := range all {
		switch p.resume(hop, at) {
		case resumedNone:
			if refused++; refused >= roomTries {
				return false
			}
		default:
			refused, sent = 0, true
		}
	}
	return sent
}

// resumed says what a peer has come to that waited for room.
type resumed uint8

const (
	resumedAll  resumed = iota // it does not wait any more
	resumedSome                // it waits again
	resumedNone                // it was refused at once
)

// resume lets p send again.
func (p *peer) resume(hop wire.ID, at time.Duration) resumed {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.out.fresh.n + p.out.again.n
	p.out.stalled = 0
	if !p.gone {
		p.flush(at)
	}
	switch sent := before - p.out.fresh.n - p.out.again.n; {
	case p.out.stalled == 0:
		p.table.waits.leave(p)
		return resumedAll
	case sent > 0:
		p.table.waits.leave(p)
		p.table.waits.join(p, hop, at)
		return resumedSome
	}
	return resumedNone
}
