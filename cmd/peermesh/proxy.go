package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/peermesh/peermesh/internal/hint"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/node"
)

// proxies is how a node chooses the forward proxy for a URL, see node.Proxies.
type proxies func(target *url.URL, at netip.Addr) (*url.URL, error)

// maskedProxy is the setting of a proxy without its user and password.
func maskedProxy(text string) string {
	if _, err := node.Proxies(text); err != nil {
		return "***"
	}
	at := strings.LastIndex(text, "@")
	if at < 0 {
		return text
	}
	scheme := ""
	if before, _, ok := strings.Cut(text, "://"); ok {
		scheme = before + "://"
	}
	return scheme + "***@" + text[at+1:]
}

// ofRequest chooses for an HTTP client.
func (p proxies) ofRequest(r *http.Request) (*url.URL, error) { return p(r.URL, netip.Addr{}) }

// stopwatch is a new one that dials as the node would.
func (p *patient) stopwatch() *stopwatch { return &stopwatch{roots: p.roots, proxies: p.proxies} }

// proxy says which forward proxies the bootstrap URLs go by, and whether anybody
// answers there. It says nothing where there are none.
func (p *patient) proxy(ctx context.Context) {
	users := make(map[string]int)
	var order []*url.URL
	direct := 0
	for _, raw := range p.cfg.Bootstrap {
		u, err := url.Parse(raw)
		if err != nil {
			continue // told with the bootstrap URLs
		}
		via, err := p.proxies(u, netip.Addr{})
		switch {
		case err != nil:
			p.say(finding{Verdict: verdictFail, Check: "proxy", Subject: secret.URL(raw).String(), Stage: "proxy", Detail: err.Error(), Hint: hint.Join("proxy", "")})
		case via == nil:
			direct++
		default:
			if users[via.String()] == 0 {
				order = append(order, via)
			}
			users[via.String()]++
		}
	}
	for _, via := range order {
		f := finding{Verdict: verdictOK, Check: "proxy", Subject: node.ProxyName(via), Detail: fmt.Sprintf("answers; %d of %d bootstrap URLs go by it", users[via.String()], len(p.cfg.Bootstrap))}
		if direct > 0 {
			f.Detail += fmt.Sprintf(", %d by none: NO_PROXY or loopback", direct)
		}
		if err := p.knock(ctx, via); err != nil {
			f.Verdict, f.Stage, f.Detail, f.Hint = verdictFail, "proxy", err.Error(), hint.Join("proxy", "")
		}
		p.say(f)
	}
}

// knock connects to a proxy and says nothing.
func (p *patient) knock(ctx context.Context, via *url.URL) error {
	_, at, _ := strings.Cut(node.ProxyName(via), "://")
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at)
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	if err != nil {
		return err
	}
	return conn.Close()
}
