package node

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
)

// turns is the node's budget of link handshakes: 32 random bytes are a
// first message, and its answer costs 0.28 ms. So many a second are answered at once;
// of those that wait for more the next one is of the group of addresses that was
// answered longest ago, and in it of the host that was, so that a flood from few
// groups delays itself, and most of all the hosts that it comes from. Any goroutine.
// See ADR 030.
type turns struct {
	mu      sync.Mutex
	full    time.Time // when all of the burst is there again
	groups  map[netip.Prefix]*turnGroup
	waiting int
	timer   *time.Timer // nil: nobody waits
	given   uint64
	broke   func(*guard.Panic) // ends the node, which has no turns any more; set at New
}

// turnGroup is a group of which somebody waits.
type turnGroup struct {
	served  time.Time // zero: not since somebody waits
	hosts   map[netip.Prefix]*turnHost
	waiting int
}

// turnHost is a host of which somebody waits.
type turnHost struct {
	served time.Time // as of a group
	queue  []chan bool
}

// turnEvery is the time between two turns.
const turnEvery = time.Second / limits.LinkHandshakes

// take waits for a turn; false: there are too many before it, or late or gone was
// closed.
func (t *turns) take(host, group netip.Prefix, late, gone <-chan struct{}) bool {
	t.mu.Lock()
	if t.waiting == 0 && t.spend(time.Now()) {
		t.mu.Unlock()
		return true
	}
	turn := t.wait(host, group)
	t.mu.Unlock()
	if turn == nil {
		return false
	}
	select {
	case ok := <-turn:
		return ok
	case <-late:
	case <-gone:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.remove(host, group, turn)
	return false
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
func (t *turns) wait(host, group netip.Prefix) chan bool {
	if t.waiting >= limits.LinkHandshakesWaiting {
		fullHost, fullGroup := t.longest(host, group)
		if fullHost == host && fullGroup == group {
			return nil
		}
		queue := t.groups[fullGroup].hosts[fullHost].queue
		t.remove(fullHost, fullGroup, queue[len(queue)-1]) <- false
	}
	if t.groups == nil {
		t.groups = make(map[netip.Prefix]*turnGroup)
	}
	g := t.groups[group]
	if g == nil {
		g = &turnGroup{hosts: make(map[netip.Prefix]*turnHost)}
		t.groups[group] = g
	}
	h := g.hosts[host]
	if h == nil {
		h = new(turnHost)
		g.hosts[host] = h
	}
	turn := make(chan bool, 1)
	h.queue = append(h.queue, turn)
	g.waiting++
	t.waiting++
	if t.timer == nil {
		t.timer = time.AfterFunc(turnEvery, guard.Func("the turns of handshakes", t.next, t.broke))
	}
	return turn
}

// longest is the host with the longest queue in the group of which most wait: the
// given ones where no other has more. It needs mu.
func (t *turns) longest(host, group netip.Prefix) (fullHost, fullGroup netip.Prefix) {
	most := 0
	if g := t.groups[group]; g != nil {
		most = g.waiting
	}
	fullGroup = group
	for p, g := range t.groups {
		if g.waiting > most {
			most, fullGroup = g.waiting, p
		}
	}
	g := t.groups[fullGroup]
	if fullGroup == group {
		fullHost = host
	}
	most = 0
	if h := g.hosts[fullHost]; h != nil {
		most = len(h.queue)
	}
	for p, h := range g.hosts {
		if len(h.queue) > most {
			most, fullHost = len(h.queue), p
		}
	}
	return fullHost, fullGroup
}

// next gives the turns that are there, and comes again while somebody waits.
func (t *turns) next() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for t.waiting > 0 && t.spend(now) {
		group := unserved(t.groups, func(g *turnGroup) time.Time { return g.served })
		g := t.groups[group]
		host := unserved(g.hosts, func(h *turnHost) time.Time { return h.served })
		h := g.hosts[host]
		g.served, h.served = now, now
		now = now.Add(1) // an order among those of one go
		t.remove(host, group, h.queue[0]) <- true
	}
	if t.waiting == 0 {
		t.timer = nil
		return
	}
	t.timer.Reset(turnEvery)
}

// unserved is whose turn was longest ago.
func unserved[T any](all map[netip.Prefix]T, served func(T) time.Time) (first netip.Prefix) {
	var at time.Time
	found := false
	for p, one := range all {
		if s := served(one); !found || s.Before(at) {
			first, at, found = p, s, true
		}
	}
	return first
}

// remove takes a turn out of the queue of its host, if it is there, and returns it.
// It needs mu.
func (t *turns) remove(host, group netip.Prefix, turn chan bool) chan bool {
	g := t.groups[group]
	if g == nil || g.hosts[host] == nil {
		return turn
	}
	h := g.hosts[host]
	i := slices.Index(h.queue, turn)
	if i < 0 {
		return turn
	}
	h.queue = append(h.queue[:i:i], h.queue[i+1:]...)
	g.waiting--
	t.waiting--
	if len(h.queue) == 0 {
		delete(g.hosts, host)
	}
	if g.waiting == 0 {
		delete(t.groups, group)
	}
	return turn
}
