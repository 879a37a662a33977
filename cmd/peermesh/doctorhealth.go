package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/secret"
)

const (
	// maxHealth is how many bytes of an answer are read; a node says "ok".
	maxHealth = 64

	// clockWarn is a clock difference worth a word; HTTP tells whole seconds.
	clockWarn = 30 * time.Second
)

// healthURL is /healthz beside a node's URL.
func healthURL(raw string) (*url.URL, error) {
	u, err := secret.URL(raw).Parse()
	if err != nil {
		return nil, err
	}
	u.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	u.Fragment = ""
	return u, nil
}

// askHealth asks for /healthz below a URL and returns how far the clock there is
// ahead. Anything but an answer of a node is an error. Here is this machine, whose
// certificate need not be for the name it is called by.
func (p *patient) askHealth(ctx context.Context, base *url.URL, here bool) (ahead time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("healthz").String(), nil)
	if err != nil {
		return 0, err
	}
	carrier := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots, MinVersion: tls.VersionTLS12, InsecureSkipVerify: here}}
	if !here && p.proxies != nil {
		carrier.Proxy = p.proxies.ofRequest
	}
	defer carrier.CloseIdleConnections()
	client := http.Client{Transport: carrier, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	took := time.Since(began)
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHealth))
	if err != nil || resp.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) != "ok" {
		return 0, errors.Join(fmt.Errorf("%s, and not the answer of a node", resp.Status), err)
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, nil // it answers all the same
	}
	return date.Add(500 * time.Millisecond).Sub(began.Add(took / 2)), nil // whole seconds, cut off
}

// health looks at an http URL.
func (p *patient) health(ctx context.Context, raw string) {
	f := finding{Verdict: verdictOK, Check: "url", Subject: secret.URL(raw).String(), Detail: "answers /healthz"}
	u, err := secret.URL(raw).Parse()
	if err == nil {
		_, err = p.askHealth(ctx, u, false)
	}
	if err != nil {
		f.Verdict, f.Detail, f.Hint = verdictFail, bareCause(err), "is a node running there?"
	}
	p.say(f)
}

// bareCause is an error without the URL that an HTTP client repeats.
func bareCause(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err.Error()
	}
	return err.Error()
}

// clock compares this machine's with those of the bootstrap nodes.
func (p *patient) clock(context.Context) {
	f := finding{Verdict: verdictOK, Check: "clock", Detail: "nobody to compare it with"}
	if p.compared {
		off := p.farthest.Round(time.Second)
		f.Detail = fmt.Sprintf("within %s of those of the bootstrap nodes", max(off.Abs(), time.Second))
		if off.Abs() >= clockWarn {
			way := "behind"
			if off < 0 {
				way = "ahead of"
			}
			f.Verdict, f.Detail, f.Hint = verdictWarn, fmt.Sprintf("%s %s a bootstrap node's", off.Abs(), way), "set it by NTP; more than 5 minutes apart nodes refuse each other"
		}
		if off.Abs() >= limits.ClockTolerance {
			f.Verdict = verdictFail
		}
	}
	p.say(f)
}
