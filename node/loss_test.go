package node

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// lossy loses a share of the Data frames that the links of a node bring. It
// stands behind the opening of the records: a carrier that loses bytes would end
// the link.
type lossy struct {
	share atomic.Uint32 // of 10,000 frames
	lost  atomic.Uint64
}

// on makes a node lossy; it has no link yet.
func (x *lossy) on(n *Node) {
	n.between = func(w *walker) link.Handler {
		return &lossyLink{x, w, rand.New(rand.NewPCG(w.src, 1))}
	}
}

// lossyLink is one link of a lossy node.
type lossyLink struct {
	*lossy
	w    *walker
	rand *rand.Rand
}

// HandleBatch implements [link.Handler]. What is lost counts as taken by the
// link, whose acks are for what crosses it.
func (x *lossyLink) HandleBatch(l *link.Link, batch []byte) reason.Reason {
	kept := batch[:0]
	var frames, acked, ackedBytes int
	for rest := batch; len(rest) > 0; {
		frame, next, err := wire.NextInBatch(rest)
		if err != nil {
			return reason.ProtocolError
		}
		whole := rest[:len(rest)-len(next)]
		rest = next
		if !x.loses(frame) {
			kept = append(kept, whole...)
			continue
		}
		frames++
		if wire.FrameFlags(frame).Class() < wire.ClassBulk {
			acked++
			ackedBytes += len(frame)
		}
	}
	x.lost.Add(uint64(frames))
	l.Took(frames, acked, ackedBytes)
	return x.w.HandleBatch(l, kept)
}

func (x *lossyLink) loses(frame []byte) bool {
	return !wire.IsLink(frame) && len(frame) >= wire.HeaderLen && wire.FrameType(frame) == wire.TypeData &&
		x.rand.Uint32N(10_000) < x.share.Load()
}
