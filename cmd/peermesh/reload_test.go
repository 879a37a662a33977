//go:build unix

package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func hangUp(t *testing.T, p *process) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// ownSession starts a node that has no terminal, as a service has none.
func ownSession(t *testing.T, args ...string) *process {
	t.Helper()
	p := start(t, append([]string{"--host", loopback, "--port", "0", "--json"}, args...)...)
	p.event(t, "ready")
	return p
}

// SIGHUP reads the files again; what is wrong with them is told, and ends nothing.
func TestHangupReloads(t *testing.T) {
	key := filepath.Join(t.TempDir(), "network.key")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(key, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Repeat("1", 64))
	p := ownSession(t, "--network-key", key)
	write(strings.Repeat("2", 64))
	hangUp(t, p)
	if e := p.event(t, "reloaded"); e["part"] != "network-key" {
		t.Errorf("got %v, want the key", e)
	}
	write("nothing")
	hangUp(t, p)
	if e := p.event(t, "warning"); e["part"] != "network-key" || !strings.Contains(e["error"].(string), "stays in use") {
		t.Errorf("got %v, want that the key before stays in use", e)
	}
	write(strings.Repeat("2", 64))
	hangUp(t, p)
	p.event(t, "resolved")
	p.stop(t, syscall.SIGTERM).wantCode(t, exitOK)
}

// A command that has no files to read again ends in good order.
func TestHangupOfACommand(t *testing.T) {
	adminOf(t)
	p := start(t, "peers", "--watch", "10ms")
	p.line(t)
	p.stop(t, syscall.SIGHUP).wantCode(t, exitOK)
}

// A balancer sees that a node leaves before its port closes; a second signal ends it
// at once.
func TestDrain(t *testing.T) {
	p, _, url := startNode(t, "--drain", "10m")
	other, _, _ := startNode(t, "--bootstrap", url)
	p.event(t, "peer-up")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if down := other.event(t, "peer-down"); down["reason"] != "leaving" {
		t.Errorf("why the link ended: got %v, want leaving", down["reason"])
	}
	at := "http" + strings.TrimPrefix(url, "ws") + "/healthz"
	resp, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || string(body) != "leaving\n" {
		t.Errorf("/healthz: got %d %q, want 503 and leaving", resp.StatusCode, body)
	}
	p.stop(t, syscall.SIGTERM).wantCode(t, exitOK)
	p, _, _ = startNode(t, "--drain", "100ms")
	began := time.Now()
	r := p.stop(t, syscall.SIGTERM)
	r.wantCode(t, exitOK)
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("got the end after %v, want it after --drain", took)
	}
}
