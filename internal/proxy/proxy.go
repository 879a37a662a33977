// Package proxy opens ways through forward proxies: HTTP proxies by CONNECT, over
// plain TCP or TLS, and SOCKS5 proxies. It also knows which proxy a URL goes by.
//
// What it says never holds the user or the password of a proxy.
package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Off is the setting that turns proxies off, those of the environment too.
const Off = "off"

// The schemes of proxies.
const (
	HTTP    = "http"
	HTTPS   = "https"
	SOCKS5  = "socks5"
	SOCKS5H = "socks5h" // as SOCKS5, and no name that a peer told of is resolved here
)

var defaultPorts = map[string]string{HTTP: "80", HTTPS: "443", SOCKS5: "1080", SOCKS5H: "1080"}

var errForm = errors.New("want http://host:port, https://host:port, socks5://host:port or socks5h://host:port, with user:password@ before the host if the proxy asks for them")

// Parse reads the URL of a proxy. Without a scheme it is an HTTP proxy. The error
// does not repeat the text, which may hold a password.
func Parse(text string) (*url.URL, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		text = HTTP + "://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errForm
	}
	u.Scheme = strings.ToLower(u.Scheme)
	if u.Scheme == "socks" { // as some desktops write it
		u.Scheme = SOCKS5
	}
	if defaultPorts[u.Scheme] == "" {
		return nil, fmt.Errorf("scheme %q is none of a proxy's: %w", u.Scheme, errForm)
	}
	if u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errForm
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, errForm
		}
	}
	if password, _ := u.User.Password(); len(u.User.Username()) > 255 || len(password) > 255 {
		return nil, errors.New("a user and a password of a proxy have at most 255 bytes each")
	}
	return u, nil
}

// Name is a proxy's URL without its user and password.
func Name(u *url.URL) string { return u.Scheme + "://" + Address(u) }

// Address is the proxy's own host and port.
func Address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = defaultPorts[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// ResolvesAll says whether the proxy is to resolve every name, so that none may be
// resolved here.
func ResolvesAll(u *url.URL) bool { return u.Scheme == SOCKS5H }
