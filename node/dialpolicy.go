package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/transport"
)

// errScope is why an address that somebody told of is not connected to: whoever
// told of it cannot know what it means here.
var errScope = errors.New("a peer told of this address, but it is of another kind than the peer's own; join by the URL to go there all the same")

// dialTarget opens a carrier to a target: to a URL of the user's wherever it
// leads, to one that a peer told of only within its scopes.
func (n *Node) dialTarget(t *engine.Target) (transport.Conn, error) {
	if t.Scopes == 0 {
		return n.dialers.dial(n.ctx, t.URL)
	}
	if err := checkLearnt(t.URL); err != nil {
		return nil, &transport.DialError{URL: t.URL, Stage: transport.StageParse, Err: err}
	}
	return n.dialers.dial(onlyTo(n.ctx, t.Scopes), t.URL)
}

// onlyTo is ctx for dials that connect to addresses of these scopes alone.
func onlyTo(ctx context.Context, scopes engine.Scopes) context.Context {
	return transport.WithAddressCheck(ctx, func(addr netip.Addr) error {
		if s := engine.ScopeOf(addr); s == 0 || s&^scopes != 0 {
			return errScope
		}
		return nil
	})
}

// checkLearnt refuses a URL that nobody tells who means well: a name and a
// password would go to a server of the teller's choice.
func checkLearnt(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.Unwrap(err)
	case u.User != nil:
		return fmt.Errorf("a peer told of a URL with a user in it, %s", u.Redacted())
	}
	return nil
}

// scopeOf is the scope of a peer's own address: 0 for a carrier without
// addresses, public (which is believed least) when it is of none.
func scopeOf(conn transport.Conn) engine.Scopes {
	if conn.Kind() == memKind {
		return 0
	}
	if ip, ok := remoteIP(conn); ok {
		if s := engine.ScopeOf(ip); s != 0 {
			return s
		}
	}
	return engine.ScopePublic
}

// memKind is the Kind of the carrier without addresses.
const memKind = "mem"

// remoteIP is the peer's address, unmapped and without its zone.
func remoteIP(conn transport.Conn) (netip.Addr, bool) {
	addr := conn.RemoteAddr()
	if addr == nil {
		return netip.Addr{}, false
	}
	ap, err := netip.ParseAddrPort(addr.String())
	return ap.Addr().Unmap().WithZone(""), err == nil
}
