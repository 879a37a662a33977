package node

import (
	"errors"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/transport"
)

// lookForOwnKey tells the user when the other end of a failed handshake proved
// this node's own key: nobody but another process with the key can (ADR 032).
// Which may try often, so it is told once in limits.ReplacedWait.
func (n *Node) lookForOwnKey(conn transport.Conn, err error) {
	if !errors.Is(err, link.ErrKeyInUse) {
		return
	}
	now := time.Now()
	last := n.identityUsed.Load()
	if last != 0 && now.Sub(time.Unix(0, last)) < limits.ReplacedWait || !n.identityUsed.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	ev := Event{Kind: IdentityInUse, Time: now, Transport: conn.Kind(), Reason: reason.OwnID.String(), Err: err.Error()}
	n.announce(ev)
}
