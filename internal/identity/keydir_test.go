package identity

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// A directory that anybody may write to is no place for a key: a file of mode 0600 in
// it can be replaced.
func TestDirectoriesOpenToAllAreRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such modes here")
	}
	dir := filepath.Join(t.TempDir(), "state")
	if _, _, err := LoadOrCreate(dir, rand.Reader); err != nil {
		t.Fatal(err)
	}
	for mode, refused := range map[os.FileMode]bool{0o700: false, 0o755: false, 0o775: false, 0o777: true, 0o777 | os.ModeSticky: false} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		_, _, err := LoadOrCreate(dir, rand.Reader)
		for _, err := range []error{err, Usable(dir)} {
			var key *KeyFileError
			if got := errors.As(err, &key) && strings.Contains(key.Problem, "lets anybody replace it"); got != refused {
				t.Errorf("mode %v: got %v, want it refused: %v", mode, err, refused)
			}
		}
	}
}

// What is advised follows what the system said.
func TestAdviceFollowsTheError(t *testing.T) {
	for err, want := range map[error]string{
		syscall.ENOSPC: "full", syscall.EROFS: "read-only", syscall.ENOTDIR: "is a file", syscall.EACCES: "usual",
	} {
		if got := advice(err, "usual"); !strings.Contains(got, want) {
			t.Errorf("%v: got %q, want %q in it", err, got, want)
		}
	}
}
