package node

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// recordHeader is the length of what stands before the data of a record:
// length u32, source ID 20, source port u16, kind u8, hops u8, and of a request
// its message id, of a message its transmission, u64.
const recordHeader = 4 + 20 + 2 + 1 + 1 + 8

func appendRecord(b []byte, d *session.Delivery) []byte {
	var head [recordHeader]byte
	binary.BigEndian.PutUint32(head[0:], uint32(len(d.Data)))
	*(*wire.ID)(head[4:]) = d.From
	binary.BigEndian.PutUint16(head[24:], d.SrcPort)
	head[26], head[27] = d.Kind, byte(min(d.Hops, 255))
	switch d.Kind {
	case wire.PlainRequest:
		binary.BigEndian.PutUint64(head[28:], d.MessageID)
	case wire.PlainMessage:
		binary.BigEndian.PutUint64(head[28:], d.Transmission)
	}
	return append(append(b, head[:]...), d.Data...)
}

// deliver is how sessions hand over what arrived. It waits a bounded time for
// room in the port's queue.
func (n *Node) deliver(d *session.Delivery) reason.Reason {
	w, _ := d.Context.(*walker)
	p := n.ports.find(d.DstPort, w)
	if p == nil {
		return nobodyAt(d.DstPort)
	}
	why := p.put(d, true)
	switch {
	case why != reason.None:
	case w != nil:
		w.feed(p)
	default:
		p.wake()
	}
	return why
}

// nobodyAt is why nothing is delivered to a port that is not open. The mesh's own
// ports are reserved for later versions.
func nobodyAt(port uint16) reason.Reason {
	if port >= reservedPorts {
		return reason.Unsupported
	}
	return reason.NoHandler
}

// put queues d and leaves the waking to the end of the batch, see signal. Only
// with wait may it wait for room.
func (p *Port) put(d *session.Delivery, wait bool) reason.Reason {
	if p.pull != nil && d.Kind == wire.PlainRequest {
		return reason.NoHandler // who reads packets answers no requests
	}
	size := recordHeader + len(d.Data)
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.fits(size) && !p.closed {
		if !wait || p.stalled || !p.waitForRoom() && !p.fits(size) {
			p.stalled = p.stalled || wait
			p.full(reason.PortFull)
			return reason.PortFull
		}
	}
	if p.closed {
		return reason.NoHandler
	}
	if !p.affords(size) {
		p.full(reason.MemoryLimit)
		return reason.MemoryLimit
	}
	p.fill = appendRecord(p.fill, d)
	p.charge()
	if p.waiters > 0 {
		poke(p.space) // the next of those who wait
	}
	if int64(len(p.fill)) >= p.limit.Load()/2 {
		p.rouse()
	}
	return reason.None
}

// full counts a message that found no room.
func (p *Port) full(why reason.Reason) {
	if p.drops != nil {
		p.drops.Add(why, 1)
	}
}

// lose counts the records of a closed port that nobody takes any more.
func (p *Port) lose(records []byte) {
	n := 0
	for ; len(records) > 0; n++ {
		records = records[recordHeader+int(binary.BigEndian.Uint32(records)):]
	}
	if n == 0 {
		return
	}
	p.n.drops.Add(reason.NoHandler, n)
	if p.drops != nil {
		p.drops.Add(reason.NoHandler, n)
	}
}

// rouse wakes who waits for messages; it needs mu.
func (p *Port) rouse() {
	switch {
	case p.idle.Load() == 0:
	case p.pull != nil:
		poke(p.pull)
	default:
		p.ready.Signal()
	}
}

// fits says whether a record may wait; it needs mu.
func (p *Port) fits(size int) bool {
	waits, limit := len(p.fill)+int(p.held.Load()), int(p.limit.Load())
	if p.stalled && waits <= limit/2 {
		p.stalled = false
	}
	return !p.stalled && (waits == 0 || waits+size <= limit)
}

// waitForRoom waits, without mu, until the handler's goroutine took the queue;
// false: in vain. It holds mu again when it returns.
func (p *Port) waitForRoom() bool {
	p.waiters++
	p.rouse()
	p.mu.Unlock()
	timer := time.NewTimer(limits.TransitWait)
	defer timer.Stop()
	ok := true
	select {
	case <-p.space:
	case <-p.ctx.Done():
	case <-timer.C:
		ok = false
	}
	p.mu.Lock()
	p.waiters--
	return ok
}

func (p *Port) wake() {
	p.mu.Lock()
	p.rouse()
	p.mu.Unlock()
}

// feed notes a port to be woken when the batch has ended.
func (w *walker) feed(p *Port) {
	if n := len(w.fed); n > 0 && w.fed[n-1] == p {
		return
	}
	for _, t := range w.fed {
		if t == p {
			return
		}
	}
	w.fed = append(w.fed, p)
}

// signal wakes the ports that got something in a walker's batch.
func (w *walker) signal() {
	for i, t := range w.fed {
		t.wake()
		w.fed[i] = nil
	}
	w.fed = w.fed[:0]
}

// run is the port's goroutine: it swaps the queue against an empty one and
// calls the handler for each record.
func (p *Port) run() {
	var work []byte
	m := &Message{}
	for {
		p.mu.Lock()
		for len(p.fill) == 0 && !p.closed {
			work = p.rest(work)
			p.idle.Add(1)
			p.ready.Wait()
			p.idle.Add(-1)
		}
		if p.closed {
			p.mu.Unlock()
			return
		}
		work, p.fill = p.fill, work[:0]
		p.taken = cap(work)
		p.charge()
		if p.waiters > 0 {
			poke(p.space)
		}
		p.mu.Unlock()
		m = p.handleAll(work, m)
		if cap(work) > keepQueue { // a burst is over: do not hold its memory
			work = nil
		}
	}
}

// rest drops the memory of an empty queue if the node could use it better. It
// needs mu.
func (p *Port) rest(work []byte) []byte {
	if cap(p.fill)+cap(work) > p.account.Share() {
		p.fill, work = nil, nil
	}
	p.taken = cap(work)
	p.charge()
	return work
}

// keepQueue is the size up to which an empty queue is kept for the next messages.
const keepQueue = 2 * limits.PortQueue

func (p *Port) handleAll(b []byte, m *Message) *Message {
	for len(b) > 0 && p.ctx.Err() == nil {
		n := recordHeader + int(binary.BigEndian.Uint32(b))
		m = p.handle(b[:n], m)
		b = b[n:]
	}
	p.lose(b)
	return m
}

// call calls the handler. A panic in it closes the port.
func (p *Port) call(m *Message) {
	guard.Do(fmt.Sprintf("the handler of port %d", p.num), func() { (*p.handler.Load()).HandleMessage(p.ctx, m) }, func(v *guard.Panic) {
		p.n.note(v)
		_ = p.Close()
	})
}

// handle calls the handler for one record and returns the Message to use for
// the next: that of a request is never used again, since its Reply may come
// later.
func (p *Port) handle(rec []byte, m *Message) *Message {
	m.From = Addr{routing.ID(rec[4:24]), binary.BigEndian.Uint16(rec[24:])}
	m.To, m.port = p.num, p
	m.Hops, m.Data = int(rec[27]), rec[recordHeader:]
	m.Datagram, m.asks = rec[26] == wire.PlainDatagram, rec[26] == wire.PlainRequest
	if m.request, m.Transmission = binary.BigEndian.Uint64(rec[28:]), 0; !m.asks {
		m.request, m.Transmission = 0, m.request
	}
	p.call(m)
	if m.asks {
		return &Message{}
	}
	return m
}
