package dgram_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/node"
)

// An URL names a node by its ID, and a client with no more than that gets pages.
func TestHTTP3OverTwoRelays(t *testing.T) {
	a, c := apart(t)
	server := &http3.Server{
		TLSConfig: dgram.ServerTLS(c.Node(), http3.NextProtoH3),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("From", r.RemoteAddr)
			_, _ = io.Copy(w, r.Body) // an error: the client is gone
		}),
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer server.Close()
	serving.Go(func() {
		if err := server.Serve(c); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the server ended with %v, want %v", err, http.ErrServerClosed)
		}
	})

	socket := &quic.Transport{Conn: a}
	defer socket.Close()
	carrier := &http3.Transport{
		TLSClientConfig: dgram.ClientTLS(addrOf(c).ID, http3.NextProtoH3),
		Dial: func(ctx context.Context, addr string, tlsConfig *tls.Config, config *quic.Config) (*quic.Conn, error) {
			to, err := node.ParseAddr(addr)
			if err != nil {
				return nil, err
			}
			return socket.DialEarly(ctx, to, tlsConfig, config)
		},
	}
	defer carrier.Close()
	client := &http.Client{Transport: carrier, Timeout: time.Minute}
	body := strings.Repeat("a page ", 50_000)
	for range 2 {
		page, err := client.Post("https://"+c.LocalAddr().String()+"/", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(page.Body)
		page.Body.Close()
		if err != nil || string(got) != body || page.ProtoMajor != 3 {
			t.Errorf("got HTTP/%d, %d bytes and %v, want %d over HTTP/3", page.ProtoMajor, len(got), err, len(body))
		}
		if from := page.Header.Get("From"); from != a.LocalAddr().String() {
			t.Errorf("the client's address: got %s, want %v", from, a.LocalAddr())
		}
	}
}
