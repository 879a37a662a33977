//go:build linux

package natlab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// needProgram skips the test where a program of somebody else's is missing, and fails it
// where toolsVariable says that it has to be there.
func needProgram(t *testing.T, name, of string) {
	t.Helper()
	if _, err := exec.LookPath(tool(name)); err == nil {
		return
	}
	if os.Getenv(toolsVariable) != "" {
		t.Fatalf("there is no program %s: make lab-tools installs it (%s)", name, of)
	}
	t.Skipf("there is no program %s: install %s", name, of)
}

// filesFor writes files to a directory that any user may read, as some programs give
// their rights up, and returns the directory.
func filesFor(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// certificates are an authority of the test's own, and a certificate by it for a name,
// as PEM texts.
func certificates(t *testing.T, name string) (ca, cert, key string) {
	t.Helper()
	newKey := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	sign := func(template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) string {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab"}, NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	rootKey, leafKey := newKey(), newKey()
	der, err := x509.MarshalECPrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	return sign(root, root, rootKey, rootKey), sign(leaf, root, leafKey, rootKey),
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

// command runs the built program in a place to its end, and returns what it printed on
// both outputs.
func (p place) command(t *testing.T, env []string, args ...string) (out string, err error) {
	t.Helper()
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tool("ip"), append([]string{"netns", "exec", string(p.space), file}, args...)...)
	cmd.Env, cmd.SysProcAttr = append(cleanEnvironment(), env...), withTest()
	b, err := cmd.CombinedOutput()
	return string(b), err
}

// fetchRole asks for the URLs on its standard input and prints the answers.
func fetchRole() error {
	client := http.Client{Timeout: patience}
	for {
		var url string
		if _, err := fmt.Scanln(&url); err != nil {
			return nil // the end
		}
		var a fetched
		resp, err := client.Get(url)
		if err != nil {
			a.Body = err.Error()
		} else {
			b, _ := io.ReadAll(resp.Body)
			a = fetched{resp.StatusCode, string(b)}
			_ = resp.Body.Close()
		}
		if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
			return err
		}
	}
}

// fetched is an answer over HTTP; Status 0: there was none, and Body says why.
type fetched struct {
	Status int
	Body   string
}

// fetch asks by means of a fetchRole.
func (p *process) fetch(t *testing.T, url string) (a fetched) {
	t.Helper()
	p.tell(t, "%s", url)
	if err := json.Unmarshal([]byte(p.next(t)), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// until repeats what has no event of its own until it is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
