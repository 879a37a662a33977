package node

import (
	"container/list"
	"errors"
	"net/netip"
	"sync"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// errMadeRoom is why an accepted link ends that has not proved itself.
var errMadeRoom = errors.New("it made room for a newer one before it had proved itself")

// gate bounds the accepted links that have not proved themselves yet: in all, of
// one host and of one group of addresses. Where a bound is reached, the oldest of
// the fullest group makes room, so that who opens many and says nothing keeps out
// nobody but itself. Any goroutine.
type gate struct {
	mu      sync.Mutex
	inOrder list.List // of *waiting, the oldest first
	byHost  map[netip.Prefix]int
	byGroup map[netip.Prefix]int
}

// waiting is a link that has not proved itself.
type waiting struct {
	conn        transport.Conn
	host, group netip.Prefix  // zero: they are not counted, but for being one group
	at          *list.Element // nil: it gave its place back, or lost it
	lost        chan struct{} // closed when it lost its place
}

// enter takes a place, and returns the carrier that has to be closed for it; nil:
// none.
func (g *gate) enter(conn transport.Conn) (place *waiting, old transport.Conn) {
	w := &waiting{conn: conn, lost: make(chan struct{})}
	w.host, w.group = groupsOf(conn)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byHost == nil {
		g.byHost, g.byGroup = make(map[netip.Prefix]int), make(map[netip.Prefix]int)
	}
	if o := g.yields(w); o != nil {
		g.remove(o)
		close(o.lost)
		old = o.conn
	}
	w.at = g.inOrder.PushBack(w)
	g.byHost[w.host]++
	g.byGroup[w.group]++
	return w, old
}

// yields is who makes room for w; nil: there is room.
func (g *gate) yields(w *waiting) *waiting {
	switch counted := w.host.IsValid(); {
	case counted && g.byHost[w.host] >= limits.PreAuthLinksPerIP:
		return g.oldest(func(o *waiting) bool { return o.host == w.host })
	case counted && g.byGroup[w.group] >= limits.PreAuthLinksGroup:
		return g.fullest(func(o *waiting) bool { return o.group == w.group })
	case g.inOrder.Len() >= limits.PreAuthLinks:
		return g.fullest(func(*waiting) bool { return true })
	}
	return nil
}

// fullest is the oldest of the fullest host in the fullest group of those that fit.
func (g *gate) fullest(fits func(*waiting) bool) (worst *waiting) {
	for e := g.inOrder.Front(); e != nil; e = e.Next() {
		w := e.Value.(*waiting)
		if fits(w) && (worst == nil || g.byGroup[w.group] > g.byGroup[worst.group] ||
			g.byGroup[w.group] == g.byGroup[worst.group] && g.byHost[w.host] > g.byHost[worst.host]) {
			worst = w
		}
	}
	return worst
}

func (g *gate) oldest(fits func(*waiting) bool) *waiting {
	for e := g.inOrder.Front(); e != nil; e = e.Next() {
		if w := e.Value.(*waiting); fits(w) {
			return w
		}
	}
	return nil
}

// inside is how many places are taken.
func (g *gate) inside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inOrder.Len()
}

// leave gives a place back; false: another has it already.
func (g *gate) leave(w *waiting) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.at == nil {
		return false
	}
	g.remove(w)
	return true
}

// remove needs mu.
func (g *gate) remove(w *waiting) {
	g.inOrder.Remove(w.at)
	w.at = nil
	less(g.byHost, w.host)
	less(g.byGroup, w.group)
}

// groupsOf are the /32 and the /16 of a peer, with IPv6 the /56 and the /48; both
// zero: it is not counted. That holds for a carrier without addresses, and for
// loopback: a whole test network may be there, and who is on this machine has
// easier ways to do harm. Whom a page or a proxy hides is not on this machine.
func groupsOf(conn transport.Conn) (host, group netip.Prefix) {
	ip, ok := remoteIP(conn)
	if !ok || ip.IsLoopback() && !transport.IsIndirect(conn) {
		return host, group
	}
	return prefixesOf(ip)
}

// prefixesOf are the /32 and /16, or /56 and /48, of a valid address.
func prefixesOf(ip netip.Addr) (host, group netip.Prefix) {
	narrow, wide := 32, 16
	if ip.Is6() {
		narrow, wide = 56, 48
	}
	host, _ = ip.Prefix(narrow)
	group, _ = ip.Prefix(wide)
	return host, group
}
