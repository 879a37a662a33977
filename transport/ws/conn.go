package ws

import (
	"net"

	"github.com/peermesh/peermesh/internal/ws"
)

// Subprotocol is what both ends must offer and accept. Its number is that of
// the wire protocol (docs/protocol.md, section 2).
const Subprotocol = "peermesh.2"

// subprotocolFamily begins the name of every version.
const subprotocolFamily = "peermesh."

// conn makes a WebSocket connection a transport.Conn.
type conn struct {
	*ws.Conn
	remote net.Addr
}

func (*conn) Binding() []byte        { return nil }
func (*conn) Kind() string           { return "ws" }
func (c *conn) RemoteAddr() net.Addr { return c.remote }
