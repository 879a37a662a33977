package engine

import (
	"bytes"
	"time"

	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// TakeLinkFrame deals with a frame that is for a link itself. What the link can
// do at once is done; what has to be decided goes to post as an event for Step.
// post says whether it took the event; one from must is never refused. A reason
// ends the link. in is the Ingress of the link's reader, who calls.
func TakeLinkFrame(l *link.Link, in *Ingress, frame []byte, now time.Time, drops *reason.Counters, must func(Event), post func(Event) bool) reason.Reason {
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
		asked, cleared := l.OnPong(now, nonce)
		if !asked {
			drops.Add(reason.Unsolicited, 1)
			return reason.None
		}
		must(Pong{Link: l})
		if cleared {
			must(LinkHealth{Link: l})
		}
	case wire.LinkAck:
		taken, err := wire.ParseLinkAck(frame)
		if err != nil {
			return reason.ProtocolError
		}
		genuine, cleared := l.OnAck(now, taken)
		if !genuine {
			return reason.ProtocolError
		}
		if cleared {
			must(LinkHealth{Link: l})
		}
	case wire.LinkBye:
		bye, err := wire.ParseBye(frame)
		if err != nil {
			return reason.ProtocolError
		}
		contacts := make([][]byte, len(bye.Contacts))
		for i, c := range bye.Contacts {
			contacts[i] = bytes.Clone(c)
		}
		must(Goodbye{Link: l, Reason: reason.Reason(bye.Reason), Contacts: contacts})
		return reason.Leaving
	case wire.LinkPeers, wire.LinkFindNode, wire.LinkNodes, wire.LinkRecord, wire.LinkHeld:
		allowed := in.AllowControl
		if wire.LinkType(frame[0]) == wire.LinkRecord {
			allowed = in.AllowStore
		}
		if !allowed(now) {
			drops.Add(reason.RateLimited, 1)
		} else if !post(LinkFrame{Link: l, Frame: bytes.Clone(frame)}) {
			drops.Add(reason.QueueFull, 1)
		}
	default: // of a newer version, or not served by this one
		drops.Add(reason.Unsupported, 1)
	}
	return reason.None
}
