package ws

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/peermesh/peermesh/internal/limits"
)

// The socket of a slow connection holds less, over TCP and TLS.
func TestSlowSocketHoldsLess(t *testing.T) {
	for name, secure := range map[string]bool{"TCP": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			dialled, accepted := pair(t, Settings{}, secure)
			for _, c := range []*Conn{dialled, accepted} {
				checkUnsent(t, c, limits.SocketUnsent)
				c.Slow(true)
				checkUnsent(t, c, limits.SlowUnsent)
				c.Slow(false)
				checkUnsent(t, c, limits.SocketUnsent)
			}
		})
	}
}

func checkUnsent(t *testing.T, c *Conn, want int) {
	t.Helper()
	raw, err := below(c.cork.Conn).(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT)
		if err != nil || got != want {
			t.Errorf("bytes unsent: got %d, %v, want %d", got, err, want)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
