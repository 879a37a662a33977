//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// requireTools is set where foreign programs have to be there (the Makefile).
const requireTools = "REQUIRE_LAB_TOOLS"

// foreignProgram finds a program of Debian's.
func foreignProgram(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	if os.Getenv(requireTools) != "" {
		t.Fatalf("no %s here: make lab-tools installs it", name)
	}
	t.Skipf("no %s here: apt-get install %s", name, name)
	return ""
}

// A balancer with its ordinary checks takes a node for up, and for down while its port
// still answers once it leaves: nobody is sent to a port that has closed.
func TestHaproxySeesThatANodeLeaves(t *testing.T) {
	haproxy := foreignProgram(t, "haproxy")
	const drain = 10 * time.Minute // it is not waited for
	p, _, url := startNode(t, "--drain", drain.String())
	other, _, otherURL := startNode(t, "--bootstrap", url)
	dir, err := os.MkdirTemp("", "peermesh-haproxy") // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		t.Fatal(err)
	}
	front := l.Addr().String()
	l.Close()
	conf := fmt.Sprintf(`global
  stats socket %s/s
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  default-server inter 50ms fastinter 50ms downinter 50ms fall 1 rise 1
frontend in
  bind %s
  default_backend plain
backend plain
  option httpchk
  server leaves %s check
  server stays %s check
backend ready
  option httpchk GET /readyz
  server leaves %[3]s check
backend http11
  option httpchk
  http-check send meth HEAD uri /healthz ver HTTP/1.1 hdr Host mesh.test
  server leaves %[3]s check
backend bare
  server leaves %[3]s check
`, dir, front, strings.TrimPrefix(url, "ws://"), strings.TrimPrefix(otherURL, "ws://"))
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(haproxy, "-db", "-f", file)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("haproxy said:\n%s", said.String())
		}
	})
	until := func(want string) {
		t.Helper()
		var got string
		for deadline := time.Now().Add(patience); got != want; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("servers: got %q, want %q", got, want)
			}
			got = serversOf(filepath.Join(dir, "s"))
		}
	}
	until("plain/leaves UP L7OK, plain/stays UP L7OK, ready/leaves UP L7OK, http11/leaves UP L7OK, bare/leaves UP L4OK")
	if s := p.said(); s != "" {
		t.Errorf("log of a node that is checked: got %q, want nothing", s)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until("plain/leaves DOWN L7STS, plain/stays UP L7OK, ready/leaves DOWN L7STS, http11/leaves DOWN L7STS, bare/leaves UP L4OK")
	listener, id := startListener(t, "ws://"+front)
	runOnce(t, "", "send", id, "hi", "-b", "ws://"+front).wantCode(t, exitOK)
	wantMessage(t, listener, "hi")
	p.stop(t, syscall.SIGTERM).wantCode(t, exitOK)
	other.stop(t, syscall.SIGINT).wantCode(t, exitInterrupted)
}

// serversOf is the state of all servers of a haproxy, with their last checks.
func serversOf(socket string) string {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_, _ = io.WriteString(c, "show stat -1 4 -1\n") // servers alone, as CSV
	text, _ := io.ReadAll(c)
	const name, status, check = 1, 17, 36
	var all []string
	for line := range strings.Lines(string(text)) {
		f := strings.Split(line, ",")
		if len(f) > check && !strings.HasPrefix(line, "#") {
			all = append(all, fmt.Sprintf("%s/%s %s %s", f[0], f[name], f[status], strings.TrimPrefix(f[check], "* ")))
		}
	}
	return strings.Join(all, ", ")
}
