//go:build !darwin && !dragonfly && !freebsd && !illumos && !linux && !netbsd && !openbsd && !windows

package identity

import "os"

// lockFile has nothing to lock with.
func lockFile(string) (*os.File, error) { return nil, ErrNoLocks }
