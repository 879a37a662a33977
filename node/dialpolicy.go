package node

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/transport"
)

// errScope is why an address that somebody told of is not connected to: whoever
// told of it cannot know what it means here.
var errScope = errors.New("a peer told of this address, but it is of another kind than the peer's own; join by the URL to go there all the same")

// errLearnt is why a URL that somebody told of is not dialled.
var errLearnt = errors.New("a peer told of a URL with a user or an unusual path in it; join by the URL to go there all the same")

// dialTarget opens a carrier to a target: to a URL of the user's wherever it
// leads, to one that a peer told of only within its scopes.
func (n *Node) dialTarget(ctx context.Context, t *engine.Target, look bool) (transport.Conn, error) {
	if t.Name {
		return n.dialers.dial(n.names.ordered(ctx, t.URL, look), t.URL)
	}
	if t.Scopes == 0 {
		return n.dialers.dial(ctx, t.URL)
	}
	clean, ok := engine.Learnt(t.URL.Reveal())
	if !ok {
		return nil, &transport.DialError{URL: t.URL, Stage: transport.StageParse, Err: errLearnt}
	}
	return n.dialers.dial(onlyTo(ctx, t.Scopes), secret.URL(clean))
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

// scopeOf is the scope for which a peer's word on URLs counts: that of its
// address, and over WebRTC public alone. A page in a browser on this machine or LAN
// links over WebRTC as any program there does, and no Origin gives it away.
func scopeOf(conn transport.Conn) engine.Scopes {
	if conn.Kind() == rtcKind {
		return engine.ScopePublic
	}
	return addressScope(conn)
}

// addressScope is the scope of a peer's own address: 0 for a carrier without
// addresses, public (which is believed least) when it is of none, or proves
// nothing about the peer.
func addressScope(conn transport.Conn) engine.Scopes {
	switch {
	case conn.Kind() == memKind:
		return 0
	case transport.IsIndirect(conn):
		return engine.ScopePublic
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
	return ipOf(conn.RemoteAddr())
}

// ipOf is the IP address in another, unmapped and without its zone.
func ipOf(addr net.Addr) (netip.Addr, bool) {
	if addr == nil {
		return netip.Addr{}, false
	}
	ap, err := netip.ParseAddrPort(addr.String())
	return ap.Addr().Unmap().WithZone(""), err == nil
}
