//go:build linux

package natlab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// requireTools is set where foreign programs have to be there (the Makefile).
const requireTools = "REQUIRE_LAB_TOOLS"

// TestTURNOverTLS: two nodes whose networks let no UDP out link by way of coturn, which
// they reach over TLS, with a user whose name has marks in it and ends at a time.
func TestTURNOverTLS(t *testing.T) {
	t.Parallel()
	needLab(t)
	turnserver, err := exec.LookPath(tool("turnserver"))
	if err != nil {
		if os.Getenv(requireTools) != "" {
			t.Fatal("there is no program turnserver: make lab-tools installs coturn")
		}
		t.Skip("there is no program turnserver: install coturn")
	}
	m := &mesh{}
	m.cell, m.host[0], m.host[1] = pairing{blocked, blocked, apart}.build(t)
	url := "ws://" + m.relay[0].at(relayPort)
	m.relay[0].runs(t, "--port", fmt.Sprint(relayPort))

	const secret = "the server's own"
	dir := t.TempDir()
	at := m.onWAN(t, "turn", outer(30))
	ca := certificateFor(t, dir, at.addr.String())
	at.ip(t, "link set lo up")
	conf := []string{
		"listening-ip=" + at.addr.String(), "relay-ip=" + at.addr.String(), "realm=lab", "use-auth-secret", "static-auth-secret=" + secret,
		"cert=" + filepath.Join(dir, "cert.pem"), "pkey=" + filepath.Join(dir, "key.pem"), "no-cli", "log-file=stdout", "simple-log", "fingerprint",
		"userdb=" + filepath.Join(dir, "db"), "pidfile=" + filepath.Join(dir, "pid"),
	}
	file := filepath.Join(dir, "turnserver.conf")
	if err := os.WriteFile(file, []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := at.start(t, nil, turnserver, "-c", file)
	go func() {
		for range server.lines { // else it waits for who reads them
		}
	}()

	user := fmt.Sprintf("%d:alice@lab", time.Now().Add(time.Hour).Unix())
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(user))
	ice := "turns:" + strings.NewReplacer(":", "%3A", "@", "%40").Replace(user) + ":" + base64.StdEncoding.EncodeToString(mac.Sum(nil)) + "@" + at.addr.String()
	m.url = [2]string{url, url}
	awaitServer(t, m, "--ice", ice, "--tls-ca", ca)
	var node [2]*member
	for i, h := range m.host {
		node[i] = h.runs(t, "--bootstrap", url, "--ice", ice, "--tls-ca", ca)
	}
	for i := range 2 {
		if l := m.awaitLink(t, i, node[i], node[1-i]); l.Path != "relay/relay" {
			t.Errorf("link: got %+v, want one between two relayed addresses", l)
		}
	}
}

// awaitServer waits until doctor finds that the server relays.
func awaitServer(t *testing.T, m *mesh, flags ...string) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		out, err := m.at(0, append([]string{"doctor", "--config=", "--bootstrap", m.url[0]}, flags...)...)
		if err == nil && strings.Contains(out, "ok       ice") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("doctor: got %v\n%s", err, out)
		}
	}
}

// certificateFor writes cert.pem, which is its own authority, and key.pem.
func certificateFor(t *testing.T, dir, addr string) (ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(addr)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "cert.pem")
}
