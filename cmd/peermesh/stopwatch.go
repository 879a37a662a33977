package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http/httptrace"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/ws"
)

// stageTime is how long one stage on the way to a node took.
type stageTime struct {
	Stage string  `json:"stage"` // dns, tcp, or in their place proxy; tls, ws, hello
	Ms    float64 `json:"ms"`
}

// stopwatch is a Dialer that times the stages of its first dial.
type stopwatch struct {
	roots   *x509.CertPool // nil: the system's
	proxies proxies

	mu     sync.Mutex
	last   time.Time // when the stage before ended; zero: nothing has begun
	stages []stageTime
	full   bool // the first dial is over
}

// ended notes the end of a stage.
func (w *stopwatch) ended(stage string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full || w.last.IsZero() {
		return
	}
	now := time.Now()
	w.stages = append(w.stages, stageTime{stage, millis(now.Sub(w.last))})
	w.last = now
}

// finish returns the stages that have ended, and takes no more.
func (w *stopwatch) finish() []stageTime {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.full = true
	return w.stages
}

// Dial implements transport.Dialer.
func (w *stopwatch) Dial(ctx context.Context, u *url.URL) (transport.Conn, error) {
	w.mu.Lock()
	w.last, w.full = time.Now(), w.full || !w.last.IsZero()
	w.mu.Unlock()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSDone: func(httptrace.DNSDoneInfo) { w.ended("dns") },
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				w.ended("tcp")
			}
		},
	})
	d := ws.Dialer{Proxy: w.proxies, Tunnelled: func(*url.URL) { w.ended("proxy") }, TLSConfig: &tls.Config{
		RootCAs: w.roots, MinVersion: tls.VersionTLS12,
		VerifyConnection: func(tls.ConnectionState) error {
			w.ended("tls")
			return nil
		},
	}}
	conn, err := d.Dial(ctx, u)
	if err == nil {
		w.ended("ws")
	}
	return conn, err
}

// trustedRoots are the system's and those of a PEM file, as a node has them;
// nil: the system's alone.
func trustedRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--tls-ca: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	roots.AppendCertsFromPEM(pem)
	return roots, nil
}
