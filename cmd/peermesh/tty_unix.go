//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// keyWait is how long one read waits for a key, in tenths of a second.
const keyWait = 2

// withFd calls f with the file's descriptor, which stays as it is.
func withFd(file *os.File, f func(fd int) error) error {
	c, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	return errors.Join(c.Control(func(fd uintptr) { inner = f(int(fd)) }), inner)
}

// isTTY tells whether a file is a terminal.
func isTTY(file *os.File) bool {
	return withFd(file, func(fd int) error {
		_, err := unix.IoctlGetTermios(fd, getTermios)
		return err
	}) == nil
}

// readKeys makes a terminal give each key at once and show none of them; an
// interrupt stays one. The function that it returns undoes that.
func readKeys(file *os.File) (restore func(), err error) {
	var before unix.Termios
	set := func(t unix.Termios) error {
		return withFd(file, func(fd int) error { return unix.IoctlSetTermios(fd, setTermios, &t) })
	}
	err = withFd(file, func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, getTermios)
		if err == nil {
			before = *t
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	keys := before
	keys.Lflag &^= unix.ICANON | unix.ECHO
	keys.Cc[unix.VMIN], keys.Cc[unix.VTIME] = 0, keyWait
	return func() { _ = set(before) }, set(keys)
}

// sizeOf is the size of a terminal; 80 by 24 where it does not say.
func sizeOf(file *os.File) (columns, rows int) {
	columns, rows = 80, 24
	_ = withFd(file, func(fd int) error {
		size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err == nil && size.Col > 0 && size.Row > 0 {
			columns, rows = int(size.Col), int(size.Row)
		}
		return err
	})
	return columns, rows
}
