package node

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/peermesh/peermesh/internal/proxyheader"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/transport/ws"
)

// withProxyHeader takes the PROXY protocol's headers off connections to the port.
func (n *Node) withProxyHeader(l net.Listener) net.Listener {
	return &proxyheader.Listener{Listener: l, Trusted: n.cfg.TrustedProxies, Refused: n.refusedHeader}
}

// refusedHeader counts a PROXY header that does not count, and tells of it now and
// then.
func (n *Node) refusedHeader(from net.Addr, why error) {
	n.drops.Add(reason.ProxyHeader, 1)
	ap, err := netip.ParseAddrPort(from.String())
	if err != nil {
		return
	}
	proxy := ap.Addr().Unmap().String()
	text := fmt.Sprintf("a proxy at %s, which is a trusted one, sends what is no PROXY protocol header: %v", proxy, why)
	if errors.Is(why, proxyheader.ErrUndeclared) {
		text = fmt.Sprintf("a proxy at %s sends PROXY protocol headers and is not a trusted one, so its clients are refused; TrustedProxies (--trusted-proxy %s) lets them in", proxy, proxy)
		n.edge.mu.Lock()
		n.edge.proxy, n.edge.at = proxy, time.Now()
		n.edge.mu.Unlock()
	}
	if n.edge.headers.Allow() {
		n.warn(Event{Kind: Refused, Reason: reason.ProxyHeader.String(), Err: text})
	}
}

// strippedUpgrade counts a request for a link whose upgrade somebody took off, and
// tells of it now and then.
func (n *Node) strippedUpgrade(r *http.Request) {
	n.drops.Add(reason.StrippedUpgrade, 1)
	if !n.edge.upgrades.Allow() {
		return
	}
	from := r.RemoteAddr
	if ap, err := netip.ParseAddrPort(from); err == nil {
		from = ap.Addr().Unmap().String()
	}
	n.warn(Event{Kind: Refused, Reason: reason.StrippedUpgrade.String(), Err: fmt.Sprintf(
		"a request for a link came from %s without its Upgrade header: a proxy there takes it off; %s", from, ws.PassUpgrades)})
}
