package ws

import (
	"net"

	"golang.org/x/sys/unix"
)

// tuneSystem ends a connection whose bytes are not acknowledged within
// socketPatience.
func tuneSystem(tcp *net.TCPConn) {
	control(tcp, func(fd int) {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(socketPatience.Milliseconds()))
	})
}

// limitUnsent keeps the queue where fairness acts: a socket with more bytes
// unsent counts as full.
func limitUnsent(tcp *net.TCPConn, bytes int) {
	control(tcp, func(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, bytes) })
}
