package node

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
	var frames, acked int
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
		}
	}
	x.lost.Add(uint64(frames))
	l.Took(frames, acked)
	return x.w.HandleBatch(l, kept)
}

func (x *lossyLink) loses(frame []byte) bool {
	return !wire.IsLink(frame) && len(frame) >= wire.HeaderLen && wire.FrameType(frame) == wire.TypeData &&
		x.rand.Uint32N(10_000) < x.share.Load()
}

// A relay loses one frame in ten of both directions: messages, copies, acks.
// Each Send ends well all the same, and each message is delivered once.
func TestSendUnderLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		relay := m.start("b", Config{MaxLeaves: 8})
		var loss lossy
		loss.on(relay)
		m.open("b", relay)
		leaf := Config{Leaf: true, Bootstrap: []string{"mem://b"}}
		a, c := m.start("a", leaf), m.start("c", leaf)
		box := newInbox()
		c.Handle(box)
		ready(t, a, c)
		loss.share.Store(1_000)
		const count = 500
		ctx := within(t, time.Minute)
		var wg sync.WaitGroup
		for i := range count {
			time.Sleep(time.Millisecond) // so that acks are many
			wg.Go(func() {
				if err := a.Send(ctx, c.ID(), []byte(fmt.Sprint(i))); err != nil {
					t.Errorf("message %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		times := make(map[string]int)
		for _, got := range box.wait(t, count) {
			times[string(got.Data)]++
		}
		if len(times) != count || box.len() != count {
			t.Errorf("delivered: got %d messages, %d of them different, want %d", box.len(), len(times), count)
		}
		if loss.lost.Load() < count/20 {
			t.Errorf("frames lost: got %d, want a tenth of %d", loss.lost.Load(), 2*count)
		}
	})
}
