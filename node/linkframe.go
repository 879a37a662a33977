package node

import (
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// linkFrame deals with a frame that is for the link itself. A reason ends the link.
func (n *Node) linkFrame(w *walker, frame []byte, now time.Time) reason.Reason {
	l := w.link
	switch wire.LinkType(frame[0]) {
	case wire.LinkPing:
		nonce, err := wire.ParsePing(frame)
		if err != nil {
			return reason.ProtocolError
		}
		l.OnPing(nonce)
	case wire.LinkPong:
		nonce, err := wire.ParsePong(frame)
		if err != nil {
			return reason.ProtocolError
		}
		if !l.OnPong(now, nonce) {
			n.drops.Add(reason.Unsolicited, 1)
			return reason.None
		}
		n.post(engine.Pong{Link: l})
		n.post(engine.LinkHealth{Link: l})
	case wire.LinkAck:
		count, err := wire.ParseLinkAck(frame)
		if err != nil {
			return reason.ProtocolError
		}
		genuine, cleared := l.OnAck(now, count)
		if !genuine {
			return reason.ProtocolError
		}
		if cleared {
			n.post(engine.LinkHealth{Link: l})
		}
	case wire.LinkBye:
		bye, err := wire.ParseBye(frame)
		if err != nil {
			return reason.ProtocolError
		}
		n.post(engine.Goodbye{Link: l, Reason: reason.Reason(bye.Reason)})
		return reason.Leaving
	default: // of a newer version, or not served by this one
		n.drops.Add(reason.Unsupported, 1)
	}
	return reason.None
}
