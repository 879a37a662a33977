package node

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"golang.org/x/time/rate"
)

// edge tells of what comes to the port in a way that somebody should know of. Any
// goroutine.
type edge struct {
	origins, proxies, headers, upgrades *rate.Limiter

	mu    sync.Mutex
	proxy string // the last that was not declared
	at    time.Time
}

func (e *edge) init() {
	e.origins = rate.NewLimiter(rate.Every(limits.EdgeWarnings), 1)
	e.proxies = rate.NewLimiter(rate.Every(limits.EdgeWarnings), 1)
	e.headers = rate.NewLimiter(rate.Every(limits.EdgeWarnings), 1)
	e.upgrades = rate.NewLimiter(rate.Every(limits.EdgeWarnings), 1)
}

// lastProxy is the last proxy that was not declared, and when it was noticed.
func (e *edge) lastProxy() (proxy string, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.proxy, e.at
}

// refusedOrigin counts a page that was refused, and tells of it now and then.
func (n *Node) refusedOrigin(origin string) {
	n.drops.Add(reason.ForeignOrigin, 1)
	if n.edge.origins.Allow() {
		n.warn(Event{Kind: Refused, Reason: reason.ForeignOrigin.String(), Err: fmt.Sprintf(
			"a page of %.*q wants a link, and this port is for this machine alone; AllowOrigins (--allow-origin) lets it in", limits.EdgeText, origin)})
	}
}

// undeclaredProxy notes a proxy that is not among Config.TrustedProxies, and tells
// of it now and then.
func (n *Node) undeclaredProxy(addr net.Addr) {
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return // a server of the caller's with addresses of its own kind: there is nothing to set
	}
	proxy := ap.Addr().String()
	n.edge.mu.Lock()
	n.edge.proxy, n.edge.at = proxy, time.Now()
	n.edge.mu.Unlock()
	if n.edge.proxies.Allow() {
		n.warn(Event{Kind: UndeclaredProxy, Err: fmt.Sprintf(
			"clients come by a proxy at %s and count as one address, which few may share; TrustedProxies (--trusted-proxy %s) tells them apart", proxy, proxy)})
	}
}

// warn makes a matter of the port an event and a line in the log.
func (n *Node) warn(ev Event) {
	ev.Time, ev.Transport = time.Now(), "ws"
	n.announce(ev)
}
