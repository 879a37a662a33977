package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// onTerminal starts the program with a terminal of its own.
func onTerminal(t *testing.T, args ...string) (p *process, hangUp func()) {
	t.Helper()
	return onTerminalBelow(t, "", args...)
}

// onTerminalBelow is onTerminal by way of another program.
func onTerminalBelow(t *testing.T, by string, args ...string) (p *process, hangUp func()) {
	t.Helper()
	master, slave := openPTY(t)
	p = &process{cmd: program(t, args...), lines: make(chan string, 1024), ended: make(chan struct{})}
	if by != "" {
		p.cmd.Args = append([]string{by}, p.cmd.Args...)
		p.cmd.Path = by
	}
	p.cmd.Stdin = slave
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(out)
	t.Cleanup(p.kill)
	return p, func() { master.Close() }
}

// Who closes the terminal means the end, and the peers hear of it; who sends SIGHUP
// to a node that has its terminal means its files.
func TestEndOfTheTerminal(t *testing.T) {
	_, _, url := startNode(t)
	key := filepath.Join(t.TempDir(), "network.key")
	if err := os.WriteFile(key, bytes.Repeat([]byte("1"), 64), 0o600); err != nil {
		t.Fatal(err)
	}
	p, hangup := onTerminal(t, "--host", loopback, "--port", "0", "--json", "--network-key", key, "--drain", "0")
	p.event(t, "ready")
	if err := os.WriteFile(key, bytes.Repeat([]byte("2"), 64), 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp(t, p)
	p.event(t, "reloaded")
	began := time.Now()
	hangup()
	p.wait(t, began).wantCode(t, exitOK)

	listener, hangup := onTerminal(t, "listen", "--json", "--bootstrap", url)
	listener.event(t, "ready")
	hangup()
	listener.wait(t, time.Now()).wantCode(t, exitOK, "received 0, dropped")
}

// Below nohup the end of the terminal ends nothing, and SIGHUP reads the files again.
func TestNohup(t *testing.T) {
	nohup, err := exec.LookPath("nohup")
	if err != nil {
		t.Skip("no nohup here; install coreutils")
	}
	file := filepath.Join(t.TempDir(), "port")
	key := filepath.Join(t.TempDir(), "network.key")
	if err := os.WriteFile(key, bytes.Repeat([]byte("1"), 64), 0o600); err != nil {
		t.Fatal(err)
	}
	p, hangup := onTerminalBelow(t, nohup, "--host", loopback, "--port", "0", "--json", "--network-key", key, "--port-file", file, "--drain", "0")
	p.event(t, "ready")
	hangup()
	if err := os.WriteFile(key, bytes.Repeat([]byte("2"), 64), 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp(t, p)
	if e := p.event(t, "reloaded"); e["part"] != "network-key" {
		t.Errorf("got %v, want the key", e)
	}
	p.stop(t, syscall.SIGTERM).wantCode(t, exitOK)
	if said := p.said(); strings.Contains(said, "panic") {
		t.Errorf("got %s", said)
	}
}
