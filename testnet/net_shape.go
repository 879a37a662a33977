package testnet

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/tcpsim"
	"github.com/peermesh/peermesh/transport"
)

// shaped is the dialled end of a pipe with a line on its way. It holds up what is
// sent and what is received, as a connection does whose window fills the buffer
// before the line: who writes waits for room there.
type shaped struct {
	transport.Conn
	out, in  *lane
	gathered [][]byte // for Flush

	once    sync.Once
	workers sync.WaitGroup
}

// laneBytes is what is on its way in one direction before a writer waits even where
// the line's buffer has no bound: what a system's send buffer grows to.
const laneBytes = 4 << 20

// shape puts lines on the way of a pipe; nil: there is none in that direction.
func shape(inner transport.Conn, out, in *path) transport.Conn {
	rtt := out.delay() + in.delay()
	c := &shaped{Conn: inner, out: newLane(out, rtt), in: newLane(in, rtt)}
	c.workers.Go(guard.Func("a line", c.deliver, nil))
	c.workers.Go(guard.Func("a line", c.collect, nil))
	return c
}

// Send implements transport.Conn.
func (c *shaped) Send(msg []byte) error {
	if len(msg) > c.Max() {
		return c.Conn.Send(msg) // it says what is wrong
	}
	if err := c.out.failure(); err != nil {
		return err
	}
	c.gathered = append(c.gathered, append([]byte(nil), msg...))
	return nil
}

// Flush implements transport.Conn.
func (c *shaped) Flush() error {
	_, err := c.flush(true)
	return err
}

// TryFlush implements transport.Conn.
func (c *shaped) TryFlush() (done bool, err error) { return c.flush(false) }

func (c *shaped) flush(wait bool) (done bool, err error) {
	for len(c.gathered) > 0 {
		done, err := c.out.push(c.gathered[0], wait)
		if !done || err != nil {
			return false, err
		}
		c.gathered[0] = nil
		c.gathered = c.gathered[1:]
	}
	return true, c.out.failure()
}

// Receive implements transport.Conn.
func (c *shaped) Receive(buf func() []byte) ([]byte, error) {
	msg, err := c.in.pop()
	if err != nil {
		return nil, err
	}
	b := buf()
	if len(msg) > len(b)-1 {
		_ = c.Close()
		return nil, fmt.Errorf("message of %d bytes: %w", len(msg), transport.ErrMessageTooBig)
	}
	return b[:copy(b, msg)], nil
}

// Line implements transport.Liner.
func (c *shaped) Line() (transport.Line, bool) {
	held := c.out.held()
	for _, msg := range c.gathered {
		held += len(msg)
	}
	return transport.Line{Held: held, RTT: c.out.rtt, Segment: tcpsim.Segment}, true
}

// Close implements transport.Conn. What was flushed is given a moment to arrive, as
// a system gives it what it has.
func (c *shaped) Close() error {
	c.once.Do(func() {
		c.in.fail(transport.ErrClosed)
		c.out.close(limits.CloseLinger)
		_ = c.Conn.Close()
		c.workers.Wait()
	})
	return nil
}

// deliver hands what has crossed the line to the carrier.
func (c *shaped) deliver() {
	for {
		msg, err := c.out.pop()
		if err == nil {
			err = c.Conn.Send(msg)
		}
		if err == nil && !c.out.due() {
			err = c.Conn.Flush()
		}
		if err != nil {
			c.out.fail(err)
			return
		}
	}
}

// collect puts what the carrier brings on the line. The other end waits while there
// is no room: nothing is read then.
func (c *shaped) collect() {
	memory := make([]byte, c.Max()+1)
	for {
		msg, err := c.Conn.Receive(func() []byte { return memory })
		if err == nil {
			_, err = c.in.push(append([]byte(nil), msg...), true)
		}
		if err != nil {
			c.in.end(err)
			c.out.fail(err)
			return
		}
	}
}

// lane is one direction: messages on their way, in order.
type lane struct {
	path *path // nil: no line
	rtt  time.Duration

	mu      sync.Mutex
	changed sync.Cond // L is &mu
	queue   []crossing
	bytes   int
	partly  int       // bytes of the next message that are on the line
	arrives time.Time // when they have arrived, and all before them
	busy    bool      // who took the last message has not come back
	closing bool      // nothing is taken any more
	ended   error     // behind what is on its way
	err     error     // at once
}

// crossing is a message on its way.
type crossing struct {
	msg []byte
	due time.Time
}

func newLane(p *path, rtt time.Duration) *lane {
	l := &lane{path: p, rtt: rtt}
	l.changed.L = &l.mu
	return l
}

// push puts a message on the line, packet by packet. Without wait it stops where
// there is no room, and goes on from there when it is called again.
func (l *lane) push(msg []byte, wait bool) (done bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if err := l.refusal(); err != nil {
			return false, err
		}
		pause := time.Duration(0)
		if l.path != nil {
			pause = l.offer(msg)
		}
		full := pause == 0 && len(l.queue) > 0 && l.bytes+len(msg) > laneBytes
		switch {
		case pause == 0 && !full:
			l.enqueue(msg)
			return true, nil
		case !wait:
			return false, nil
		case full:
			l.changed.Wait()
		case pause > limits.WriteStall:
			l.sleep(limits.WriteStall)
			if l.err == nil {
				l.err = errLineStalled
			}
		default:
			l.sleep(pause)
		}
	}
}

// errLineStalled is the end of a pipe on a line that takes nothing.
var errLineStalled = fmt.Errorf("the line took nothing for %v: %w", limits.WriteStall, os.ErrDeadlineExceeded)

// offer puts the packets of a message on the line and says for how long the next
// one has to wait; 0: all are.
func (l *lane) offer(msg []byte) time.Duration {
	for first := true; first && len(msg) == 0 || l.partly < len(msg); first = false {
		n := min(len(msg)-l.partly, tcpsim.Segment)
		due, wait := l.path.offer(n+tcpsim.Header, l.rtt)
		if wait > 0 {
			return wait
		}
		l.partly += n
		if due.After(l.arrives) {
			l.arrives = due
		}
	}
	return 0
}

func (l *lane) enqueue(msg []byte) {
	l.queue = append(l.queue, crossing{msg, l.arrives})
	l.bytes += len(msg)
	l.partly = 0
	l.changed.Broadcast()
}

// pop waits for the next message to arrive. Who calls it is done with the last one.
func (l *lane) pop() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = false
	l.changed.Broadcast()
	for {
		switch {
		case l.err != nil:
			return nil, l.err
		case len(l.queue) == 0 && l.ended != nil:
			return nil, l.ended
		case len(l.queue) == 0 && l.closing:
			return nil, transport.ErrClosed
		case len(l.queue) == 0:
			l.changed.Wait()
			continue
		}
		first := l.queue[0]
		if wait := time.Until(first.due); wait > 0 {
			l.sleep(wait)
			continue
		}
		l.queue[0] = crossing{}
		l.queue = l.queue[1:]
		l.bytes -= len(first.msg)
		l.busy = true
		l.changed.Broadcast()
		return first.msg, nil
	}
}

// sleep waits for a time, or until something changes. It needs mu.
func (l *lane) sleep(d time.Duration) {
	timer := time.AfterFunc(d, guard.Func("a line", func() {
		l.mu.Lock()
		l.changed.Broadcast()
		l.mu.Unlock()
	}, nil))
	l.changed.Wait()
	timer.Stop()
}

// due says whether another message has arrived.
func (l *lane) due() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) > 0 && !time.Now().Before(l.queue[0].due)
}

// held is how many bytes are on their way.
func (l *lane) held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes + l.partly
}

// refusal is why nothing can be pushed; it needs mu.
func (l *lane) refusal() error {
	if l.err == nil && l.closing {
		return transport.ErrClosed
	}
	return l.err
}

func (l *lane) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refusal()
}

// fail ends the lane at once.
func (l *lane) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
	l.queue, l.bytes = nil, 0
	l.changed.Broadcast()
}

// end ends the lane behind what is on its way.
func (l *lane) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended == nil {
		l.ended = err
	}
	l.changed.Broadcast()
}

// close waits until what is on its way has arrived and was handed on, for a bounded
// time, and ends the lane.
func (l *lane) close(most time.Duration) {
	l.mu.Lock()
	l.closing = true
	l.changed.Broadcast()
	for until := time.Now().Add(most); (len(l.queue) > 0 || l.busy) && l.err == nil; {
		left := time.Until(until)
		if left <= 0 {
			break
		}
		l.sleep(left)
	}
	l.mu.Unlock()
	l.fail(transport.ErrClosed)
}

var _ transport.Liner = (*shaped)(nil)
