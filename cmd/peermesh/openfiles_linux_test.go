package main

import (
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// openFiles is how many files status says are open. How many a process begins with
// differs from one machine to the next.
func openFiles(t *testing.T, admin string) int {
	t.Helper()
	got := runOnce(t, "", "status", "--admin", admin)
	m := regexp.MustCompile(`open-files (\d+)/64`).FindStringSubmatch(got.out)
	if m == nil {
		t.Fatalf("status: got\n%swant open-files of 64", got.out)
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// Strangers have all connections that the process may have.
func TestStatusTellsOfOpenFiles(t *testing.T) {
	cmd := program(t, "--port", "0", "--host", "127.0.0.1", "--json", "--admin", "127.0.0.1:0", "--webrtc", "off")
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `ulimit -n 64; exec "$0" "$@"`}, cmd.Args...)
	p := startCommand(t, cmd)
	ready := p.event(t, "ready")
	u, err := url.Parse(ready["urls"].([]any)[0].(string))
	if err != nil {
		t.Fatal(err)
	}
	admin := ready["admin"].(string)
	wantStatus(t, admin, "files that this process may have open are in use", false)
	for range 60 - openFiles(t, admin) { // the question needs some, too
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	for end := time.Now().Add(patience); ; {
		if got := runOnce(t, "", "status", "--admin", admin); strings.Contains(got.out, "of 64 files that this process may have open are in use") {
			break
		} else if time.Now().After(end) {
			t.Fatalf("status: got\n%s", got.out)
		}
	}
}
