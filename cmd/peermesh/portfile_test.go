package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// A script gets the URL of a port that nobody chose from a file, which goes with
// the node.
func TestPortFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "port")
	p, _, url := startNode(t, "--port-file", file)
	text, err := os.ReadFile(file)
	if err != nil || string(text) != url+"\n" {
		t.Errorf("got %q, %v, want %s", text, err, url)
	}
	p.stop(t, os.Interrupt).wantCode(t, exitInterrupted)
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the end: got %v, want no file", err)
	}
	if all, _ := os.ReadDir(dir); len(all) != 0 {
		t.Errorf("left behind: got %v, want nothing", all)
	}

	// What a killed node left is gone before the next one has a port.
	p, _, _ = startNode(t, "--port-file", file)
	p.kill()
	if _, err := os.Lstat(file); err != nil {
		t.Fatalf("after the node was killed: got %v, want its file still there", err)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, taken, _ := net.SplitHostPort(l.Addr().String())
	runOnce(t, "", "--host", loopback, "--port", taken, "--port-file", file).wantCode(t, exitError, "address already in use")
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the next start: got %v, want no file", err)
	}
	p, _, url = startNode(t, "--port-file", file)
	runOnce(t, "", "--host", loopback, "--port", taken, "--port-file", file).wantCode(t, exitError, "address already in use")
	if text, err := os.ReadFile(file); err != nil || string(text) != url+"\n" {
		t.Errorf("that of a node that runs: got %q, %v, want it left alone", text, err)
	}
	p.kill()
	if err := os.WriteFile(file, []byte("notes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runOnce(t, "", "--host", loopback, "--port", taken, "--port-file", file).wantCode(t, exitError, "address already in use")
	if text, err := os.ReadFile(file); err != nil || string(text) != "notes\n" {
		t.Errorf("somebody's file: got %q, %v, want it left alone", text, err)
	}

	runOnce(t, "", "--host", loopback, "--port", "0", "--port-file", filepath.Join(dir, "none", "port")).wantCode(t, exitError, "--port-file: open ", "no such file")
	runOnce(t, "", "--port-file", file).wantCode(t, exitUsage, "--port-file needs --port")
}
