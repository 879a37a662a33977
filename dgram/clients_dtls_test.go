package dgram_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"

	"github.com/peermesh/peermesh/node"
)

// Both sides show a certificate, and each checks that it is for the ID of the
// other.
func TestDTLSOverTwoRelays(t *testing.T) {
	a, c := apart(t)
	ctx := upTo(t, time.Minute)
	pin := func(to net.PacketConn) dtls.Option {
		return dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			return pinned(raw, to.LocalAddr())
		})
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() {
		conn, err := dtls.ServerWithOptions(c, a.LocalAddr(), pin(a), dtls.WithCertificates(certify(t, c)),
			dtls.WithClientAuth(dtls.RequireAnyClientCert))
		if err == nil {
			err = conn.HandshakeContext(ctx)
		}
		if err != nil {
			t.Error(err)
			return
		}
		echo(conn)
	})
	conn, err := dtls.ClientWithOptions(a, c.LocalAddr(), pin(c), dtls.WithCertificates(certify(t, a)),
		dtls.WithInsecureSkipVerify(true), dtls.WithServerName(addrOf(c).ID.String()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.HandshakeContext(ctx); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 2_000)
	for _, size := range []int{1, 100, 1_200, 1_400} {
		sent := bytes.Repeat([]byte{byte(size)}, size)
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(answer); err != nil || !bytes.Equal(answer[:n], sent) {
			t.Errorf("%d bytes: got %d back and %v", size, n, err)
		}
	}
	if got := conn.RemoteAddr(); got != c.LocalAddr() {
		t.Errorf("remote address: got %v, want %v", got, c.LocalAddr())
	}
}

// echo sends back what comes until the other side closes.
func echo(conn net.Conn) {
	buf := make([]byte, 2_000)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			conn.Close()
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A certificate for another ID is refused.
func TestDTLSIsPinned(t *testing.T) {
	a, c := apart(t)
	go func() { // it fails, as it should, when the client hangs up or the port closes
		conn, err := dtls.ServerWithOptions(c, a.LocalAddr(), dtls.WithCertificates(certify(t, a)))
		if err == nil {
			_ = conn.HandshakeContext(t.Context())
			conn.Close()
		}
	}()
	conn, err := dtls.ClientWithOptions(a, c.LocalAddr(), dtls.WithInsecureSkipVerify(true),
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error { return pinned(raw, c.LocalAddr()) }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.HandshakeContext(upTo(t, time.Minute))
	if !errors.Is(err, node.ErrTLSCertificate) {
		t.Errorf("a certificate of another ID: got %v, want %v", err, node.ErrTLSCertificate)
	}
}
