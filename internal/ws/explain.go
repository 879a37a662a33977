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
	"time"

	"github.com/peermesh/peermesh/internal/hint"
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
		return d.because(transport.CauseSilent, fmt.Errorf("no answer within %v; %s: %w", d.opts.Timeout, silence[d.stage], err))
	case errors.Is(err, context.Canceled):
		return err
	}
	switch d.stage {
	case transport.StageResolve:
		if errors.Is(err, transport.ErrNoAddress) {
			return err
		}
		return d.because(transport.CauseNoName, fmt.Errorf("no address for %q; check its spelling and the name server: %w", d.url.Hostname(), err))
	case transport.StageConnect:
		return d.explainConnect(err)
	}
	if isEnd(err) {
		return d.because(transport.CauseHungUp,
			fmt.Errorf("the server closed the connection without an answer: it is full or refuses this address; try again later, or check the port, and whether it is ws or wss: %w", err))
	}
	switch d.stage {
	case transport.StageTLS:
		return d.explainTLS(err)
	case transport.StageSubprotocol:
		return d.because(transport.CauseProtocol, &SubprotocolError{Offered: d.opts.Subprotocols})
	}
	return d.because(transport.CauseNotHTTP, fmt.Errorf("the server does not answer as an HTTP server does; check the port, and whether it wants wss: %w", err))
}

// because notes the cause of a dial's error in a word.
func (d *dial) because(cause string, err error) error {
	d.cause = cause
	return err
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

func (d *dial) explainConnect(err error) error {
	if refused := (*transport.AddressError)(nil); errors.As(err, &refused) {
		return refused
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return d.because(transport.CauseNobody, fmt.Errorf("nothing listens there; check host and port, and that the node runs: %w", err))
	}
	return d.because(transport.CauseUnreachable, fmt.Errorf("no way to that address; check host, port and network: %w", err))
}

func (d *dial) explainTLS(err error) error {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
	)
	advice, cause := "check the certificates of both sides", ""
	switch {
	case errors.As(err, &authority):
		advice, cause = "the server's certificate is signed by an unknown authority; trust it (--tls-ca) if it is yours", transport.CauseAuthority
	case errors.As(err, &name):
		advice, cause = "the server's certificate is for another name; dial a name that stands in it", transport.CauseName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		advice, cause = certTime(invalid.Cert, d.now())
	case errors.As(err, &invalid):
		advice = "the server's certificate does not hold; renew it"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		advice, cause = "the server does not speak TLS; use ws", transport.CauseNoTLS
	}
	return d.because(cause, fmt.Errorf("%s: %w", advice, err))
}

// now is the time by which TLS checked the certificate.
func (d *dial) now() time.Time {
	if cfg := d.opts.TLSConfig; cfg != nil && cfg.Time != nil {
		return cfg.Time()
	}
	return time.Now()
}

// certTime says what it means that a certificate does not hold at the time now. One
// that has not begun is proof enough of a clock that is behind: nobody uses such a
// certificate. One that has ended may be just that.
func certTime(cert *x509.Certificate, now time.Time) (advice, cause string) {
	if now.Before(cert.NotBefore) {
		return fmt.Sprintf("this clock is at least %s behind: it says %s, and the server's certificate begins at %s; set it",
			hint.Span(cert.NotBefore.Sub(now)), now.UTC().Format(time.RFC3339), cert.NotBefore.UTC().Format(time.RFC3339)), transport.CauseClock
	}
	return fmt.Sprintf("the server's certificate ended at %s, and this clock says %s: renew it, or set this clock if it is %s ahead",
		cert.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339), hint.Span(now.Sub(cert.NotAfter))), transport.CauseExpired
}

// refusals are the answers of a server that upgrades nothing, and what they mean.
var refusals = map[int]struct{ cause, text string }{
	http.StatusBadRequest:         {transport.CauseBadRequest, "the server refuses the request (400 Bad Request); check the path, and whether it wants wss"},
	http.StatusForbidden:          {transport.CauseForbidden, "the server does not let this user or address in (403 Forbidden); ask who runs it"},
	http.StatusProxyAuthRequired:  {transport.CauseProxyLogin, "a proxy on the way wants a user and password (407 Proxy Authentication Required)"},
	http.StatusUpgradeRequired:    {transport.CauseUpgrade, "a proxy on the way took the Upgrade header off the request (426 Upgrade Required); " + PassUpgrades},
	http.StatusBadGateway:         {transport.CauseGateway, "a proxy answers, and the node behind it does not (502 Bad Gateway); is the node running, and does the proxy know its port?"},
	http.StatusGatewayTimeout:     {transport.CauseGateway, "a proxy answers, and the node behind it does not in time (504 Gateway Timeout); is the node running, and does the proxy know its port?"},
	http.StatusServiceUnavailable: {transport.CauseBusy, "the server is busy or about to end (503 Service Unavailable); try again later"},
	http.StatusTooManyRequests:    {transport.CauseBusy, "the server is busy (429 Too Many Requests); try again later"},
}

// explainResponse is for a server that speaks HTTP but did not upgrade.
func (d *dial) explainResponse(resp *http.Response, err error) error {
	code := resp.StatusCode
	if resp.Header.Get(RefusedHeader) == RefusedProxyHeader {
		return d.because(transport.CauseProxyHeader, errors.New("a proxy before the node sends PROXY protocol headers, and the node does not trust it (400 Bad Request); its owner gives --trusted-proxy with the proxy's address, or has the proxy send none"))
	}
	if r, ok := refusals[code]; ok {
		return d.because(r.cause, errors.New(r.text))
	}
	switch {
	case code == http.StatusSwitchingProtocols:
		return d.because(transport.CauseNoUpgrade, fmt.Errorf("the server's answer is no WebSocket upgrade: %w", bare(err)))
	case code >= 300 && code < 400:
		return d.because(transport.CauseRedirect, d.redirect(resp))
	case code == http.StatusUnauthorized && d.url.User != nil:
		return d.because(transport.CauseUnauthorized, errors.New("the server refuses the user or password in the URL (401 Unauthorized)"))
	case code == http.StatusUnauthorized:
		return d.because(transport.CauseUnauthorized, fmt.Errorf("the server wants a login (401 Unauthorized): %s://user:password@%s, or a token in the query, as it asks for", d.url.Scheme, d.url.Host))
	case code == http.StatusNotFound:
		return d.because(transport.CauseNotFound, fmt.Errorf("the server has nothing at %q; check the path", d.url.Path))
	}
	return d.because(transport.CauseNoUpgrade, fmt.Errorf("the server answers %q where an upgrade was expected; check the path", resp.Status))
}

// redirect names the URL to dial in the place of this one, as a ws or wss URL.
func (d *dial) redirect(resp *http.Response) error {
	to, err := resp.Location()
	if err != nil {
		return fmt.Errorf("the server redirects (%s) and does not say where to", resp.Status)
	}
	to.Scheme = strings.Replace(to.Scheme, "http", "ws", 1)
	if (to.Scheme != "ws" && to.Scheme != "wss") || to.Host == "" {
		return fmt.Errorf("the server redirects (%s) to what is no node", resp.Status)
	}
	return fmt.Errorf("the server redirects; dial %v", secret.URL(to.String()))
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
