package session

import (
	"bytes"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// liveNode runs a Table as a node does: one control loop, several readers, on
// the real clock.
type liveNode struct {
	self    wire.ID
	t       *Table
	control chan []byte
	data    chan []byte
	armed   chan time.Time
	got     atomic.Int64
	peer    *liveNode
}

func newLiveNode(t *testing.T, seed uint64) *liveNode {
	t.Helper()
	id, err := identity.New(seeded(seed))
	if err != nil {
		t.Fatal(err)
	}
	static := newStatic(t, seed)
	n := &liveNode{self: id.ID(), control: make(chan []byte, 64), data: make(chan []byte, 1024), armed: make(chan time.Time, 1)}
	n.t, err = New(Config{
		Self: n.self, Instance: wire.Instance{byte(seed)}, Rand: seeded(seed + 1),
		Credentials: func(now time.Time) (identity.Static, []byte) {
			c := id.Certify(static.Public, now)
			return static, wire.AppendCert(nil, &c)
		},
		Emit:    n.emit,
		Deliver: func(*Delivery) reason.Reason { n.got.Add(1); return reason.None },
		Arm: func(at time.Time) {
			select {
			case n.armed <- at:
			default: // one is under way; the loop asks Next after it
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// emit hands a frame to the other node, or says that its queue is full.
func (n *liveNode) emit(frame []byte, c Choice) (wire.ID, bool) {
	to := n.peer.data
	if wire.FrameType(frame) == wire.TypeHandshake {
		to = n.peer.control
	}
	select {
	case to <- bytes.Clone(frame):
		return wire.ID{byte(c.K % 2)}, true
	default:
		return wire.ID{}, false
	}
}

// loop is the control loop.
func (n *liveNode) loop(stop <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case frame := <-n.control:
			if j, _ := n.t.HandleHandshake(time.Now(), frame, Ingress{Link: 1}); j != nil {
				j.Run()
				n.t.Finish(time.Now(), j)
			}
		case at := <-n.armed:
			timer.Reset(time.Until(at))
			if next, ok := n.t.Next(); ok {
				timer.Reset(time.Until(next))
			}
		case <-timer.C:
			for _, j := range n.t.Tick(time.Now()) {
				j.Run()
				n.t.Finish(time.Now(), j)
			}
			if next, ok := n.t.Next(); ok {
				timer.Reset(time.Until(next))
			}
		}
	}
}

// read is one reader.
func (n *liveNode) read(stop <-chan struct{}) {
	var b Batch
	for {
		select {
		case <-stop:
			return
		case frame := <-n.data:
			n.t.Receive(&b, time.Now(), frame)
			for more := true; more; {
				select {
				case frame := <-n.data:
					n.t.Receive(&b, time.Now(), frame)
				default:
					more = false
				}
			}
			n.t.EndBatch(&b, time.Now())
		}
	}
}

// Everything at once, for the race detector: senders of messages and datagrams,
// readers, control loops, renewals, changing homes, cancellations.
func TestConcurrentUse(t *testing.T) {
	a, b := newLiveNode(t, 1), newLiveNode(t, 2)
	a.peer, b.peer = b, a
	a.t.counts, b.t.counts = counts{500, 1000}, counts{500, 1000}
	stop := make(chan struct{})
	var loops, senders sync.WaitGroup
	for _, n := range []*liveNode{a, b} {
		loops.Go(func() { n.loop(stop) })
		loops.Go(func() { n.read(stop) })
		loops.Go(func() { n.read(stop) })
	}
	var acked, ended atomic.Int64
	const each = 1500
	for _, n := range []*liveNode{a, b} {
		for range 2 {
			senders.Go(func() { n.sendMany(t, each, &acked, &ended) })
		}
		senders.Go(func() {
			for i := range each {
				frame, ok := n.t.AppendDatagram(nil, time.Now(), n.peer.self, 1, 1, wire.ClassBulk, []byte("x"))
				if ok {
					n.emit(frame, Choice{})
				} else if err := n.t.Datagram(time.Now(), n.peer.self, 1, 1, wire.ClassBulk, nil); err != nil && err != reason.SessionLimit {
					t.Errorf("datagram: %v", err)
				}
				if i%100 == 0 {
					n.t.HomesChanged(time.Now())
					n.t.Peers()
				}
			}
		})
	}
	senders.Wait()
	a.t.Close(time.Now())
	b.t.Close(time.Now())
	close(stop)
	loops.Wait()
	if ended.Load() != 4*each {
		t.Errorf("ended: got %d, want %d", ended.Load(), 4*each)
	}
	if acked.Load() < 4*each*8/10 {
		t.Errorf("acked: got %d of %d", acked.Load(), 4*each)
	}
}

// sendMany sends n messages, 64 at once, and cancels a few.
func (n *liveNode) sendMany(t *testing.T, count int, acked, ended *atomic.Int64) {
	room := make(chan struct{}, 64)
	var wait sync.WaitGroup
	for i := range count {
		room <- struct{}{}
		wait.Add(1)
		p, err := n.t.Send(time.Now(), Message{To: n.peer.self, Kind: wire.PlainMessage, Data: []byte("message"), Patient: true}, func(r Result) {
			if r.Err == nil {
				acked.Add(1)
			}
			ended.Add(1)
			<-room
			wait.Done()
		})
		if err != nil {
			t.Errorf("send: %v", err)
			return
		}
		if i%20 == 0 {
			p.Cancel(time.Now(), reason.Expired)
		}
	}
	wait.Wait()
}
