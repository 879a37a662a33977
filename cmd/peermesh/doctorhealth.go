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

	"github.com/peermesh/peermesh/internal/secret"
)

const (
	// maxHealth is how many bytes of an answer are read; a node says "ok".
	maxHealth = 64
)

// askHealth asks for /healthz below a URL. Anything but an answer of a node is an
// error. Here is this machine, whose certificate need not be for the name it is called by.
func (p *patient) askHealth(ctx context.Context, base *url.URL, here bool) error {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("healthz").String(), nil)
	if err != nil {
		return err
	}
	carrier := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots, MinVersion: tls.VersionTLS12, InsecureSkipVerify: here}}
	if !here && p.proxies != nil {
		carrier.Proxy = p.proxies.ofRequest
	}
	defer carrier.CloseIdleConnections()
	client := http.Client{Transport: carrier, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHealth))
	if err != nil || resp.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) != "ok" {
		return errors.Join(fmt.Errorf("%s, and not the answer of a node", resp.Status), err)
	}
	return nil
}

// health looks at an http URL.
func (p *patient) health(ctx context.Context, raw string) {
	f := finding{Verdict: verdictOK, Check: "url", Subject: secret.URL(raw).String(), Detail: "answers /healthz"}
	u, err := secret.URL(raw).Parse()
	if err == nil {
		err = p.askHealth(ctx, u, false)
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
