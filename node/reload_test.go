package node

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// put replaces a file in one go, as tools that renew certificates do.
func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func hexKey(b byte) []byte {
	return []byte(hex.EncodeToString(bytes.Repeat([]byte{b}, networkKeyBytes)) + "\n")
}

// certificate is one for loopback, signed by itself.
func certificate(t *testing.T, serial int64, until time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		IPAddresses: []net.IP{{127, 0, 0, 1}}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// toldOfFiles are the events of a node about its files, without their times.
func toldOfFiles(t *testing.T, n *Node) (since func() []string) {
	t.Helper()
	q := &eventQueue{ready: make(chan struct{}, 1)}
	n.events.add(q)
	t.Cleanup(func() { n.events.remove(q) })
	return func() (all []string) {
		for {
			ev, ok := n.events.take(q)
			if !ok {
				return all
			}
			if slices.Contains([]EventKind{Warned, Resolved, Reloaded}, ev.Kind) {
				all = append(all, string(ev.Kind)+" "+ev.Part)
			}
		}
	}
}

func wantTold(t *testing.T, when string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", when, got, want)
	}
}

// A new key of a closed mesh is used by new handshakes, without a restart; links that
// are up stay.
func TestNetworkKeyIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "network.key")
		put(t, file, hexKey(1))
		m := &mesh{t: t}
		b := m.listen("b", Config{NetworkKeyFile: file})
		old := m.start("old", Config{Bootstrap: []string{"mem://b"}, NetworkKey: bytes.Repeat([]byte{1}, networkKeyBytes)})
		ready(t, old)
		said := toldOfFiles(t, b.Node)

		put(t, file, hexKey(2))
		time.Sleep(limits.FileLook)
		synctest.Wait()
		wantTold(t, "after the change", said(), "reloaded network-key")
		c := m.start("c", Config{Bootstrap: []string{"mem://b"}, NetworkKey: bytes.Repeat([]byte{2}, networkKeyBytes)})
		ready(t, c)
		if !linkedTo(b.Node, old.ID()) {
			t.Error("the link made with the old key: got none, want it to stay")
		}
		late := m.start("late", Config{Bootstrap: []string{"mem://b"}, NetworkKey: bytes.Repeat([]byte{1}, networkKeyBytes)})
		if err := late.Ready(within(t, time.Minute)); err == nil {
			t.Error("a node that comes with the old key: got a link, want none")
		}
		time.Sleep(10 * limits.FileLook)
		wantTold(t, "later", said())
	})
}

// While one end of a session has the new key and the other the old one, what they say
// to each other goes on, over many renewals that fail, and after.
func TestSessionsOutliveAChangeOfKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		file := func(name string) string { return filepath.Join(dir, name) }
		m := &mesh{t: t}
		for _, name := range []string{"a", "b"} {
			put(t, file(name), hexKey(1))
		}
		b := m.listen("b", Config{NetworkKeyFile: file("b")})
		b.Handle(HandlerFunc(func(context.Context, *Message) {}))
		a := m.start("a", Config{Bootstrap: []string{"mem://b"}, NetworkKeyFile: file("a")})
		ready(t, a)
		talk := func(when string) {
			t.Helper()
			for range 45 {
				if err := a.Send(within(t, 10*time.Second), b.ID(), []byte("x")); err != nil {
					t.Fatalf("%s: got %v", when, err)
				}
				time.Sleep(time.Minute)
			}
		}
		talk("with one key")
		put(t, file("b"), hexKey(2))
		talk("with two keys")
		put(t, file("a"), hexKey(2))
		talk("with the new key")
		if l := a.Status().SessionList; len(l) != 1 || l[0].Age > 2*limits.RekeyAfter {
			t.Errorf("got %+v, want a session that has been renewed", l)
		}
	})
}

// What is wrong leaves the old in use and is told once; what is right again is told too.
func TestBadFileLeavesTheOldInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "network.key")
		put(t, file, hexKey(1))
		m := &mesh{t: t}
		n := m.start("n", Config{NetworkKeyFile: file})
		said := toldOfFiles(t, n)
		time.Sleep(limits.FileLook / 2) // looks are between what follows

		put(t, file, []byte("half of a k"))
		time.Sleep(limits.FileLook)
		wantTold(t, "at the first look at a bad file", said())
		put(t, file, hexKey(2))
		time.Sleep(limits.FileLook)
		wantTold(t, "when it was but half written", said(), "reloaded network-key")

		put(t, file, []byte("no key"))
		time.Sleep(5 * limits.FileLook)
		wantTold(t, "after a bad file", said(), "warning network-key")
		if got := n.networkKey(); got[0] != 2 {
			t.Errorf("key in use: got %x, want the one before", got)
		}
		if w := n.Status().Warnings; len(w) != 1 || w[0].Part != "network-key" || !strings.Contains(w[0].Text, "stays in use") || w[0].Hint == "" {
			t.Errorf("status: got %+v, want the warning", w)
		}
		if err := n.Reload(); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("reload: got %v, want the file's name", err)
		}
		wantTold(t, "at a reload with the same mistake", said())

		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * limits.FileLook)
		wantTold(t, "after it is gone", said(), "warning network-key")
		put(t, file, hexKey(2))
		if err := n.Reload(); err != nil {
			t.Errorf("reload: got %v", err)
		}
		wantTold(t, "when it is back as it was", said(), "resolved network-key")
		put(t, file, hexKey(3))
		if err := n.Reload(); err != nil {
			t.Errorf("reload: got %v", err)
		}
		wantTold(t, "at a reload", said(), "reloaded network-key")
		if w := n.Status().Warnings; len(w) != 0 {
			t.Errorf("status: got %+v, want no warning", w)
		}
	})
}

// A certificate that ends soon, has ended, or is renewed: each is told once.
func TestEndOfTheCertificateIsToldBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		dir := t.TempDir()
		cfg := Config{Listen: "127.0.0.1:0", TLSCert: filepath.Join(dir, "cert"), TLSKey: filepath.Join(dir, "key")}
		renew := func(until time.Time) {
			cert, key := certificate(t, 1, until)
			put(t, cfg.TLSCert, cert)
			put(t, cfg.TLSKey, key)
		}
		renew(time.Now().Add(20 * day))
		if w := cfg.CheckWarnings(time.Now()); len(w) != 0 {
			t.Errorf("20 days before the end: got %+v, want nothing", w)
		}
		var files files
		if err := files.add(files.certificate(cfg.TLSCert, cfg.TLSKey)); err != nil {
			t.Fatal(err)
		}
		n := (&mesh{t: t}).start("n", Config{}) // a port would keep time from passing
		n.files = &files
		said := toldOfFiles(t, n)
		look := func() { _ = n.lookAtFiles(time.Now(), false) }
		for range 21 {
			look()
			time.Sleep(day / 2)
		}
		wantTold(t, "within two weeks of the end", said(), "warning certificate")
		for range 21 {
			time.Sleep(day / 2)
			look()
		}
		wantTold(t, "after the end", said(), "warning certificate")
		if w := n.Status().Warnings; len(w) != 1 || !strings.Contains(w[0].Text, "ended at") {
			t.Errorf("status: got %+v, want that it has ended", w)
		}
		if w := cfg.CheckWarnings(time.Now()); len(w) != 1 || !strings.Contains(w[0].Text, "ended at") {
			t.Errorf("check: got %+v, want that it has ended", w)
		}
		if err := cfg.Check(); err != nil {
			t.Errorf("got %v, want that a node starts with it", err)
		}
		renew(time.Now().Add(90 * day))
		look()
		wantTold(t, "after it was renewed", said(), "reloaded certificate", "resolved certificate")
	})
}

// serialAt is that of the certificate a port shows now.
func serialAt(t *testing.T, n *Node) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", n.listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// A renewed certificate, and another authority, are used for new connections without
// a restart; links stay.
func TestCertificateAndRootsAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Listen: "127.0.0.1:0", WebRTC: WebRTCOff, TLSCert: filepath.Join(dir, "cert"), TLSKey: filepath.Join(dir, "key")}
	cert, key := certificate(t, 1, time.Now().Add(365*24*time.Hour))
	put(t, cfg.TLSCert, cert)
	put(t, cfg.TLSKey, key)
	ca := filepath.Join(dir, "ca")
	put(t, ca, cert)
	server, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	join := func() *Node {
		n, err := New(Config{Bootstrap: server.URLs(), TLSCA: ca, WebRTC: WebRTCOff})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		return n
	}
	first := join()
	ready(t, first)

	cert, key = certificate(t, 2, time.Now().Add(365*24*time.Hour))
	put(t, cfg.TLSCert, cert)
	if err := server.Reload(); err == nil {
		t.Error("a certificate without its key: got no error")
	}
	if got := serialAt(t, server); got != 1 {
		t.Errorf("with half of it renewed: got serial %d, want the old one", got)
	}
	put(t, cfg.TLSKey, key)
	if err := server.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := serialAt(t, server); got != 2 {
		t.Errorf("after it was renewed: got serial %d, want the new one", got)
	}
	if !linkedTo(first, server.ID()) {
		t.Error("the link made before: got none, want it to stay")
	}

	second := join() // its file has the old root still
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for e := range second.Events(ctx) {
		if e.Kind == Retry {
			break
		}
	}
	put(t, ca, cert)
	if err := second.Reload(); err != nil {
		t.Fatal(err)
	}
	ready(t, second)
}

// What is no file, such as a pipe, has nothing more to say once it was read.
func TestPipesAreReadOnce(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.Write(hexKey(1)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	name := fmt.Sprintf("/dev/fd/%d", r.Fd())
	if _, err := os.Stat(name); err != nil {
		t.Skipf("no %s here: %v", name, err)
	}
	n, err := New(Config{NetworkKeyFile: name, WebRTC: WebRTCOff})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Reload(); err != nil || len(n.networkKey()) != networkKeyBytes {
		t.Errorf("got %v and key %x, want no error and the key", err, n.networkKey())
	}
}
