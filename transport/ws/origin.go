package ws

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// ParseOrigin reads an origin as a browser sends it, "https://app.example.org",
// with a port where it is not the scheme's own, and returns it in one spelling.
// "null" stands for all pages that have none.
func ParseOrigin(text string) (string, error) {
	if text == "null" {
		return text, nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", errors.Unwrap(err)
	case u.Scheme == "" || u.Hostname() == "":
		return "", errors.New("want scheme://host, scheme://host:port or null")
	case u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return "", errors.New("an origin ends with its host and port")
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && port != schemePorts[u.Scheme] {
		host += ":" + port
	}
	return u.Scheme + "://" + host, nil
}

// schemePorts are those that browsers leave out of an origin.
var schemePorts = map[string]string{"http": "80", "https": "443"}

// refusedOrigin returns the Origin for which an upgrade is refused: that of a
// page from elsewhere, where only programs of this machine are to come in. A
// page of this machine's own, and what AllowOrigins lists, is let in; and so is
// what a trusted proxy forwards, as the port is then as open as the proxy.
func (h *Handler) refusedOrigin(r *http.Request, from client) (origin string, refused bool) {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 || from.forwarded || !h.localOnly(r) {
		return "", false
	}
	origin = strings.Join(origins, ", ")
	if len(origins) > 1 {
		return origin, true // no browser does so
	}
	if u, err := url.Parse(origin); err == nil && isLoopbackName(u.Hostname()) {
		return "", false
	}
	spelt, err := ParseOrigin(origin)
	return origin, err != nil || !slices.ContainsFunc(h.AllowOrigins, func(allowed string) bool {
		a, err := ParseOrigin(allowed)
		return err == nil && a == spelt
	})
}

// localOnly says that the connection came to a loopback address and that other
// machines have no way to the listener, as far as that is known.
func (h *Handler) localOnly(r *http.Request) bool {
	own, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && isLoopbackAddr(own) && (h.Listener == nil || isLoopbackAddr(h.Listener))
}

func isLoopbackAddr(a net.Addr) bool {
	ap, err := netip.ParseAddrPort(a.String())
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

// isLoopbackName says whether a host, without its port, is this machine wherever
// it is resolved: an address of loopback, localhost, or a name below it (RFC 6761,
// section 6.3).
func isLoopbackName(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// originError is the answer to a page that is refused, for whoever looks at the
// console of the browser.
func originError(origin string) string {
	return fmt.Sprintf("This node is for programs of its own machine: it takes no pages of %q. Its user can allow them with --allow-origin.", origin)
}
