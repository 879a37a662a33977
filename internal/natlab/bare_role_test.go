//go:build linux

package natlab

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bareSinkRole takes whatever TCP brings to the address of its argument. It prints a line
// when it listens, and the bytes that have come so far for each line of input.
func bareSinkRole() error {
	l, err := net.Listen("tcp4", os.Args[1])
	if err != nil {
		return err
	}
	var taken atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for buf := make([]byte, 1<<16); ; {
					n, err := c.Read(buf)
					taken.Add(int64(n))
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	print := json.NewEncoder(os.Stdout)
	if err := print.Encode(taken.Load()); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if err := print.Encode(taken.Load()); err != nil {
			return err
		}
	}
	return nil
}

// bareFlow is a transfer over bare TCP.
type bareFlow struct {
	To         string
	For        time.Duration
	Congestion string // the control that the kernel is asked for
}

// bareRole sends as much as TCP takes: each line of input is a bareFlow, the answer the
// bytes that were written.
func bareRole() error {
	print := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var f bareFlow
		if err := json.Unmarshal(in.Bytes(), &f); err != nil {
			return err
		}
		n, err := f.send()
		if err != nil {
			return err
		}
		if err := print.Encode(n); err != nil {
			return err
		}
	}
	return nil
}

func (f *bareFlow) send() (n int64, err error) {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, f.Congestion)
		})
		if err == nil {
			err = failed
		}
		return err
	}}
	c, err := d.Dial("tcp4", f.To)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(f.For))
	n, err = io.Copy(c, endless{})
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		err = nil
	}
	return n, err
}

// endless is as many bytes as anybody wants.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
