//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// lockFile opens the file at path, made if need be, with a lock of its own.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, keyFileMode)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil, fmt.Errorf("%w: %w", ErrNoLocks, err)
	}
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = errHeld
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, errors.ErrUnsupported):
		err = fmt.Errorf("%w: %w", ErrNoLocks, err)
	}
	return nil, errors.Join(err, f.Close())
}
