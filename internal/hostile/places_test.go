package hostile_test

import (
	"io"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/hostile"
)

// More connections that are upgraded and say nothing than there are places keep
// out nobody.
func TestSilentUpgradesKeepNobodyOut(t *testing.T) {
	n := relay(t)
	for range 300 {
		pipe, err := hostile.Open(within(t, amply), url(n), hostile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pipe.Close() })
	}
	for range 4 {
		leaf(t, url(n)) // fails the test if it does not join
	}
}

// Nor do sockets of many addresses that stop in the middle of their request, or
// before it. They are gone soon, and leave no descriptor behind.
func TestHalfOpenSocketsKeepNobodyOut(t *testing.T) {
	const sockets = 2_000
	var most syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &most); err != nil || most.Cur < 2*sockets+200 {
		t.Skipf("%d descriptors are too few (%v)", most.Cur, err)
	}
	n := relay(t)
	leaf(t, url(n)).Close() // what is made once is there
	before := descriptors(t)
	var all []io.Closer
	for i := range sockets {
		from := netip.AddrFrom4([4]byte{127, 0, byte(1 + i/200), byte(1 + i%200)})
		conn, err := hostile.Connect(within(t, amply), url(n), hostile.Options{Source: from})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, conn)
		if i%2 == 0 { // the node may have closed it already
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: webso")
		}
	}
	var took []time.Duration
	for range 20 {
		began := time.Now()
		leaf(t, url(n)).Close()
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("%d half-open sockets: 20 of 20 joins, p95 %v", sockets, took[18])
	for _, c := range all {
		c.Close()
	}
	until(t, "the descriptors are free again", func() bool { return descriptors(t) <= before+5 })
}

// descriptors is how many this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc")
	}
	return len(all)
}
