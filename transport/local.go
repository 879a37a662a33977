package transport

import "net"

// Local is implemented by a Conn that tells on which address of this machine it
// stands: once that is gone nothing comes by it any more.
type Local interface {
	// LocalAddr is that address; nil: not known.
	LocalAddr() net.Addr
}

// LocalAddr is the address of this machine that a Conn stands on, nil if it does
// not tell.
func LocalAddr(c Conn) net.Addr {
	if l, ok := c.(Local); ok {
		return l.LocalAddr()
	}
	return nil
}
