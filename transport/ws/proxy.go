package ws

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/peermesh/peermesh/internal/proxyheader"
)

// client is where a request comes from.
type client struct {
	addr       net.Addr // nil: the server knows none (a Unix socket)
	forwarded  bool     // a trusted proxy told the address
	undeclared bool     // it came by a proxy that is not a trusted one: the address is the proxy's
	near       bool     // the address means something on this machine or link alone, and somebody else told it
}

// indirect says that the address proves nothing about the peer.
func (c client) indirect(r *http.Request) bool {
	return c.undeclared || c.near || len(r.Header.Values("Origin")) > 0
}

// clientOf is the client of r: at the socket's other end or, behind trusted
// proxies, at the last address of X-Forwarded-For that is not one of them. What
// stands before that one, anybody may have written.
func (h *Handler) clientOf(r *http.Request) client {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return client{}
	}
	at := netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	header := proxyheader.Of(r.Context())
	told := header != nil && header.Told() // by a trusted proxy, in a PROXY protocol header
	first := at.Addr()
	proxied, forwarded := told || h.trusted(at.Addr()), told
	for _, hop := range slices.Backward(forwardedFor(r)) {
		if !h.trusted(at.Addr()) {
			break
		}
		addr, ok := parseHop(hop)
		if !ok {
			break
		}
		at, forwarded = addr, true
	}
	c := client{addr: net.TCPAddrFromAddrPort(at), forwarded: forwarded}
	near := at.Addr().IsLoopback() || at.Addr().IsLinkLocalUnicast()
	switch {
	case told && at.Addr() == first && isForwarded(r) && !forwardedBy(r, first):
		c.undeclared = true // that proxy's client is a proxy too
	case proxied: // it told nobody, or somebody beside itself
		c.near = near || h.trusted(at.Addr())
	case isForwarded(r):
		c.undeclared = true
	default:
		// Who dials this machine calls it by a name of loopback; who dials a
		// proxy, or a name that was made to lead here, does not.
		host := hostOf(r)
		c.undeclared = at.Addr().IsLoopback() && !isLoopbackName(host) && !strings.EqualFold(host, machineName())
	}
	return c
}

// forwardedBy says whether the last that a proxy told of in X-Forwarded-For is an
// address: its own client, whom it may have told of in a PROXY protocol header as well.
func forwardedBy(r *http.Request, client netip.Addr) bool {
	all := forwardedFor(r)
	last, ok := parseHop(all[len(all)-1])
	return ok && last.Addr() == client
}

// machineName is what many systems resolve to a loopback address of their own.
var machineName = sync.OnceValue(func() string {
	name, _ := os.Hostname() // empty: nobody calls it so
	return name
})

// hostOf is the Host of r without its port.
func hostOf(r *http.Request) string {
	u := url.URL{Host: r.Host}
	return u.Hostname()
}

// isForwarded says whether a proxy left its mark.
func isForwarded(r *http.Request) bool {
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Forwarded") || forwarding[name] {
			return true
		}
	}
	return false
}

// forwarding are headers by which proxies tell of a client, beside X-Forwarded-…,
// as http.CanonicalHeaderKey writes them.
var forwarding = map[string]bool{
	"Forwarded": true, "Via": true, "X-Real-Ip": true, "X-Client-Ip": true, "Client-Ip": true, "True-Client-Ip": true,
	"X-Cluster-Client-Ip": true, "X-Original-Forwarded-For": true, "X-Envoy-External-Address": true, "X-Azure-Clientip": true,
	"Cf-Connecting-Ip": true, "Cf-Ray": true, "Fastly-Client-Ip": true, "Fly-Client-Ip": true, "X-Appengine-User-Ip": true,
}

func (h *Handler) trusted(addr netip.Addr) bool {
	addr = addr.WithZone("")
	return slices.ContainsFunc(h.TrustedProxies, func(p netip.Prefix) bool {
		return unmapped(p).Contains(addr)
	})
}

// URL is the address at which the client of r reaches this server, ws:// or
// wss:// with host and path, the latter exactly as the client wrote it, but for a
// lone slash: what the client itself said, or the last of the trusted proxies by
// X-Forwarded-Proto, -Host and -Prefix, the path that it took off. It is empty if that is not
// made of the letters, digits and marks of a plain URL, so that the result can
// be shown in a page or a command line.
func (h *Handler) URL(r *http.Request) string {
	scheme, host, prefix := "ws", r.Host, ""
	if r.TLS != nil {
		scheme = "wss"
	}
	if h.behindTrusted(r) {
		if strings.EqualFold(lastOf(r, "X-Forwarded-Proto"), "https") {
			scheme = "wss"
		}
		if forwarded := lastOf(r, "X-Forwarded-Host"); forwarded != "" {
			host = forwarded
		}
		prefix = h.Prefix(r)
	}
	at, err := url.ParseRequestURI(r.RequestURI) // what a StripPrefix took off is still in it
	if err != nil || host == "" || prefix != "" && prefix[0] != '/' {
		return ""
	}
	path := at.EscapedPath()
	if !Below(path, prefix) {
		path = prefix + path
	}
	if !isPlain(host) || !isPlain(path) {
		return ""
	}
	if path == "/" {
		path = ""
	}
	return scheme + "://" + host + path
}

// behindTrusted says whether a trusted proxy made the request. One that only told of
// its client in a PROXY protocol header may have passed on what that client said.
func (h *Handler) behindTrusted(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && h.trusted(peer.Addr().Unmap())
}

// Prefix is the path before this server's own at a trusted proxy, without a slash at
// its end, by X-Forwarded-Prefix: one that it took off, or only tells of. "": none.
func (h *Handler) Prefix(r *http.Request) string {
	if !h.behindTrusted(r) {
		return ""
	}
	return strings.TrimSuffix(lastOf(r, "X-Forwarded-Prefix"), "/")
}

// Below says whether a path is that of a prefix, without a slash at its end, or below.
func Below(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// lastOf is the last value of a comma-separated header.
func lastOf(r *http.Request, header string) string {
	all := strings.Split(strings.Join(r.Header.Values(header), ","), ",")
	return strings.TrimSpace(all[len(all)-1])
}

// isPlain tells whether text means itself to a shell.
func isPlain(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._~:/[]%", c)
	})
}

// unmapped writes ::ffff:10.0.0.0/104 as 10.0.0.0/8.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// forwardedFor is the list of X-Forwarded-For over all its lines: the client
// first, the latest proxy last.
func forwardedFor(r *http.Request) []string {
	return strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
}

// parseHop reads one entry: an address, with or without a port or brackets.
func parseHop(s string) (netip.AddrPort, bool) {
	s = strings.TrimSpace(s)
	if full, err := netip.ParseAddrPort(s); err == nil {
		return netip.AddrPortFrom(full.Addr().Unmap(), full.Port()), true
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), 0), true
}
