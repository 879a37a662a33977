package ws

import (
	"net"

	"golang.org/x/sys/unix"
)

// askForBBR asks for it. The system may not have it, or not allow it.
func askForBBR(tcp *net.TCPConn) {
	if to, ok := tcp.RemoteAddr().(*net.TCPAddr); ok && to.IP.IsLoopback() {
		return
	}
	control(tcp, func(fd int) { _ = unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, wanted) })
}

func congestionOf(conn net.Conn) (name string) {
	if tcp, ok := below(conn).(*net.TCPConn); ok {
		control(tcp, func(fd int) { name, _ = unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION) })
	}
	return name
}

func control(tcp *net.TCPConn, do func(fd int)) {
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { do(int(fd)) })
	}
}

// LinkCongestion is the congestion control that a link to another machine gets;
// false: the system does not tell.
func LinkCongestion() (name string, ok bool) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", false
	}
	defer unix.Close(fd)
	_ = unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, wanted)
	name, err = unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	return name, err == nil
}
