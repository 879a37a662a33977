package node

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/budget"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// Port is an open port of a node. Its methods may be called from any goroutine.
type Port struct {
	n       *Node
	num     uint16
	addr    Addr
	handler atomic.Pointer[Handler]
	ctx     context.Context
	cancel  context.CancelFunc

	mu      sync.Mutex
	ready   sync.Cond // the port's goroutine waits here for messages
	fill    []byte    // records that wait, see appendRecord
	stalled bool      // refused until half of the queue is free
	waiters int
	idle    atomic.Int32  // how many wait for messages: the goroutine, or readers; changed with mu held
	space   chan struct{} // capacity 1
	closed  bool
	account budget.Account // of fill, and of what was taken out of it
	taken   int            // memory of what was taken out of fill

	limit atomic.Int64     // bytes that may wait
	held  atomic.Int64     // bytes that a reader took out of fill and has not read
	pull  chan struct{}    // capacity 1: readers wait here, see PacketPort; nil: a handler's port
	drops *reason.Counters // of a PacketPort
}

// affords says whether n bytes more may wait; it needs mu.
func (p *Port) affords(n int) bool {
	return p.account.Fits(n, len(p.fill) == 0 && p.held.Load() == 0)
}

// charge brings the account up to date: memory, not what lies in it. It needs mu.
func (p *Port) charge() { p.account.Set(cap(p.fill) + p.taken) }

// Addr is the port's address.
func (p *Port) Addr() Addr { return p.addr }

// Send is [Node.Send] from this port to any port.
func (p *Port) Send(ctx context.Context, to Addr, data []byte) error {
	_, err := p.n.send(ctx, p.num, to, message{kind: wire.PlainMessage, data: data})
	return err
}

// Receipt tells how a message was sent.
type Receipt struct {
	Copies int    // transmissions that left this node; of an acknowledged message 1 means that it arrived by the first
	First  uint64 // names the first of them: Message.Transmission where it arrived; 0: none left
}

// SendWithReceipt is Send that also tells how often the message had to be sent,
// whether it was acknowledged or not.
func (p *Port) SendWithReceipt(ctx context.Context, to Addr, data []byte) (Receipt, error) {
	res, err := p.n.send(ctx, p.num, to, message{kind: wire.PlainMessage, data: data})
	return Receipt{Copies: res.Sent, First: res.First}, err
}

// Request is [Node.Request] from this port to any port.
func (p *Port) Request(ctx context.Context, to Addr, data []byte) ([]byte, error) {
	res, err := p.n.send(ctx, p.num, to, message{kind: wire.PlainRequest, data: data})
	return res.Response, err
}

// SendDatagram is [Node.SendDatagram] from this port to any port.
func (p *Port) SendDatagram(to Addr, data []byte) error {
	return p.n.datagram(p.num, &to, data, patience{})
}

// SendDatagramWithin is SendDatagram that waits at most so long for room in the
// first link's queue.
func (p *Port) SendDatagramWithin(to Addr, data []byte, wait time.Duration) error {
	return p.n.datagram(p.num, &to, data, patience{wait: wait})
}

// Close closes the port. What waits for its handler is dropped, and counted as
// "no-handler". It does not wait for a handler that runs.
func (p *Port) Close() error {
	p.n.ports.mu.Lock()
	if p.n.ports.get(p.num) == p {
		p.n.ports.change(func(open map[uint16]*Port) { delete(open, p.num) })
	}
	p.n.ports.mu.Unlock()
	p.cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose(p.fill)
	p.fill, p.closed = nil, true
	p.account.Close()
	p.ready.Broadcast()
	return nil
}
