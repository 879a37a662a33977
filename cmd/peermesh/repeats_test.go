package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/admin"
)

// statusOf is the status of a node.
func statusOf(t *testing.T, page string) (s admin.Status) {
	t.Helper()
	got := runOnce(t, "", "status", "--json", "--admin", page)
	if err := json.Unmarshal([]byte(got.out), &s); err != nil {
		t.Fatalf("status: %v: %s%s", err, got.out, got.err)
	}
	return s
}

// untilStatus waits until the status of a node is as ok wants it.
func untilStatus(t *testing.T, page string, ok func(*admin.Status) bool) {
	t.Helper()
	for end := time.Now().Add(2 * patience); ; time.Sleep(50 * time.Millisecond) {
		s := statusOf(t, page)
		if ok(&s) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain; the status is %+v", s)
		}
	}
}

// adminPort is a free address for an admin page; another program could take it.
func adminPort(t *testing.T) string {
	t.Helper()
	p := start(t, "--admin", "127.0.0.1:0", "--json")
	page := p.event(t, "ready")["admin"].(string)
	p.kill()
	return page
}

// Tries that repeat are no lines, on a terminal and in the log alike.
func TestDeadBootstrapsAreALineEach(t *testing.T) {
	page := adminPort(t)
	args := []string{"--admin", page, "--log-level", "warn"}
	for i := range 24 {
		args = append(args, "--bootstrap", fmt.Sprintf("ws://127.0.0.1:%d", i+1)) // nobody listens there
	}
	p := start(t, args...)
	p.line(t)
	untilStatus(t, page, func(s *admin.Status) bool { return s.Dials.Failed >= 4*24 })
	if got := strings.Count(p.said(), "connection refused"); got != 24 {
		t.Errorf("got %d lines of 96 tries at 24 URLs, want one for each", got)
	}
}

func TestStrangersAreALine(t *testing.T) {
	key := func(name, digit string) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(strings.Repeat(digit, 64)), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	page := adminPort(t)
	relay := start(t, "--port", "0", "--host", "127.0.0.1", "--admin", page, "--network-key", key("ours", "1"))
	relay.line(t)
	untilStatus(t, page, func(s *admin.Status) bool { return len(s.URLs) > 0 })
	url := statusOf(t, page).URLs[0]
	for _, name := range []string{"a", "b"} {
		start(t, "--bootstrap", url, "--network-key", key(name, "2"), "--json")
	}
	untilStatus(t, page, func(s *admin.Status) bool { return s.Drops["wrong-network"] >= 8 })
	said := relay.said()
	if got := strings.Count(said, "refused ws in wrong-network"); got != 1 {
		t.Errorf("got %d lines of 8 refusals, want one:\n%s", got, said)
	}
}
