//go:build unix

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ownCertificate writes a certificate for loopback that is its own authority.
func ownCertificate(t *testing.T, cert, key string, until time.Time) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.ParseIP(loopback)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A node starts with a certificate that has ended, and says so; once it is renewed
// others join, and who is linked stays. Authorities are read again as well.
func TestCertificateIsRenewedWhileTheNodeRuns(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	ownCertificate(t, cert, key, time.Now().Add(-24*time.Hour))
	flags := []string{"--cert", cert, "--key", key, "--webrtc", "off"}
	r := runOnce(t, "", append([]string{"config", "check", "--config=", "--port", "0"}, flags...)...)
	r.wantCode(t, exitOK, "warning: the certificate ended at ", "hint: renew the files", "no mistakes")

	p, id, url := startNode(t, flags...)
	p.wantSaid(t, "warning: the certificate ended at ")
	if r := runOnce(t, "", "status", "--id", id); !strings.Contains(r.out, "warn  the certificate ended at ") {
		t.Errorf("status: got\n%s", r.out)
	}
	if r := runOnce(t, "", "ping", id, "-c", "1", "-b", url, "--tls-ca", cert, "--timeout", "2s"); r.code == exitOK {
		t.Error("a join while it has ended: got one, want none")
	}

	ownCertificate(t, cert, key, time.Now().Add(24*time.Hour))
	hangUp(t, p)
	if e := p.event(t, "reloaded"); e["part"] != "certificate" {
		t.Errorf("got %v, want the certificate", e)
	}
	p.event(t, "warning") // that it ends tomorrow
	listener, leaf := startListener(t, url, "--tls-ca", cert)
	if r := runOnce(t, "", "doctor", "--config=", "--port", "0", "--cert", cert, "--key", key, "--tls-ca", cert); !strings.Contains(r.out, "warn     cert") {
		t.Errorf("doctor: got\n%s%s", r.out, r.err)
	}

	ownCertificate(t, cert, key, time.Now().Add(90*24*time.Hour))
	hangUp(t, p)
	p.event(t, "resolved")
	runOnce(t, "", "send", leaf, "hi", "-b", url, "--tls-ca", cert).wantCode(t, exitOK)
	wantMessage(t, listener, "hi") // by the link made with the certificate before
	p.stop(t, syscall.SIGINT).wantCode(t, exitInterrupted)
}
