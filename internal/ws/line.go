package ws

import (
	"net"
	"syscall"

	"github.com/peermesh/peermesh/transport"
)

// Line implements transport.Liner, over TLS too. Whoever sends may call it.
func (c *Conn) Line() (transport.Line, bool) {
	if c.probe == nil {
		c.probe = newProbe(c.cork.Conn)
	}
	line, ok := c.probe.look()
	if ok {
		line.Held += c.cork.gathered()
	}
	return line, ok
}

// probe asks a TCP socket for what it knows of its line.
type probe struct {
	raw  syscall.RawConn // nil: there is none
	once func(fd uintptr)
	line transport.Line
	ok   bool
}

func newProbe(conn net.Conn) *probe {
	p := &probe{}
	if tcp, ok := below(conn).(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			p.raw = raw
		}
	}
	p.once = p.ask // made once, so that a look allocates little
	return p
}

func (p *probe) look() (transport.Line, bool) {
	p.ok = false
	if p.raw == nil || p.raw.Control(p.once) != nil {
		return transport.Line{}, false
	}
	return p.line, p.ok
}

// gathered is how many bytes wait for a flush, or for one that is under way.
func (c *cork) gathered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == nil {
		return 0
	}
	return len(c.pending.rest())
}
