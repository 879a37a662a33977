package identity

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// LockFileName is the name of the lock file in the state directory. The file
// stays; the lock ends with the process, however that ends.
const LockFileName = "lock"

// maxLockFile is how many bytes of a lock file are read: a process number.
const maxLockFile = 32

// ErrNoLocks is the cause of an error where a directory cannot be locked at all:
// it is read-only, or its file system or the system has no locks.
var ErrNoLocks = errors.New("no locks here")

// DirInUseError says that a state directory is another's.
type DirInUseError struct {
	Dir string
	PID int // of the process that has it; 0: unknown
}

// Error names the directory and who has it.
func (e *DirInUseError) Error() string {
	who := "another process"
	if e.PID > 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("state directory %s: in use by %s; two nodes with one identity take each other's links", e.Dir, who)
}

// LockFile is the path of the lock file in a state directory.
func LockFile(dir string) string { return filepath.Join(dir, LockFileName) }

// LockDir makes a state directory, which must exist, this holder's alone until
// the result is closed or the process ends; processes that this one starts do
// not have it. The error is a *DirInUseError, or ErrNoLocks or what the system
// said.
func LockDir(dir string) (io.Closer, error) {
	path := filepath.Join(dir, LockFileName)
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("lock %s: it is no regular file; remove it", path)
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDWR|os.O_CREATE), flock.SetPermissions(keyFileMode))
	held, err := lock.TryLock()
	switch {
	case err == nil && !held:
		return nil, &DirInUseError{Dir: dir, PID: holderOf(path)}
	case err == nil:
		_ = os.WriteFile(path, fmt.Appendln(nil, os.Getpid()), keyFileMode) // tells others whom to look for, no more
		return lock, nil
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOLCK), errors.Is(err, errors.ErrUnsupported):
		err = fmt.Errorf("%w: %w", ErrNoLocks, err)
	}
	return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), lock.Close())
}

// holderOf is the process that a lock file names; 0: none.
func holderOf(path string) int {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxLockFile))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}
