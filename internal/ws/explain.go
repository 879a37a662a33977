package ws

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/transport"
)

// checkURL finds what is wrong with a URL before anything is dialled.
func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "ws" && u.Scheme != "wss":
		return fmt.Errorf("scheme %q is neither ws nor wss; write ws://host:port", u.Scheme)
	case u.Hostname() == "":
		return errors.New("no host; write ws://host:port")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("port %q is not a number from 1 to 65535", port)
		}
	}
	return nil
}

// explain says at which stage the dial ended, why, and what to do about it.
func (d *dial) explain(resp *http.Response, err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	switch {
	case resp != nil:
		return d.explainResponse(resp, err)
	case d.stage == transport.StageProxy && !errors.Is(err, context.Canceled):
		return d.explainProxy(err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %v; %s: %w", d.opts.Timeout, silence[d.stage], err)
	case errors.Is(err, context.Canceled):
		return err
	}
	switch d.stage {
	case transport.StageResolve:
		if errors.Is(err, transport.ErrNoAddress) {
			return err
		}
		return fmt.Errorf("no address for %q; check its spelling and the name server: %w", d.url.Hostname(), err)
	case transport.StageConnect:
		return explainConnect(err)
	}
	if isEnd(err) {
		return fmt.Errorf("the server closed the connection without an answer: it is full or refuses this address; try again later, or check the port, and whether it is ws or wss: %w", err)
	}
	switch d.stage {
	case transport.StageTLS:
		return explainTLS(err)
	case transport.StageSubprotocol:
		return &SubprotocolError{Offered: d.opts.Subprotocols}
	}
	return fmt.Errorf("the server does not answer as an HTTP server does; check the port, and whether it wants wss: %w", err)
}

// isEnd says whether the other side closed the connection.
func isEnd(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF)
}

// PassUpgrades says what to do about a proxy that takes Upgrade headers off.
const PassUpgrades = "have it pass WebSocket upgrades: with nginx proxy_http_version 1.1, proxy_set_header Upgrade $http_upgrade and proxy_set_header Connection upgrade"

// RefusedHeader is a header by which a node says why it refuses a request, to those who
// dial it.
const RefusedHeader = "Peermesh-Refused"

// RefusedProxyHeader is its value for a PROXY protocol header of a proxy that is not
// trusted.
const RefusedProxyHeader = "proxy-header"

// silence says what to look at when a stage takes too long.
var silence = map[string]string{
	transport.StageResolve: "check the name server",
	transport.StageConnect: "check host and port, and the firewalls between",
	transport.StageTLS:     "the server accepts connections but no TLS; check the port",
	transport.StageUpgrade: "the server accepts connections but no requests; check the port, and whether it wants wss",
}

func explainConnect(err error) error {
	if refused := (*transport.AddressError)(nil); errors.As(err, &refused) {
		return refused
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("nothing listens there; check host and port, and that the node runs: %w", err)
	}
	return fmt.Errorf("no way to that address; check host, port and network: %w", err)
}

func explainTLS(err error) error {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
	)
	hint := "check the certificates of both sides"
	switch {
	case errors.As(err, &authority):
		hint = "the server's certificate is signed by an unknown authority; trust it (--tls-ca) if it is yours"
	case errors.As(err, &name):
		hint = "the server's certificate is for another name; dial a name that stands in it"
	case errors.As(err, &invalid):
		hint = "the server's certificate does not hold; renew it, or set the clock"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		hint = "the server does not speak TLS; use ws"
	}
	return fmt.Errorf("%s: %w", hint, err)
}

// explainResponse is for a server that speaks HTTP but did not upgrade.
func (d *dial) explainResponse(resp *http.Response, err error) error {
	switch code := resp.StatusCode; {
	case code == http.StatusSwitchingProtocols:
		return fmt.Errorf("the server's answer is no WebSocket upgrade: %w", bare(err))
	case code >= 300 && code < 400:
		return fmt.Errorf("the server redirects to %q; dial that", secret.URL(resp.Header.Get("Location")))
	case code == http.StatusNotFound:
		return fmt.Errorf("the server has nothing at %q; check the path", d.url.Path)
	case code == http.StatusUpgradeRequired:
		return errors.New("a proxy on the way took the Upgrade header off the request (426 Upgrade Required); " + PassUpgrades)
	case resp.Header.Get(RefusedHeader) == RefusedProxyHeader:
		return errors.New("a proxy before the node sends PROXY protocol headers, and the node does not trust it (400 Bad Request); its owner gives --trusted-proxy with the proxy's address, or has the proxy send none")
	case code == http.StatusBadRequest:
		return errors.New("the server refuses the request (400 Bad Request); check the path, and whether it wants wss")
	case code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests:
		return fmt.Errorf("the server is busy (%s); try again later", resp.Status)
	}
	return fmt.Errorf("the server answers %q where an upgrade was expected; check the path", resp.Status)
}

// unasked tells whether the server picked a subprotocol that was not offered.
func (d *dial) unasked(resp *http.Response) bool {
	picked := resp.Header.Get("Sec-WebSocket-Protocol")
	for _, offered := range d.opts.Subprotocols {
		if strings.EqualFold(offered, picked) {
			return false
		}
	}
	return picked != ""
}

var errUnasked = errors.New("a subprotocol that was not offered")

// SubprotocolError says that the server picked none of the subprotocols.
type SubprotocolError struct {
	Offered []string
	Said    string // why, as its close frame says; "": it says nothing
}

// Error names them, and what to do.
func (e *SubprotocolError) Error() string {
	return fmt.Sprintf("the server speaks WebSocket but not %s; check the path, or bring both sides to the same version",
		strings.Join(e.Offered, " or "))
}
