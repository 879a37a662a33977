package ws_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/ws"
)

// A server of net/http that refused a request lingers for 500 ms, longer than
// goleak waits.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// serve runs a server on a port of 127.0.0.1 until the test ends and returns
// its host:port.
func serve(t testing.TB, srv *http.Server) string {
	t.Helper()
	return serveOn(t, srv, srv.Serve)
}

func serveTLS(t testing.TB, srv *http.Server, certFile, keyFile string) string {
	t.Helper()
	return serveOn(t, srv, func(l net.Listener) error { return srv.ServeTLS(l, certFile, keyFile) })
}

func serveOn(t testing.TB, srv *http.Server, run func(net.Listener) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run(l) }()
	t.Cleanup(func() {
		_ = srv.Close()
		<-ended
	})
	return l.Addr().String()
}

// acceptor is a Handler that gives what it accepts to a channel.
func acceptor() (*ws.Handler, <-chan transport.Conn) {
	accepted := make(chan transport.Conn, 16)
	return &ws.Handler{Accept: func(c transport.Conn) { accepted <- c }}, accepted
}

func parse(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func dial(t testing.TB, d *ws.Dialer, text string) transport.Conn {
	t.Helper()
	c, err := d.Dial(context.Background(), parse(t, text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// plainPair is a dialled and an accepted end over TCP.
func plainPair(t testing.TB) (a, b transport.Conn) {
	h, accepted := acceptor()
	a = dial(t, &ws.Dialer{}, "ws://"+serve(t, ws.NewServer(h))+"/mesh#0011")
	return a, keep(t, accepted)
}

// keep takes the accepted end and closes it when the test ends.
func keep(t testing.TB, accepted <-chan transport.Conn) transport.Conn {
	c := <-accepted
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// authority signs the certificates of one test.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = a.sign(t, template, template, a.key)
	return a
}

func (a *authority) sign(t testing.TB, template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// files writes a server's certificate for the given name or address, and its
// key, as PEM files.
func (a *authority) files(t testing.TB, host string, notAfter time.Time) (certFile, keyFile string) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test server"},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: notAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	key := newKey(t)
	cert := a.sign(t, template, a.cert, key)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "CERTIFICATE", cert.Raw), writePEM(t, "PRIVATE KEY", keyDER)
}

func writePEM(t testing.TB, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// trusted is the configuration of a client that trusts the authority.
func (a *authority) trusted() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool}
}
