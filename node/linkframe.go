package node

import (
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/reason"
)

// linkFrame deals with a frame that is for the link itself. A reason ends the link.
func (n *Node) linkFrame(w *walker, frame []byte, now time.Time) reason.Reason {
	return engine.TakeLinkFrame(w.link, w.in, frame, now, &n.drops, n.mustPost, n.postControl)
}

func (n *Node) mustPost(ev engine.Event) { n.post(ev) }
