package admin

import (
	"errors"
	"os"
	"syscall"
)

// openFiles is how many files this process has open, and how many it may; false: that
// is not known here.
func openFiles() (used, most int, ok bool) {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return 0, 0, false
	}
	most = int(min(r.Cur, 1<<30))
	dir, err := os.Open("/proc/self/fd")
	if errors.Is(err, syscall.EMFILE) {
		return most, most, true // not even for this one there was room
	}
	if err != nil {
		return 0, 0, false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return len(names) - 1, most, err == nil // dir itself is none
}
