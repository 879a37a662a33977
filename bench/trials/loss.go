package trials

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/node"
)

const (
	lossSize    = 1024                   // bytes of each message: a datagram has a frame of its own
	smallSize   = 64                     // bytes of a datagram that shares one
	lossQuiet   = 100 * time.Millisecond // nothing arrives and no link has anything waiting: four times what a relay waits for room
	lossSenders = 3                      // leaves that send to one
	lossAtOnce  = 32                     // acknowledged messages that each has under way
)

// Loss is what becomes of messages whose senders do not pace, over a relay with
// a link of 20 MB/s to the receiver.
type Loss struct {
	Sent         uint64            `json:"sent"`        // acknowledged messages
	Failed       uint64            `json:"failed"`      // of which the sender was told that they may not have arrived
	Lost         uint64            `json:"lost"`        // of which it was told that they did, and they did not
	Datagrams    uint64            `json:"datagrams"`   // handed to the node, refused ones included
	Delivered    uint64            `json:"delivered"`   // of them
	Refused      uint64            `json:"refused"`     // told to the sender at once
	Drops        uint64            `json:"drops"`       // counted by all nodes
	Unaccounted  int64             `json:"unaccounted"` // datagrams neither delivered nor counted
	DropsByCause map[string]uint64 `json:"drops_by_cause"`
	Small        SmallLoss         `json:"small"`
}

// SmallLoss is what becomes of datagrams so small that several share a frame. The
// ends count datagrams; a relay, which cannot look into frames, counts these.
type SmallLoss struct {
	Datagrams   uint64 `json:"datagrams"` // handed to the node, refused ones included
	Delivered   uint64 `json:"delivered"` // of them
	AtEnds      uint64 `json:"at_ends"`   // of them, counted as dropped or refused by the ends
	Frames      uint64 `json:"frames"`    // counted as dropped by the relay
	Unaccounted uint64 `json:"unaccounted"`
}

// mostInFrame is how many datagrams of smallSize one frame may hold: 3,584 bytes
// of them, each behind a length of two bytes (docs/protocol.md, section 4).
const mostInFrame = 3584 / (smallSize + 2)

// account says by how many datagrams those that are missing are more, or fewer,
// than the frames that were dropped can have held.
func (s *SmallLoss) account() {
	missing := int64(s.Datagrams) - int64(s.Delivered) - int64(s.AtEnds)
	least, most := int64(s.Frames), int64(s.Frames)*mostInFrame
	s.Unaccounted = uint64(max(least-missing, missing-most, 0))
}

type loss struct {
	mesh
	from      []*node.Port
	to        node.Addr
	delivered atomic.Uint64
	probe     chan struct{}
}

// MeasureLoss runs acknowledged messages, then datagrams, each for some time.
func MeasureLoss(ctx context.Context, run time.Duration) (out Loss, err error) {
	l := &loss{probe: make(chan struct{}, 1)}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.open(ctx); err != nil {
		return Loss{}, err
	}
	l.messages(ctx, run, &out)
	l.datagrams(ctx, run, &out)
	l.small(ctx, run, &out.Small)
	return out, ctx.Err()
}

func (l *loss) open(ctx context.Context) error {
	if err := l.mesh.open(); err != nil {
		return err
	}
	sink, err := l.leaf(linkRate)
	if err != nil {
		return err
	}
	port, err := sink.OpenPort(1, node.HandlerFunc(func(_ context.Context, m *node.Message) {
		if len(m.Data) == 0 {
			poke(l.probe)
			return
		}
		l.delivered.Add(1)
	}))
	if err != nil {
		return err
	}
	l.to = port.Addr()
	for range lossSenders {
		n, err := l.leaf(0)
		if err != nil {
			return err
		}
		from, err := n.OpenPort(1, ignore)
		if err != nil {
			return err
		}
		l.from = append(l.from, from)
		if err := probe(ctx, func() error { return from.SendDatagram(l.to, nil) }, l.probe); err != nil {
			return err
		}
	}
	return nil
}

// messages sends acknowledged ones from many goroutines.
func (l *loss) messages(ctx context.Context, run time.Duration, out *Loss) {
	sending, stop := context.WithTimeout(ctx, run)
	defer stop()
	var sent, failed atomic.Uint64
	var running sync.WaitGroup
	for _, from := range l.from {
		for range lossAtOnce {
			running.Go(func() {
				for msg := make([]byte, lossSize); sending.Err() == nil; {
					sent.Add(1)
					if from.Send(ctx, l.to, msg) != nil {
						failed.Add(1)
					}
				}
			})
		}
	}
	running.Wait()
	l.settle(ctx, func() bool { return l.delivered.Load() >= sent.Load()-failed.Load() })
	out.Sent, out.Failed = sent.Load(), failed.Load()
	if arrived, known := l.delivered.Load(), sent.Load()-failed.Load(); arrived < known {
		out.Lost = known - arrived
	}
}

// datagrams sends large ones.
func (l *loss) datagrams(ctx context.Context, run time.Duration, out *Loss) {
	before, delivered := l.drops(l.nodes...), l.delivered.Load()
	after := func() (n uint64) { return sum(l.drops(l.nodes...)) - sum(before) }
	out.Datagrams, out.Refused = l.unpaced(ctx, run, lossSize)
	l.settle(ctx, func() bool { return after()+l.delivered.Load()-delivered >= out.Datagrams })
	out.Delivered, out.Drops = l.delivered.Load()-delivered, after()
	out.Unaccounted = int64(out.Datagrams) - int64(out.Delivered) - int64(out.Drops)
	out.DropsByCause = l.drops(l.nodes...)
	for why, n := range before {
		out.DropsByCause[why] -= n
	}
}

// small sends datagrams that share frames.
func (l *loss) small(ctx context.Context, run time.Duration, out *SmallLoss) {
	relay, ends := l.nodes[:1], l.nodes[1:]
	dropped := func(nodes []*node.Node) uint64 { return sum(l.drops(nodes...)) }
	frames, atEnds, delivered := dropped(relay), dropped(ends), l.delivered.Load()
	out.Datagrams, _ = l.unpaced(ctx, run, smallSize)
	last, since := l.delivered.Load(), time.Now()
	l.settle(ctx, func() bool {
		if now := l.delivered.Load(); now != last || !l.idle() {
			last, since = now, time.Now()
		}
		return time.Since(since) > lossQuiet
	})
	out.Delivered, out.AtEnds, out.Frames = l.delivered.Load()-delivered, dropped(ends)-atEnds, dropped(relay)-frames
	out.account()
}

// idle says whether no link has anything waiting.
func (l *loss) idle() bool {
	for _, n := range l.nodes {
		for _, p := range n.Peers() {
			if p.Queued > 0 {
				return false
			}
		}
	}
	return true
}

// unpaced sends datagrams without a pause; a refusal costs the sender nothing.
func (l *loss) unpaced(ctx context.Context, run time.Duration, size int) (sent, refused uint64) {
	sending, stop := context.WithTimeout(ctx, run)
	defer stop()
	var all, no atomic.Uint64
	var running sync.WaitGroup
	for _, from := range l.from {
		running.Go(func() {
			for msg := make([]byte, size); sending.Err() == nil; all.Add(1) {
				if from.SendDatagram(l.to, msg) != nil {
					no.Add(1)
				}
			}
		})
	}
	running.Wait()
	return all.Load(), no.Load()
}

// settleLimit is how long the end of what is under way is waited for.
const settleLimit = 3 * time.Second

func (l *loss) settle(ctx context.Context, done func() bool) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	for !done() && ctx.Err() == nil {
		sleep(ctx, 5*time.Millisecond)
	}
}

// drops are those of some nodes, by reason.
func (l *loss) drops(nodes ...*node.Node) map[string]uint64 {
	all := make(map[string]uint64)
	for _, n := range nodes {
		for why, count := range n.Status().Drops {
			all[why] += count
		}
	}
	return all
}

func sum(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}
