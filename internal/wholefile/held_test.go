package wholefile

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// childFile makes the test's own program hold a file and die.
const childFile = "PEERMESH_TEST_HELD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		if _, err := WriteHeld(path, []byte("child")); err != nil {
			os.Exit(1)
		}
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
		select {}
	}
	os.Exit(m.Run())
}

func TestHeldFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	first, err := WriteHeld(path, []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	if !first.Locked() {
		t.Skip("no locks here")
	}
	want := func(when string, want bool) {
		t.Helper()
		if held, err := IsHeld(path, 0); err != nil || held != want {
			t.Errorf("%s: got held %t, %v, want %t", when, held, err, want)
		}
	}
	want("while it lives", true)
	second, err := WriteHeld(path, []byte("two"))
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Remove(); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "two" {
		t.Errorf("after the first is removed: got %q, %v, want what took its place", text, err)
	}
	want("that of the second", true)
	if err := second.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the end: got %v, want no file", err)
	}

	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childFile+"="+path)
	_ = child.Run() // it is killed
	if text, err := os.ReadFile(path); err != nil || string(text) != "child" {
		t.Fatalf("what the dead left: got %q, %v", text, err)
	}
	want("after its process was killed", false)
	all, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(all) != 1 {
		t.Errorf("got %v, %v, want the file alone", all, err)
	}
}
