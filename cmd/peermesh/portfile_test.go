package main

import (
	"errors"
	"io/fs"
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

	runOnce(t, "", "--host", loopback, "--port", "0", "--port-file", filepath.Join(dir, "none", "port")).wantCode(t, exitError, "--port-file: open ", "no such file")
	runOnce(t, "", "--port-file", file).wantCode(t, exitUsage, "--port-file needs --port")
}
