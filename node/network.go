package node

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/netwatch"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/transport"
)

// network is what a node knows of the network below it, and of its changes. See
// docs/adr/051.
type network struct {
	once   sync.Once     // the watcher was started
	resets *rate.Limiter // of changes that end what is under way; the watcher's

	mu      sync.Mutex
	parent  context.Context
	era     context.Context // of dials: it ends when the network changes
	over    context.CancelFunc
	changes uint64
	change  string // the last
	at      time.Time
	untold  uint64
	pace    pace
}

func (w *network) init(ctx context.Context) {
	w.resets = rate.NewLimiter(rate.Every(limits.NetResetPause), limits.NetResets)
	w.parent = ctx
	w.renew()
}

// renew ends the dials under way.
func (w *network) renew() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over != nil {
		w.over()
	}
	w.era, w.over = context.WithCancel(w.parent)
}

// now is the context of a dial: it ends when the network changes.
func (w *network) now() context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.era
}

// last tells of the last change.
func (w *network) last() (changes uint64, change string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changes, w.change, w.at
}

// note counts a change, and returns how many are to be told of now; 0: it is one of
// many.
func (w *network) note(now time.Time, change string) (count uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes++
	w.change, w.at = change, now
	w.untold++
	if !w.pace.may(now) {
		return 0
	}
	count, w.untold = w.untold, 0
	return count
}

// watchNetwork starts the watcher of a machine, once; nil: of this one.
func (n *Node) watchNetwork(m netwatch.Machine) {
	n.network.once.Do(func() {
		n.spawn(func() {
			w := netwatch.New(m)
			stop := context.AfterFunc(n.ctx, guard.Func("the end of the network's watcher", func() { _ = w.Close() }, n.note))
			defer stop()
			w.Run(n.networkChanged)
		})
	})
}

// networkChanged brings the node back into the mesh. It runs on the watcher's
// goroutine.
func (n *Node) networkChanged(c netwatch.Change) {
	now := time.Now()
	if count := n.network.note(now, c.String()); count > 0 {
		n.announce(Event{Kind: NetworkChanged, Time: now, Change: c.String(), Count: count})
	}
	n.tryLinks(now, &c)
	if !n.network.resets.AllowN(now, 1) {
		return
	}
	n.network.renew()
	n.names.forgetAll()
	poke(n.ice.again)
	n.post(engine.NetworkChanged{URLs: n.contactRecord.outdated(n.URLs())})
}

// tryLinks ends the links whose address is gone, and finds out which of the others
// that are concerned are alive.
func (n *Node) tryLinks(now time.Time, c *netwatch.Change) {
	for _, l := range n.live.all() {
		at, known := l.local()
		switch {
		case known && slices.Contains(c.Gone, at):
			l.link.Close(reason.CarrierFailed)
		case c.Slept > 0, c.Moved && !at.IsLoopback(), !known && l.conn.Kind() == rtcKind, known && (slices.Contains(c.Dead, at) || slices.Contains(c.New, at)):
			l.link.Probe(now, nonce())
		}
	}
}

// local is the address of this machine that a link stands on; false: not known.
func (l *liveLink) local() (netip.Addr, bool) {
	addr := transport.LocalAddr(l.conn)
	if addr == nil {
		return netip.Addr{}, false
	}
	return ipOf(addr)
}
