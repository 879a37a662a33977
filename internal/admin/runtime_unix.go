//go:build unix

package admin

import (
	"errors"
	"os"
	"strconv"
	"syscall"
)

// openFlags follow no link and wait for nobody.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// userSuffix keeps users apart where they share a directory.
func userSuffix() string { return "-" + strconv.Itoa(os.Getuid()) }

// ownedByUser tells whether this user owns a directory and nobody else may
// write to it.
func ownedByUser(info os.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Getuid() && info.Mode().Perm()&0o022 == 0
}

// isAlive tells whether there is a process of that number, of whomever.
func isAlive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
