//go:build !nowebrtc

package webrtc

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// requireTools is set where what a test needs has to be there (the Makefile).
const requireTools = "REQUIRE_LAB_TOOLS"

// long bounds what takes far less.
const long = 30 * time.Second

// output keeps what a program says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// coturn is a TURN server of Debian's on loopback, over UDP, TCP and TLS.
type coturn struct {
	plain, secure string // host:port
	roots         *x509.CertPool
	said          *output
}

// startCoturn starts one with further settings.
func startCoturn(t *testing.T, settings ...string) *coturn {
	t.Helper()
	program, err := exec.LookPath("turnserver")
	if err != nil {
		if os.Getenv(requireTools) != "" {
			t.Fatal("no turnserver here: make lab-tools installs it")
		}
		t.Skip("no turnserver here: apt-get install coturn")
	}
	dir := t.TempDir()
	cert, key, roots := loopbackCertificate(t, dir)
	c := &coturn{plain: freePort(t), secure: freePort(t), roots: roots, said: new(output)}
	_, port, _ := net.SplitHostPort(c.plain)
	_, securePort, _ := net.SplitHostPort(c.secure)
	conf := append([]string{
		"listening-ip=127.0.0.1", "relay-ip=127.0.0.1", "listening-port=" + port, "tls-listening-port=" + securePort,
		"cert=" + cert, "pkey=" + key, "realm=test", "fingerprint", "allow-loopback-peers", "no-multicast-peers", "no-cli",
		"log-file=stdout", "simple-log", "userdb=" + filepath.Join(dir, "db"), "pidfile=" + filepath.Join(dir, "pid"), "verbose",
		"min-port=40000", "max-port=49999",
	}, settings...)
	file := filepath.Join(dir, "turnserver.conf")
	if err := os.WriteFile(file, []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", file)
	cmd.Stdout, cmd.Stderr = c.said, c.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("coturn said:\n%s", c.said)
		}
	})
	for _, at := range []string{c.plain, c.secure} {
		for deadline := time.Now().Add(long); ; time.Sleep(5 * time.Millisecond) {
			conn, err := net.Dial("tcp", at)
			if err == nil {
				conn.Close()
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("coturn does not serve: %v", err)
			}
		}
	}
	return c
}

// freePort is a loopback address that nobody uses.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func loopbackCertificate(t *testing.T, dir string) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{{127, 0, 0, 1}}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(cert)
	return certFile, keyFile, roots
}

// ways are the texts for one user of a server, by transport.
func (c *coturn) ways(user, password string) map[string]string {
	escape := strings.NewReplacer("%", "%25", ":", "%3A", "@", "%40")
	login := escape.Replace(user) + ":" + escape.Replace(password) + "@"
	return map[string]string{
		"udp": "turn:" + login + c.plain, "tcp": "turn:" + login + c.plain + "?transport=tcp", "tls": "turns:" + login + c.secure,
	}
}

func parsed(t *testing.T, text string) Server {
	t.Helper()
	s, err := ParseServer(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// Users and passwords with marks in them are taken over each transport, and a wrong one
// is told as that.
func TestCoturnTakesTheUser(t *testing.T) {
	const secret = "a secret of the server's"
	static := startCoturn(t, "lt-cred-mech", "user=me:plain", "user=percent:p%25@t")
	timed := startCoturn(t, "use-auth-secret", "static-auth-secret="+secret)
	alice := fmt.Sprintf("%d:alice@home", time.Now().Add(time.Hour).Unix())
	gone := fmt.Sprintf("%d:alice@home", time.Now().Add(-time.Hour).Unix())
	password := func(user string) string {
		mac := hmac.New(sha1.New, []byte(secret))
		mac.Write([]byte(user))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	for _, test := range []struct {
		name           string
		server         *coturn
		user, password string
		want           error
	}{
		{"static", static, "me", "plain", nil},
		{"marks in the password", static, "percent", "p%25@t", nil},
		{"a wrong password", static, "me", "other", ErrServerLogin},
		{"an unknown user", static, "you", "plain", ErrServerLogin},
		{"until a time", timed, alice, password(alice), nil},
		{"after the time", timed, gone, password(gone), ErrServerLogin},
		{"with another secret", timed, alice, "bm90aGluZw==", ErrServerLogin},
	} {
		for transport, text := range test.server.ways(test.user, test.password) {
			t.Run(test.name+", "+transport, func(t *testing.T) {
				took, err := CheckServer(t.Context(), parsed(t, text), test.server.roots)
				if !errors.Is(err, test.want) || err == nil && took <= 0 {
					t.Errorf("%s: got %v after %v, want %v", text, err, took, test.want)
				}
			})
		}
	}
	t.Run("stun", func(t *testing.T) {
		if _, err := CheckServer(t.Context(), parsed(t, "stun:"+static.plain), nil); err != nil {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an authority that is not trusted", func(t *testing.T) {
		_, err := CheckServer(t.Context(), parsed(t, static.ways("me", "plain")["tls"]), nil)
		if err == nil || !strings.Contains(err.Error(), "unknown authority") {
			t.Errorf("got %v, want that the authority is unknown", err)
		}
	})
}

// Over each transport a link comes about that coturn relays.
func TestCoturnRelays(t *testing.T) {
	server := startCoturn(t, "lt-cred-mech", "user=me:plain")
	for transport, text := range server.ways("me", "plain") {
		t.Run(transport, func(t *testing.T) {
			hidden := func(netip.Addr) bool { return false }
			all := func(netip.Addr) bool { return true }
			setup := Setup{Servers: []string{text}, Roots: server.roots, Tell: hidden, Take: all}
			ctx, cancel := context.WithTimeout(t.Context(), long)
			defer cancel()
			a, b := relayedPair(ctx, t, setup)
			if err := errors.Join(a.Send([]byte("hello")), a.Flush()); err != nil {
				t.Fatal(err)
			}
			got, err := b.Receive(func() []byte { return make([]byte, 64) })
			if err != nil || string(got) != "hello" {
				t.Errorf("got %q, %v", got, err)
			}
			local, remote := a.Pair()
			if transport != "udp" && local != "relay" && remote != "relay" { // over UDP the server also tells the own address
				t.Errorf("got the pair %s/%s, want one end at the relay", local, remote)
			}
		})
	}
}

// relayedPair links two ends that tell each other nothing but what servers are for.
func relayedPair(ctx context.Context, t *testing.T, setup Setup) (a, b *Conn) {
	t.Helper()
	var ends [2]*Endpoint
	for i := range ends {
		e, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		ends[i] = e
	}
	offer, err := ends[0].Offer(ctx, setup)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := ends[1].Answer(ctx, setup, offer.Description())
	if err != nil {
		t.Fatal(err)
	}
	var trickle sync.WaitGroup
	pass := func(from, to *Attempt) {
		trickle.Go(func() {
			for line := range from.Candidates() {
				_ = to.AddCandidate(line)
			}
		})
	}
	pass(offer, answer)
	if err := offer.SetAnswer(ctx, answer.Description()); err != nil {
		t.Fatal(err)
	}
	pass(answer, offer)
	conns := make(chan *Conn, 1)
	go func() {
		b, err := answer.Wait(ctx)
		if err != nil {
			t.Error(err)
		}
		conns <- b
	}()
	a, err = offer.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b = <-conns
	t.Cleanup(func() {
		a.Close()
		b.Close()
		trickle.Wait()
	})
	if b == nil {
		t.FailNow()
	}
	return a, b
}

// What answers nothing, refuses, or is something else is told, over each transport.
func TestServersThatDoNotHelp(t *testing.T) {
	nobody := freePort(t)
	for text, says := range map[string]string{
		"turn:me:secret@" + nobody + "?transport=tcp": "connection refused",
		"turns:me:secret@" + nobody:                   "connection refused",
		"stun:name.invalid":                           "name.invalid",
		"turn:me:secret@name.invalid?transport=tcp":   "name.invalid",
	} {
		if _, err := CheckServer(t.Context(), parsed(t, text), nil); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q in it", text, err, says)
		}
	}
	mute, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := CheckServer(ctx, parsed(t, "turn:me:secret@"+mute.LocalAddr().String()), nil)
		ended <- err
	}()
	if _, _, err := mute.ReadFrom(make([]byte, 1500)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "no answer over udp") {
		t.Errorf("a silent server: got %v, want that there is no answer", err)
	}
}
