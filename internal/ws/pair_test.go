package ws

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server accepts connections with opts on a port of 127.0.0.1.
func server(t testing.TB, opts AcceptOptions, secure bool) (base *url.URL, client *tls.Config, accepted <-chan *Conn) {
	t.Helper()
	conns := make(chan *Conn, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, opts)
		if err != nil {
			t.Errorf("Accept: got %v, want no error", err)
			close(conns)
			return
		}
		conns <- c
	}))
	if secure {
		srv.StartTLS()
		client = srv.Client().Transport.(*http.Transport).TLSClientConfig
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	base, err := url.Parse(strings.Replace(srv.URL, "http", "ws", 1))
	if err != nil {
		t.Fatal(err)
	}
	return base, client, conns
}

// pair is a dialled and an accepted end with the same settings.
func pair(t testing.TB, s Settings, secure bool) (dialled, accepted *Conn) {
	t.Helper()
	u, cfg, conns := server(t, AcceptOptions{Settings: s}, secure)
	dialled, err := Dial(context.Background(), u, DialOptions{TLSConfig: cfg, Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	accepted = <-conns
	t.Cleanup(func() {
		_ = dialled.Close()
		_ = accepted.Close()
	})
	return dialled, accepted
}

// rawPair is an accepted end and the bare socket of a client that has
// upgraded.
func rawPair(t testing.TB, s Settings, secure bool) (raw net.Conn, accepted *Conn) {
	t.Helper()
	u, cfg, conns := server(t, AcceptOptions{Settings: s}, secure)
	d, err := Dial(context.Background(), u, DialOptions{TLSConfig: cfg})
	if err != nil {
		t.Fatal(err)
	}
	accepted = <-conns
	t.Cleanup(func() {
		_ = d.Close()
		_ = accepted.Close()
	})
	return d.cork.Conn, accepted
}

// inRoom is memory for messages of up to n bytes.
func inRoom(n int) func() []byte {
	b := make([]byte, n+1)
	return func() []byte { return b }
}
