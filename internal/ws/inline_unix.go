//go:build unix

package ws

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// inline writes to a TCP socket without ever waiting for it. One goroutine at
// a time uses it.
type inline struct {
	raw  syscall.RawConn
	once func(fd uintptr) bool // made once, so that a write allocates nothing
	p    []byte
	n    int
	err  error
}

// newInline returns nil for a connection that is not plain TCP.
func newInline(conn net.Conn) *inline {
	raw := rawTCP(conn)
	if raw == nil {
		return nil
	}
	w := &inline{raw: raw}
	w.once = w.attempt
	return w
}

// rawTCP is the socket of a plain TCP connection, nil for any other.
func rawTCP(conn net.Conn) syscall.RawConn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// write hands the kernel what it takes of p at once: between none and all.
func (w *inline) write(p []byte) (int, error) {
	w.p, w.n, w.err = p, 0, nil
	err := w.raw.Write(w.once)
	w.p = nil
	if err == nil {
		err = w.err
	}
	return w.n, err
}

// attempt always returns true: the poller is not to wait and call again.
func (w *inline) attempt(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), w.p)
		switch {
		case err == nil:
			w.n = n
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
		default:
			w.err = os.NewSyscallError("write", err)
		}
		return true
	}
}

// readOnce reads what is there without waiting; EAGAIN: nothing is.
func readOnce(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, p)
		if !errors.Is(err, syscall.EINTR) {
			return max(n, 0), err
		}
	}
}
