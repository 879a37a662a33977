package ws

import (
	"net"
	"os"
	"slices"
	"strings"
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

// Connections over loopback keep the congestion control of the system; others ask for
// BBR, which is not always to be had.
func TestCongestionControl(t *testing.T) {
	dialled, _ := pair(t, Settings{}, true)
	system, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	if err != nil {
		t.Skip(err)
	}
	if got, want := dialled.Congestion(), strings.TrimSpace(string(system)); got != want {
		t.Errorf("over loopback: got %q, want that of the system, %q", got, want)
	}
	got, ok := LinkCongestion()
	allowed, err := os.ReadFile("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
	if err != nil {
		t.Skip(err)
	}
	if may := slices.Contains(strings.Fields(string(allowed)), wanted); !ok || got == "" || may && got != wanted {
		t.Errorf("got %q, %v for a link to another machine, which may use %s", got, ok, allowed)
	}
}
