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
	"slices"
	"strings"
	"testing"
	"time"
)

// authority makes an authority of the test's own and a certificate by it for the
// loopback address, all as PEM files.
func authority(t *testing.T) (caFile, certFile, keyFile string) {
	return authorityUntil(t, time.Now().Add(time.Hour))
}

// authorityUntil is authority with a certificate that holds until then.
func authorityUntil(t *testing.T, end time.Time) (caFile, certFile, keyFile string) {
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
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "node"}, NotAfter: end,
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

// Doctor of nodes that serve wss by an authority of their own: all is well where it is
// told that one, and where not it says what to do.
func TestDoctorOverWSS(t *testing.T) {
	ca, cert, key := authority(t)
	secure := []string{"--cert", cert, "--key", key, "--webrtc", "off"}
	trusting := append(secure, "--tls-ca", ca)
	_, first, url := startNode(t, trusting...)
	second, secondID, secondURL := startNode(t, append(trusting, "--bootstrap", url)...)
	second.event(t, "peer-up")
	port := secondURL[strings.LastIndex(secondURL, ":")+1:]
	join := func(args ...string) []string { return append(args, "--host", loopback, "--bootstrap", url) }
	https := strings.Replace(url, "wss", "https", 1)

	t.Run("all is well", func(t *testing.T) {
		all := findings(t, exitOK, append(join(trusting...), "--port", "0", secondURL, secondID, https)...)
		wantFinding(t, found(t, all, "bootstrap", url), verdictOK, first)
		if want := []string{"tcp", "tls", "ws", "hello"}; !slices.Equal(stageNames(found(t, all, "bootstrap", url)), want) {
			t.Errorf("stages: got %+v, want %q", found(t, all, "bootstrap", url).Stages, want)
		}
		wantFinding(t, found(t, all, "clock", ""), verdictOK, "within 1s")
		wantFinding(t, found(t, all, "reach", ""), verdictOK, "peer "+secondID[:8]+" dialled this node")
		wantFinding(t, found(t, all, "url", secondURL), verdictOK, secondID)
		wantFinding(t, found(t, all, "url", https), verdictOK, "answers /healthz")
		wantFinding(t, found(t, all, "node", secondID), verdictOK, "answers in")
	})
	t.Run("a node that runs", func(t *testing.T) {
		all := findings(t, exitOK, append(join(trusting...), "--port", port)...)
		wantFinding(t, found(t, all, "listen", ""), verdictOK, "a node runs there already")
		wantFinding(t, found(t, all, "url", secondURL), verdictOK, "loopback")
		all = findings(t, exitError, join("--port", port)...)
		wantFinding(t, found(t, all, "listen", ""), verdictFail, "a node runs there already, with a certificate (wss)")
	})
	t.Run("a health check", func(t *testing.T) {
		for _, args := range [][]string{secure, nil} {
			all := findings(t, exitOK, append(args, "--running", "--host", loopback, "--port", port)...)
			wantFinding(t, found(t, all, "running", ""), verdictOK, "answers /healthz")
		}
	})
	t.Run("authority not told", func(t *testing.T) {
		all := findings(t, exitError, append(join(secure...), "--port", "0")...)
		f := found(t, all, "bootstrap", url)
		wantFinding(t, f, verdictFail, "unknown authority")
		wantHint(t, f, "--tls-ca")
		wantHint(t, ownURL(t, all), "--tls-ca, here and at each node")
	})
	t.Run("another name", func(t *testing.T) {
		all := findings(t, exitOK, append(join(trusting...), "--port", "0", "--public-url", "wss://127.0.0.2:1")...)
		wantFinding(t, found(t, all, "url", "wss://127.0.0.2:1"), verdictWarn, "connection refused")
		all = findings(t, exitOK, append(join(trusting...), "--port", "0", "--public-url", "wss://localhost:"+port)...)
		wantHint(t, ownURL(t, all), "a certificate that names it")
		wantHint(t, found(t, all, "reach", ""), "see url")
	})
	t.Run("no longer valid", func(t *testing.T) {
		ca, cert, key := authorityUntil(t, time.Now().Add(-time.Minute))
		all := findings(t, exitError, "--host", loopback, "--port", "0", "--cert", cert, "--key", key, "--tls-ca", ca)
		wantFinding(t, found(t, all, "cert", ""), verdictFail, "the certificate ended")
		wantFinding(t, ownURL(t, all), verdictWarn, "certificate ended at")
		wantHint(t, ownURL(t, all), "renew the certificate")
	})
}

// ownURL is the finding about a URL of the node's own.
func ownURL(t *testing.T, all []finding) finding {
	t.Helper()
	for _, f := range all {
		if f.Check == "url" {
			return f
		}
	}
	t.Fatalf("no finding about an own URL in %+v", all)
	return finding{}
}

func wantHint(t *testing.T, f finding, hint string) {
	t.Helper()
	if !strings.Contains(f.Hint, hint) {
		t.Errorf("%s %s: got hint %q, want %q in it", f.Check, f.Subject, f.Hint, hint)
	}
}
