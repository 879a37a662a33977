package trials

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// piece is the most that a throttle passes on at once, in bytes: 0.4 ms at
// 20 MB/s.
const piece = 8 << 10

// segment is the most of a TCP segment in bytes.
const segment = 1460

// throttle is a TCP forwarder whose way back to the dialler has a bounded rate
// and small buffers, so that what waits, waits in front of it.
type throttle struct {
	listener net.Listener
	target   string
	rate     int // bytes per second
	running  sync.WaitGroup
}

// newThrottle forwards from the address of its listener to target.
func newThrottle(target string, rate int) (*throttle, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &throttle{listener: l, target: target, rate: rate}
	t.running.Go(t.accept)
	return t, nil
}

// accept ends when the listener is closed.
func (t *throttle) accept() {
	for {
		near, err := t.listener.Accept()
		if err != nil {
			return
		}
		far, err := (&net.Dialer{Control: small}).Dial("tcp", t.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		t.running.Go(func() { pour(far, near, 0) })
		t.running.Go(func() { pour(near, far, t.rate) })
	}
}

// small makes the far side keep little for a reader that is slow: segments as on
// Ethernet, since the window of a small buffer does not admit those of loopback.
func small(_, _ string, c syscall.RawConn) error {
	var errs [2]error
	err := c.Control(func(fd uintptr) {
		errs[0] = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, segment)
		errs[1] = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4*piece)
	})
	return errors.Join(err, errs[0], errs[1])
}

// pour copies until either side has closed; rate 0 is as fast as it goes.
func pour(to, from net.Conn, rate int) {
	defer func() { _ = errors.Join(to.Close(), from.Close()) }()
	buf := make([]byte, piece)
	due := time.Now()
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil || rate == 0 {
			if err != nil {
				return
			}
			continue
		}
		// A sleep that took too long is made up for, silence is not.
		now := time.Now()
		if due = due.Add(time.Duration(n) * time.Second / time.Duration(rate)); due.Before(now.Add(-catchUp)) {
			due = now.Add(-catchUp)
		}
		time.Sleep(due.Sub(now))
	}
}

// catchUp is how much of a late wake-up is made up for.
const catchUp = 5 * time.Millisecond

// close waits for the connections, whose ends have been closed before.
func (t *throttle) close() {
	_ = t.listener.Close()
	t.running.Wait()
}
