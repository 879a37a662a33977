//go:build unix

package testnet

import "golang.org/x/sys/unix"

// shrinkBuffer makes the receive buffer of a socket small.
func shrinkBuffer(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer)
}
