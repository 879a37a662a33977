package node

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// PacketPort is an open port that is read instead of handled: what package
// dgram makes a [net.PacketConn] of. Its methods may be called from any
// goroutine. Datagrams and messages arrive alike; a Request gets
// [ErrNoHandler], for there is nobody to answer it.
type PacketPort struct {
	p *Port

	mu   sync.Mutex // one reader at a time; taken before p.mu
	work []byte     // records to be read, the rest of swap
	swap []byte
}

// OpenPacketPort opens a port as [Node.OpenPort] does.
func (n *Node) OpenPacketPort(port uint16) (*PacketPort, error) {
	num, err := n.choosePort(port)
	if err != nil {
		return nil, err
	}
	p := n.newPort(num)
	p.pull = make(chan struct{}, 1)
	p.drops = new(reason.Counters)
	if err := n.register(p, nil); err != nil {
		return nil, err
	}
	return &PacketPort{p: p}, nil
}

// Addr is the port's address.
func (q *PacketPort) Addr() Addr { return q.p.addr }

// Close closes the port and wakes its readers. What waits to be read is dropped,
// and counted as "no-handler".
func (q *PacketPort) Close() error {
	err := q.p.Close()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.p.lose(q.work)
	q.work = nil
	return err
}

// Read waits for the next message, copies as much of it into b as fits and
// returns its full size. The error is [ErrClosed] when the port or the node has
// ended, or [ErrTimeout] when cancel was closed first. It allocates nothing.
func (q *PacketPort) Read(b []byte, cancel <-chan struct{}) (size int, from Addr, err error) {
	for {
		if q.p.ctx.Err() != nil {
			return 0, Addr{}, ErrClosed
		}
		if size, from, ok := q.take(b); ok {
			return size, from, nil
		}
		select {
		case <-q.p.pull:
		case <-q.p.ctx.Done():
		case <-cancel:
			err = ErrTimeout
		}
		q.p.mu.Lock()
		q.p.idle.Add(-1)
		q.p.mu.Unlock()
		if err != nil {
			return 0, Addr{}, err
		}
	}
}

// take reads the next record; false: there is none, and the caller counts as
// idle from here on.
func (q *PacketPort) take(b []byte) (size int, from Addr, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.work) == 0 && !q.refill() {
		return 0, Addr{}, false
	}
	size = int(binary.BigEndian.Uint32(q.work))
	rec := q.work[:recordHeader+size]
	from = Addr{routing.ID(rec[4:24]), binary.BigEndian.Uint16(rec[24:])}
	copy(b, rec[recordHeader:])
	q.work = q.work[len(rec):]
	q.release(len(rec))
	return size, from, true
}

// refill swaps the queue against the one that was read; it needs q.mu.
func (q *PacketPort) refill() bool {
	p := q.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.fill) == 0 {
		p.idle.Add(1)
		return false
	}
	if cap(q.swap) > keepQueue { // a burst is over: do not hold its memory
		q.swap = nil
	}
	q.swap, p.fill = p.fill, q.swap[:0]
	q.work = q.swap
	p.taken = cap(q.swap)
	p.charge()
	p.held.Store(int64(len(q.work)))
	return true
}

// release gives room back and wakes those who wait for it once half of the
// queue is free, and other readers when there is more to read; it needs q.mu.
func (q *PacketPort) release(n int) {
	p := q.p
	left := p.held.Add(-int64(n))
	half := p.limit.Load() / 2
	if left > 0 && (left > half || left+int64(n) <= half) && p.idle.Load() == 0 {
		return
	}
	p.mu.Lock()
	if p.waiters > 0 {
		poke(p.space)
	}
	if left > 0 {
		p.rouse()
	}
	p.mu.Unlock()
}

// Write sends a datagram as UDP does. It waits at most so long for room in the
// first link's queue; what then finds none, or no way, is dropped, counted and
// not an error. Errors: [ErrClosed], [ErrTooLarge], and [ErrTimeout] when cancel
// was closed while it waited: nothing was sent then, and nothing is counted.
// A datagram to this very node goes to its port at once. data is copied.
func (q *PacketPort) Write(data []byte, to Addr, wait time.Duration, cancel <-chan struct{}) error {
	p := q.p
	if p.ctx.Err() != nil {
		return ErrClosed
	}
	if len(data) > limits.MaxMessage {
		return &TooLargeError{len(data), limits.MaxMessage}
	}
	if to.ID == p.n.id {
		p.n.loopBack(p, to.Port, data)
		return nil
	}
	err := p.n.datagram(p.num, &to, data, patience{wait, cancel})
	if err == nil || errors.Is(err, ErrClosed) || err == ErrTimeout {
		return err
	}
	p.drops.Add(dropped(err), 1)
	return nil
}

// dropped says why a datagram was not sent.
func dropped(err error) reason.Reason {
	var e *SendError
	switch {
	case errors.As(err, &e):
		return e.why
	case err == ErrNotConnected:
		return reason.LinkLost
	}
	return reason.QueueFull
}

// loopBack delivers a datagram to a port of this node. It never waits: the
// sender may be the one who reads.
func (n *Node) loopBack(from *Port, to uint16, data []byte) {
	why := reason.NoHandler
	if p := n.ports.get(to); p != nil && to < reservedPorts {
		d := session.Delivery{From: wire.ID(n.id), SrcPort: from.num, DstPort: to, Kind: wire.PlainDatagram, Data: data}
		if why = p.put(&d, false); why == reason.None {
			p.wake()
			return
		}
	}
	n.drops.Add(why, 1)
	if why != reason.PortFull && why != reason.MemoryLimit { // which the port has counted
		from.drops.Add(why, 1)
	}
}

// SetQueue sets how many bytes may wait to be read, at most 8 MiB; 256 KiB
// without it. One message may always wait. Each counts with its 36 bytes of
// bookkeeping.
func (q *PacketPort) SetQueue(bytes int) {
	q.p.limit.Store(int64(min(max(bytes, 0), limits.PortQueueMax)))
}

// Drops counts by reason what was dropped on the way into this port's queue or was
// left in it at the end, and what Write dropped. What is lost later on its way is counted where it is lost,
// see [Status].
func (q *PacketPort) Drops() map[string]uint64 { return q.p.drops.Map() }
