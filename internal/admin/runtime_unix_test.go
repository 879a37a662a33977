//go:build unix

package admin

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/peermesh/peermesh/routing"
)

// What is no regular file is not opened, or not read if it takes the place of one
// just then: nobody waits, and no link is followed.
func TestRuntimeFilesAreRegular(t *testing.T) {
	dir, _ := ownDirs(t)
	defer register(t, routing.ID{1}, "http://127.0.0.1:1/")()
	fifo, link := filepath.Join(dir, "fifo.json"), filepath.Join(dir, "link.json")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skipf("the temporary directory cannot hold a named pipe, set TMPDIR to one that can: %v", err)
	}
	text, _ := json.Marshal(Runtime{V: Version, PID: os.Getpid(), ID: routing.ID{2}, URL: "http://127.0.0.1:2/"})
	elsewhere := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(elsewhere, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "dir.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := Running(); len(got) != 1 || got[0].ID != (routing.ID{1}) {
		t.Errorf("got %+v, want the node alone", got)
	}
	for _, file := range []string{fifo, link, filepath.Join(dir, "dir.json")} {
		if r, ok := readRuntime(file); ok {
			t.Errorf("%s: got %+v, want nothing", file, r)
		}
	}
}
