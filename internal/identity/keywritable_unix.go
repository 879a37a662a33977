//go:build unix

package identity

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// writable says why no file can be made in a directory; nil: one can.
func writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return &fs.PathError{Op: "access", Path: dir, Err: err}
	}
	return nil
}
