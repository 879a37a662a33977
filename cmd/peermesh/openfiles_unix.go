//go:build unix

package main

import "syscall"

// maxOpenFiles is how many files the process may have open.
func maxOpenFiles() (n uint64, known bool) {
	var r syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r)
	return uint64(r.Cur), err == nil
}
