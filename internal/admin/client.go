package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/peermesh/peermesh/internal/limits"
)

// Client asks one admin listener. Close gives its connection back.
type Client struct {
	base string // the URL without a slash at its end
	http http.Client
}

// ErrUnreachable is the cause of an error when nobody answers at the URL.
var ErrUnreachable = errors.New("no running node answers there")

// ErrBusy is the cause of an error when the listener took the connection and gave
// no answer.
var ErrBusy = errors.New("the admin page is busy")

// ErrNoAdmin is the cause of an error when what answers is something else.
var ErrNoAdmin = errors.New("no admin page of a node is there")

// NewClient returns a client of the listener at a URL such as
// http://127.0.0.1:9090; the scheme may be left out. The proxies of the
// environment are not used: the listener is on this machine.
func NewClient(at string) (*Client, error) {
	if !strings.Contains(at, "://") {
		at = "http://" + at
	}
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.Port() == "" {
		return nil, errors.New("want http://host:port")
	}
	return &Client{
		base: "http://" + u.Host,
		http: http.Client{
			Timeout: limits.AdminRead, Transport: &http.Transport{MaxIdleConns: 1},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Close ends the connection that is kept between questions.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks for the status. It is an error of [ErrUnreachable] if nobody
// listens, of [ErrNoAdmin] if what answers is no admin listener, and another if
// it is one of another version.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/status.json", nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
		return nil, fmt.Errorf("%s: %w: %w", c.base, ErrUnreachable, op.Err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%s: %w: %w", c.base, ErrBusy, bareError(err))
	}
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", c.base, ErrNoAdmin, bareError(err))
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, limits.AdminAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.base, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %w: it answers %s", c.base, ErrNoAdmin, resp.Status)
	}
	return parseStatus(c.base, text)
}

// bareError is err without the URL, which is told already.
func bareError(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

func parseStatus(from string, text []byte) (*Status, error) {
	var v struct{ V int }
	if err := json.Unmarshal(text, &v); err != nil || v.V == 0 {
		return nil, fmt.Errorf("%s: %w: it answers something else than a status", from, ErrNoAdmin)
	}
	if v.V != Version {
		return nil, fmt.Errorf("%s speaks version %d of the status, this program version %d: use the same release", from, v.V, Version)
	}
	s := new(Status)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return s, nil
}
