package ws

import (
	"net"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// socketPatience is how long the kernel waits for a sign of life: as long as a
// link to a relay stands without one.
const socketPatience = limits.PingIdleRelay + limits.PingAnswer // 15 s

// keepAlive finds dead connections whose owner is silent: a probe after the
// patience is over, then each 5 s, three in all.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: socketPatience, Interval: 5 * time.Second, Count: 3}

// tune sets the options of the TCP socket below conn, if there is one. They
// make a connection better, not right: errors are of no consequence.
func tune(conn net.Conn) {
	tcp, ok := below(conn).(*net.TCPConn)
	if !ok {
		return
	}
	_ = tcp.SetNoDelay(true)
	_ = tcp.SetKeepAliveConfig(keepAlive)
	limitUnsent(tcp, limits.SocketUnsent)
	tuneSystem(tcp)
	askForBBR(tcp)
}

// Slow says whether the connection is slow: then less of what was flushed waits
// in the socket, where nothing passes it.
func (c *Conn) Slow(slow bool) {
	tcp, ok := below(c.cork.Conn).(*net.TCPConn)
	switch {
	case !ok:
	case slow:
		limitUnsent(tcp, limits.SlowUnsent)
	default:
		limitUnsent(tcp, limits.SocketUnsent)
	}
}
