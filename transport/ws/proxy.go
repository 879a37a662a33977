package ws

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// remoteAddr is the address of the client: the socket's other end or, behind
// trusted proxies, the last address of X-Forwarded-For that is not one of
// them. What stands before that one, anybody may have written. nil if the
// server knows no address (a Unix socket).
func (h *Handler) remoteAddr(r *http.Request) net.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return nil
	}
	at := netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	hops := forwardedFor(r)
	for _, hop := range slices.Backward(hops) {
		if !h.trusted(at.Addr()) {
			break
		}
		addr, ok := parseHop(hop)
		if !ok {
			break
		}
		at = addr
	}
	return net.TCPAddrFromAddrPort(at)
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
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && h.trusted(peer.Addr().Unmap()) {
		if strings.EqualFold(lastOf(r, "X-Forwarded-Proto"), "https") {
			scheme = "wss"
		}
		if forwarded := lastOf(r, "X-Forwarded-Host"); forwarded != "" {
			host = forwarded
		}
		prefix = strings.TrimSuffix(lastOf(r, "X-Forwarded-Prefix"), "/")
	}
	at, err := url.ParseRequestURI(r.RequestURI) // what a StripPrefix took off is still in it
	if err != nil || host == "" || prefix != "" && prefix[0] != '/' {
		return ""
	}
	path := prefix + at.EscapedPath()
	if !isPlain(host) || !isPlain(path) {
		return ""
	}
	if path == "/" {
		path = ""
	}
	return scheme + "://" + host + path
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
