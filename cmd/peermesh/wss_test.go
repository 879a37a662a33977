package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority makes an authority of the test's own and a certificate by it for the
// loopback address, all as PEM files.
func authority(t *testing.T) (caFile, certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	sign := func(template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "node"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(loopback)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caKey, key := newKey(), newKey()
	caFile = write("ca.pem", "CERTIFICATE", sign(ca, ca, caKey, caKey))
	certFile = write("cert.pem", "CERTIFICATE", sign(leaf, ca, key, caKey))
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return caFile, certFile, write("key.pem", "EC PRIVATE KEY", der)
}

// Nodes that serve wss themselves carry what nodes behind ws carry: links of relays,
// of leaves and of commands, both ways, whoever dialled.
func TestNodesThatServeWSS(t *testing.T) {
	ca, cert, key := authority(t)
	secure := []string{"--cert", cert, "--key", key, "--tls-ca", ca, "--webrtc", "off"}
	_, first, url := startNode(t, secure...)
	if !strings.HasPrefix(url, "wss://") {
		t.Fatalf("URL of a node with a certificate: got %s, want wss://", url)
	}
	_, second, secondURL := startNode(t, append(secure, "--bootstrap", url)...)
	over := func(url string, args ...string) []string { return append(args, "--tls-ca", ca, "--bootstrap", url) }
	listener, id := startListener(t, secondURL, "--echo", "--tls-ca", ca, "--webrtc", "off")

	t.Run("send", func(t *testing.T) {
		for _, by := range []string{url, secondURL} {
			runOnce(t, "", over(by, "send", id, "hello")...).wantCode(t, exitOK, "acknowledged 5 bytes")
			wantMessage(t, listener, "hello")
		}
	})
	t.Run("a long message", func(t *testing.T) {
		long := strings.Repeat("x", 60_000)
		runOnce(t, long, over(url, "send", id)...).wantCode(t, exitOK, "acknowledged 60000 bytes")
		wantMessage(t, listener, long)
	})
	t.Run("ping", func(t *testing.T) {
		for _, to := range []string{first, second, id} {
			runOnce(t, "", over(url, "ping", "-c", "2", "-i", "10ms", to)...).wantCode(t, exitOK)
		}
	})
	t.Run("request", func(t *testing.T) {
		r := runOnce(t, "", over(url, "request", id, "echo this")...)
		r.wantCode(t, exitOK)
		if !strings.Contains(r.out, "echo this") {
			t.Errorf("answer: got %q, want what was asked", r.out)
		}
	})
	t.Run("peers", func(t *testing.T) {
		r := runOnce(t, "", "peers", "--id", first, "--json")
		r.wantCode(t, exitOK)
		if !strings.Contains(r.out, second) {
			t.Errorf("peers of the first node: got %s, want %s among them", r.out, second)
		}
	})
}
