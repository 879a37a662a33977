package ws

import (
	"net"

	"golang.org/x/sys/unix"

	"github.com/peermesh/peermesh/internal/limits"
)

// tuneSystem keeps the queue where fairness acts: a socket with more than
// limits.SocketUnsent unsent counts as full. And it ends
// a connection whose bytes are not acknowledged within socketPatience.
func tuneSystem(tcp *net.TCPConn) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, limits.SocketUnsent)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(socketPatience.Milliseconds()))
	})
}
