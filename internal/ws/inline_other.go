//go:build !unix

package ws

import (
	"net"
	"syscall"
)

// inline would write without waiting; this system offers no way to.
type inline struct{}

func newInline(net.Conn) *inline { return nil }

func (*inline) write([]byte) (int, error) { return 0, nil }

func rawTCP(net.Conn) syscall.RawConn { return nil }

func readOnce(int, []byte) (int, error) { return 0, syscall.EAGAIN }
