package mem

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// QueueBytes is how much is under way in one direction before its sender
// waits, the same as pends for one outgoing link. A batch that is larger goes
// when the queue is empty.
const QueueBytes = limits.LinkQueue

// The causes of an end that neither side chose.
var (
	errBroken  = fmt.Errorf("pipe broken: %w", io.EOF)
	errStalled = fmt.Errorf("peer took nothing for %v: %w", limits.WriteStall, os.ErrDeadlineExceeded)
)

// half is one direction of a pipe.
type half struct {
	mu       sync.Mutex
	arrived  sync.Cond // the receiver waits; L is &mu
	taken    sync.Cond // the sender waits; L is &mu
	queue    queue
	bytes    int    // in queue
	count    uint64 // messages taken so far
	stalled  bool   // nothing arrives
	sendGone bool   // the sending end was closed
	recvGone bool   // the receiving end was closed
	err      error  // ended by a fault
}

func newHalf() *half {
	h := &half{}
	h.arrived.L, h.taken.L = &h.mu, &h.mu
	return h
}

// head waits for a batch with a message in it. Its first message stays valid
// until pop.
func (h *half) head() (*batch, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.recvGone:
			return nil, transport.ErrClosed
		case h.err != nil:
			return nil, h.err
		case h.queue.first == nil && h.sendGone:
			return nil, io.EOF
		case h.queue.first != nil && !h.stalled && h.queue.first.here():
			return h.queue.first, nil
		}
		h.arrived.Wait()
	}
}

// pop removes the message that head returned.
func (h *half) pop(b *batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count++
	before := b.off
	more := b.skip()
	h.bytes -= b.off - before
	h.taken.Signal()
	if !more {
		h.queue.pop()
	}
}

// push takes over the batch, which arrives after delay and not before those
// already under way. Without wait it reports false instead of blocking. Each
// time the receiver took nothing for limits.WriteStall, it gives up.
func (h *half) push(b *batch, delay time.Duration, wait bool) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		if err := h.sendError(); err != nil {
			return false, err
		}
		if h.queue.first == nil || h.bytes+len(b.b) <= QueueBytes {
			h.enqueue(b, delay)
			return true, nil
		}
		if !wait {
			return false, nil
		}
		h.awaitRoom()
	}
}

func (h *half) sendError() error {
	switch {
	case h.sendGone:
		return transport.ErrClosed
	case h.err != nil:
		return h.err
	case h.recvGone:
		return io.EOF
	}
	return nil
}

func (h *half) enqueue(b *batch, delay time.Duration) {
	if delay > 0 {
		b.due = time.Now().Add(delay)
		time.AfterFunc(delay, guard.Func("a pipe", h.arrive, nil))
	}
	h.queue.push(b)
	h.bytes += len(b.b)
	h.arrived.Signal()
}

// arrive wakes the receiver: a batch is due.
func (h *half) arrive() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.arrived.Broadcast()
}

// awaitRoom waits until something was taken, or the pipe ended.
func (h *half) awaitRoom() {
	seen := h.count
	patience := time.AfterFunc(limits.WriteStall, guard.Func("a pipe", func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.count == seen {
			h.fail(errStalled)
		}
	}, nil))
	defer patience.Stop()
	h.taken.Wait()
}

// fail ends the direction. It is called with mu held.
func (h *half) fail(err error) {
	if h.err == nil {
		h.err = err
	}
	h.wake()
}

func (h *half) wake() {
	h.arrived.Broadcast()
	h.taken.Broadcast()
}

// change does something to the direction and wakes whoever waits on it.
func (h *half) change(do func(*half)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do(h)
	h.wake()
}

// check is the state as a sender sees it.
func (h *half) check() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sendError()
}
