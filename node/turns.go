package node

import (
	"net/netip"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// turns is the node's budget of link handshakes: 32 random bytes are a
// first message, and its answer costs 0.28 ms. So many a second are answered at once;
// of those that wait for more the next one is of the group of addresses that was
// answered longest ago, so that a flood from few groups delays itself. Any
// goroutine. See ADR 030.
type turns struct {
	mu      sync.Mutex
	full    time.Time // when all of the burst is there again
	groups  map[netip.Prefix]*turnGroup
	waiting int
	timer   *time.Timer // nil: nobody waits
	given   uint64
}

// turnGroup is a group of which somebody waits.
type turnGroup struct {
	served time.Time // zero: not since somebody waits
	queue  []chan bool
}

// turnEvery is the time between two turns.
const turnEvery = time.Second / limits.LinkHandshakes

// take waits for a turn; false: there are too many before it, or gone was closed.
func (t *turns) take(group netip.Prefix, gone <-chan struct{}) bool {
	t.mu.Lock()
	if t.waiting == 0 && t.spend(time.Now()) {
		t.mu.Unlock()
		return true
	}
	turn := t.wait(group)
	t.mu.Unlock()
	if turn == nil {
		return false
	}
	select {
	case ok := <-turn:
		return ok
	case <-gone:
		t.leave(group, turn)
		return false
	}
}

// spend uses up a turn if there is one. It needs mu.
func (t *turns) spend(now time.Time) bool {
	if t.full.Before(now) {
		t.full = now
	}
	if t.full.Sub(now) > (limits.LinkHandshakeBurst-1)*turnEvery {
		return false
	}
	t.full = t.full.Add(turnEvery)
	t.given++
	return true
}

// wait queues one who waits, in place of the last of the longest queue if there
// are too many; nil: it would be the last of that. It needs mu.
func (t *turns) wait(group netip.Prefix) chan bool {
	if t.waiting >= limits.LinkHandshakesWaiting {
		longest := group
		for p, g := range t.groups {
			if len(g.queue) > t.waits(longest) {
				longest = p
			}
		}
		if longest == group {
			return nil
		}
		queue := t.groups[longest].queue
		t.remove(longest, queue[len(queue)-1]) <- false
	}
	if t.groups == nil {
		t.groups = make(map[netip.Prefix]*turnGroup)
	}
	g := t.groups[group]
	if g == nil {
		g = new(turnGroup)
		t.groups[group] = g
	}
	turn := make(chan bool, 1)
	g.queue = append(g.queue, turn)
	t.waiting++
	if t.timer == nil {
		t.timer = time.AfterFunc(turnEvery, t.next)
	}
	return turn
}

// waits is how many of a group do. It needs mu.
func (t *turns) waits(group netip.Prefix) int {
	if g := t.groups[group]; g != nil {
		return len(g.queue)
	}
	return 0
}

// next gives the turns that are there, and comes again while somebody waits.
func (t *turns) next() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for t.waiting > 0 && t.spend(now) {
		var group netip.Prefix
		var first *turnGroup
		for p, g := range t.groups {
			if first == nil || g.served.Before(first.served) {
				group, first = p, g
			}
		}
		first.served = now
		now = now.Add(1) // an order among those of one go
		t.remove(group, first.queue[0]) <- true
	}
	if t.waiting == 0 {
		t.timer = nil
		return
	}
	t.timer.Reset(turnEvery)
}

// leave takes out one who waits no more.
func (t *turns) leave(group netip.Prefix, turn chan bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.remove(group, turn)
}

// remove takes a turn out of the queue of its group and returns it. It needs mu.
func (t *turns) remove(group netip.Prefix, turn chan bool) chan bool {
	g := t.groups[group]
	if g == nil {
		return turn
	}
	for i, c := range g.queue {
		if c == turn {
			g.queue = append(g.queue[:i:i], g.queue[i+1:]...)
			t.waiting--
			break
		}
	}
	if len(g.queue) == 0 {
		delete(t.groups, group)
	}
	return turn
}
