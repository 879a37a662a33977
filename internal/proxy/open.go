package proxy

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
	"golang.org/x/net/proxy"
)

// Open asks the proxy at the other end of conn for a way to target, "host:port".
// The proxy resolves names. ctx bounds it; the caller closes conn after an error,
// which is a *transport.ProxyError or that of the connection.
func Open(ctx context.Context, conn net.Conn, via *url.URL, target string) error {
	if via.Scheme == SOCKS5 || via.Scheme == SOCKS5H {
		return socks(ctx, conn, via, target)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err := connect(conn, via, target)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// connect is HTTP's CONNECT.
func connect(conn net.Conn, via *url.URL, target string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: make(http.Header)}
	if via.User != nil {
		password, _ := via.User.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(via.User.Username()+":"+password)))
	}
	if err := req.Write(conn); err != nil {
		return err
	}
	r := bufio.NewReader(io.LimitReader(conn, limits.HTTPHeaderBytes))
	if _, err := r.Peek(1); err != nil {
		return err
	}
	resp, err := http.ReadResponse(r, req)
	for err == nil && resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
		resp, err = http.ReadResponse(r, req)
	}
	switch {
	case err != nil:
		return &transport.ProxyError{Proxy: Name(via), Err: fmt.Errorf("what answers there is no HTTP proxy; check host, port and scheme: %w", err)}
	case resp.StatusCode/100 != 2:
		return &transport.ProxyError{Proxy: Name(via), Status: resp.StatusCode, Err: errors.New(refusal(resp, via, target))}
	case r.Buffered() > 0: // nothing comes from a target that was not spoken to
		return &transport.ProxyError{Proxy: Name(via), Err: errors.New("the proxy said more than that the way is open")}
	}
	return nil
}

// refusal says what an answer other than 200 means.
func refusal(resp *http.Response, via *url.URL, target string) string {
	said := fmt.Sprintf("(%d %s)", resp.StatusCode, http.StatusText(resp.StatusCode))
	switch resp.StatusCode {
	case http.StatusProxyAuthRequired:
		if offered := strings.Join(resp.Header.Values("Proxy-Authenticate"), ", "); offered != "" && !strings.Contains(strings.ToLower(offered), "basic") {
			return fmt.Sprintf("the proxy wants %.40q, and only basic authentication is spoken here %s", offered, said)
		}
		if via.User == nil {
			return "the proxy wants a user and a password " + said + "; give them in its URL: http://user:password@host:port"
		}
		return "the proxy refuses the user or the password " + said + "; check both, with %-escapes for odd characters"
	case http.StatusForbidden:
		return "the proxy does not let this machine go to " + target + " " + said + "; many let nothing pass but port 443: ask who runs it, or use a wss URL on port 443"
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusNotFound:
		return "the proxy does not reach " + target + " " + said + "; check the URL's host and port, and that the node runs"
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return "what answers there does not open ways to " + target + " " + said + "; is it a proxy, and does it allow CONNECT?"
	}
	return "the proxy refuses the way to " + target + " " + said
}

// socks is SOCKS5, by the library.
func socks(ctx context.Context, conn net.Conn, via *url.URL, target string) error {
	var auth *proxy.Auth
	if via.User != nil {
		password, _ := via.User.Password()
		auth = &proxy.Auth{User: via.User.Username(), Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", Address(via), auth, proxy.Direct)
	if err != nil {
		return err
	}
	over, ok := dialer.(interface {
		DialWithConn(ctx context.Context, c net.Conn, network, address string) (net.Addr, error)
	})
	if !ok {
		return errors.ErrUnsupported // another version of the library
	}
	_, err = over.DialWithConn(ctx, conn, "tcp", target)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // the library's layer names the proxy and the target again
	}
	if errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err // of the connection
	}
	return &transport.ProxyError{Proxy: Name(via), Err: errors.New(socksRefusal(err.Error(), auth != nil, target))}
}

// socksRefusal says what an error of the library means. It has texts alone.
func socksRefusal(text string, user bool, target string) string {
	text = strings.TrimPrefix(text, "unknown error ")
	said := "(" + text + ")"
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(text, part) {
				return true
			}
		}
		return false
	}
	switch {
	case has("no acceptable authentication methods") && !user:
		return "the proxy wants a user and a password " + said + "; give them in its URL: socks5://user:password@host:port"
	case has("authentication"):
		return "the proxy refuses the user or the password " + said + "; check both, with %-escapes for odd characters"
	case has("not allowed by ruleset"):
		return "the proxy does not let this machine go to " + target + " " + said + "; ask who runs it"
	case has("connection refused", "host unreachable", "network unreachable", "general SOCKS server failure", "TTL expired"):
		return "the proxy does not reach " + target + " " + said + "; check the URL's host and port, and that the node runs"
	case has("unexpected protocol version"):
		return "what answers there is no SOCKS5 proxy " + said + "; check host, port and scheme"
	}
	return "the proxy refuses the way to " + target + " " + said
}
