package node

import (
	"fmt"
	"net/netip"
	"net/url"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/proxy"
	"github.com/peermesh/peermesh/transport"
)

// NoProxy is the Config.Proxy that uses none, whatever the environment says.
const NoProxy = proxy.Off

// Proxies returns how a node with that Config.Proxy chooses the forward proxy for a
// URL; nil: none. at is the address that the dial may connect to, where a peer told of
// the URL: a proxy is asked for public ones alone. What others mean is here, and not
// where the proxy is. For a URL of the user's it is the zero Addr.
//
// The error of Proxies does not repeat the setting, which may hold a password.
func Proxies(setting string) (func(target *url.URL, at netip.Addr) (*url.URL, error), error) {
	rules, err := proxy.NewRules(setting)
	if err != nil {
		return nil, fmt.Errorf("config: Proxy: %w", err)
	}
	return func(target *url.URL, at netip.Addr) (*url.URL, error) {
		if at.IsValid() && engine.ScopeOf(at) != engine.ScopePublic {
			return nil, nil
		}
		return rules.For(target)
	}, nil
}

// ProxyName is a proxy's URL without its user and password.
func ProxyName(u *url.URL) string { return proxy.Name(u) }

// nameAddress is the address of a name that a dial has led to: the zero Addr, which
// stands for all, where a proxy has resolved it.
func nameAddress(conn transport.Conn) (addr netip.Addr, ok bool) {
	if addr, ok = remoteIP(conn); ok {
		return addr, true
	}
	return netip.Addr{}, conn.RemoteAddr() != nil && transport.IsIndirect(conn)
}
