//go:build !unix

package admin

import "os"

// openFlags: there are no FIFOs in directories here.
const openFlags = 0

// userSuffix is empty: temporary files are each user's own.
func userSuffix() string { return "" }

// ownedByUser trusts the system's protection of a user's own directories.
func ownedByUser(os.FileInfo) bool { return true }

// isAlive tells whether there is a process of that number.
func isAlive(pid int) bool {
	p, err := os.FindProcess(pid) // fails where there is none
	if err != nil {
		return false
	}
	_ = p.Release()
	return true
}
