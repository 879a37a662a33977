package ws_test

import (
	"io"
	"log"
	"net/http"
	"testing"
	"time"

	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/transporttest"
	"github.com/peermesh/peermesh/transport/ws"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, "dialled end first", plainPair)
	transporttest.Run(t, "accepted end first", func(t testing.TB) (a, b transport.Conn) {
		b, a = plainPair(t)
		return a, b
	})
	ca := newAuthority(t)
	certFile, keyFile := ca.files(t, "127.0.0.1", time.Now().Add(time.Hour))
	securePair := func(t testing.TB) (a, b transport.Conn) {
		h, accepted := acceptor()
		host := serveTLS(t, ws.NewServer(h), certFile, keyFile)
		a = dial(t, &ws.Dialer{TLSConfig: ca.trusted()}, "wss://"+host)
		return a, keep(t, accepted)
	}
	transporttest.Run(t, "TLS, dialled end first", securePair)
	transporttest.Run(t, "TLS, accepted end first", func(t testing.TB) (a, b transport.Conn) {
		b, a = securePair(t)
		return a, b
	})
	transporttest.Run(t, "foreign server", foreignPair)
}

// wrapped is the ResponseWriter of some middleware.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// foreignPair mounts the handler below a path of somebody else's server, with
// deadlines and middleware of its own.
func foreignPair(t testing.TB) (a, b transport.Conn) {
	h, accepted := acceptor()
	mux := http.NewServeMux()
	mux.HandleFunc("/", http.NotFound)
	mux.HandleFunc("/some/where/", func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(wrapped{w}, r)
	})
	host := serve(t, &http.Server{
		Handler: mux, ReadTimeout: time.Hour, WriteTimeout: time.Hour, ErrorLog: log.New(io.Discard, "", 0),
	})
	a = dial(t, &ws.Dialer{}, "ws://"+host+"/some/where/else")
	return a, keep(t, accepted)
}
