package ws

import (
	"net"

	"github.com/peermesh/peermesh/internal/ws"
)

// conn makes a WebSocket connection a transport.Conn.
type conn struct {
	*ws.Conn
	remote   net.Addr
	indirect bool
}

func (*conn) Binding() []byte        { return nil }
func (*conn) Kind() string           { return "ws" }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// Indirect implements transport.Indirect.
func (c *conn) Indirect() bool { return c.indirect }
