package wholefile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"first, and long", "second"} {
		if err := Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("got %v, %v, want a file of this user alone", info.Mode(), err)
	}
	wantNames(t, dir, "file")
}

// A file that cannot be put in its place leaves nothing behind.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "by a directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(taken, []byte("x")); err == nil {
		t.Error("over a directory: got no error")
	}
	if err := Write(filepath.Join(dir, "none", "file"), []byte("x")); err == nil {
		t.Error("in no directory: got no error")
	}
	wantNames(t, dir, "taken")
}

func wantNames(t *testing.T, dir, name string) {
	t.Helper()
	if got, err := os.ReadDir(dir); err != nil || len(got) != 1 || got[0].Name() != name {
		t.Errorf("got %v, %v, want %s alone", got, err, name)
	}
}
