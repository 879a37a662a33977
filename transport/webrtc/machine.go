//go:build !nowebrtc

package webrtc

import (
	"net"

	"github.com/pion/transport/v4"
	"github.com/pion/transport/v4/stdnet"
)

// socketBuffer is how many bytes the system is asked to hold for a socket whose
// reader is not running: what is lost here is sent once more after up to a
// second. Linux grants net.core.rmem_max at most, and holds fewer bytes of
// payload than it grants.
const socketBuffer = 2 << 20

// machine is the machine's network, with larger buffers in its sockets (on a
// busy machine that makes two to five times the throughput over loopback) and
// with the interfaces of now: the library's own keeps those of its beginning.
type machine struct{ *stdnet.Net }

// Interfaces implements transport.Net.
func (machine) Interfaces() ([]*transport.Interface, error) {
	now, err := stdnet.NewNet()
	if err != nil {
		return nil, err
	}
	return now.Interfaces()
}

// ListenUDP implements transport.Net.
func (m machine) ListenUDP(network string, at *net.UDPAddr) (transport.UDPConn, error) {
	c, err := m.Net.ListenUDP(network, at)
	if err != nil {
		return nil, err
	}
	grow(c)
	return c, nil
}

// grow asks for larger buffers; a system that refuses has the ones it has.
func grow(conn any) {
	if c, ok := conn.(interface {
		SetReadBuffer(bytes int) error
		SetWriteBuffer(bytes int) error
	}); ok {
		_ = c.SetReadBuffer(socketBuffer)
		_ = c.SetWriteBuffer(socketBuffer)
	}
}
