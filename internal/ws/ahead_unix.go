//go:build unix

package ws

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// ahead reads from a TCP socket as its connection does, but first tells somebody
// when there is nothing to read. It belongs to the goroutine that receives.
type ahead struct {
	raw  syscall.RawConn
	once func(fd uintptr) bool // made once, so that a read allocates nothing
	call func()                // nil: nobody asked, or told already
	p    []byte
	n    int
	err  error
}

// newAhead looks ahead on the socket that w writes to; nil if there is none.
func newAhead(w *inline) *ahead {
	if w == nil {
		return nil
	}
	a := &ahead{raw: w.raw}
	a.once = a.attempt
	return a
}

func (a *ahead) read(p []byte) (int, error) {
	a.p, a.n, a.err = p, 0, nil
	err := a.raw.Read(a.once)
	a.p = nil
	if err == nil {
		err = a.err
	}
	if a.n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return a.n, err
}

// attempt is what the connection itself does: it reads, and has the poller wait
// when there is nothing.
func (a *ahead) attempt(fd uintptr) bool {
	for {
		n, err := syscall.Read(int(fd), a.p)
		switch {
		case err == nil:
			a.n = n
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			if f := a.call; f != nil {
				a.call = nil
				f()
			}
			return false
		default:
			a.err = os.NewSyscallError("read", err)
		}
		return true
	}
}
