package testnet

import (
	"errors"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/tcpsim"
	"github.com/peermesh/peermesh/transport"
)

// simEnd is one end of a carrier between two nodes, of the kind that TCP is:
// nothing is lost on it or overtaken. A lost packet shows as a delay of a round
// trip and no less than lossDelay; a cut holds everything until it heals. Only
// a node that died silently lets go of what is sent to it. Where a line is on its
// way it is a modelled TCP connection, for which a cut loses packets.
type simEnd struct {
	node    *simNode
	other   *simEnd
	link    *simLink      // nil: not up yet
	latency time.Duration // one way
	last    time.Duration // when the last message on its way here arrives
	first   *simBuffer    // on its way here, in order
	tail    *simBuffer
	webRTC  bool          // as that: silence ends it
	mute    bool          // what is sent gets lost
	closed  bool          // from here
	held    bool          // a cut holds what is on its way here
	tcp     *tcpsim.End   // nil: no line is on its way
	because reason.Reason // it is ended for, soon
}

// lossDelay is the least time to a retransmission (Linux: TCP_RTO_MIN).
const lossDelay = 200 * time.Millisecond

const (
	endArrival  simKind = iota
	endUnheard          // a carrier as WebRTC gives up
	endPatience         // a bye was written, or not
)

// webRTCDead is after how much silence of the other side a carrier over WebRTC
// ends: its own pings tell, as package transport/webrtc has it.
const webRTCDead = 8 * time.Second

var errNotDriven = errors.New("testnet: a simulated carrier is driven, not read")

// Receive, Flush and TryFlush are there for the shape of a carrier: a driven
// link never calls them.
func (e *simEnd) Receive(func() []byte) ([]byte, error) { return nil, errNotDriven }
func (e *simEnd) Flush() error                          { return nil }
func (e *simEnd) TryFlush() (bool, error)               { return true, nil }
func (e *simEnd) Max() int                              { return limits.MaxRecord }
func (e *simEnd) Binding() []byte                       { return nil }
func (e *simEnd) Kind() string {
	if e.webRTC {
		return "webrtc"
	}
	return "sim"
}

// Send lets a copy of msg arrive at the other end.
func (e *simEnd) Send(msg []byte) error {
	if e.closed {
		return transport.ErrClosed
	}
	s := e.node.sim
	s.trace.record(s.now, e.node.index, e.other.node.index, msg)
	if e.tcp != nil {
		e.tcp.Write(len(msg)+carrierHeader, s.buffers.take(msg))
		return nil
	}
	e.post(s.buffers.take(msg))
	return nil
}

// delay is how long a packet takes to get through at last.
func (s *Simulation) delay(latency time.Duration) time.Duration {
	d := latency
	for s.loss > 0 && s.rand.Float64() < s.loss {
		d += max(2*latency, lossDelay)
	}
	return d
}

// post lets b, or with an empty one the end of the carrier, arrive at the other end.
func (e *simEnd) post(b *simBuffer) {
	s, to := e.node.sim, e.other
	if e.mute {
		s.buffers.give(b)
		return
	}
	to.last = max(to.last, s.now+s.delay(e.latency))
	if to.tail == nil {
		to.first = b
	} else {
		to.tail.next = b
	}
	to.tail = b
	if !to.held {
		s.heap.push(to.last, to, endArrival)
	}
}

// Close ends this side; the other learns of it as it would of a message.
func (e *simEnd) Close() error {
	if e.closed {
		return nil
	}
	e.closed = true
	e.drop()
	if e.tcp != nil {
		e.hangUp()
	} else if !e.other.closed {
		e.post(&simBuffer{hangUp: true})
	}
	if e.link != nil {
		e.link.ended()
	}
	return nil
}

// drop forgets what is on its way here.
func (e *simEnd) drop() {
	for e.first != nil {
		e.node.sim.buffers.give(e.take())
	}
}

func (e *simEnd) take() *simBuffer {
	b := e.first
	e.first = b.next
	if e.first == nil {
		e.tail = nil
	}
	b.next = nil
	return b
}

// happen lets the first message arrive that is on its way.
func (e *simEnd) happen(s *Simulation, kind simKind) {
	switch {
	case kind == endUnheard:
		if e.link != nil && !e.closed && !e.node.dead && (e.other.node.dead || e.other.node.frozen != nil || e.other.mute) {
			e.link.link.Close(reason.CarrierFailed)
		}
		return
	case kind == endPatience:
		e.link.link.Close(e.because)
		return
	case e.held || e.first == nil: // later, or dropped
		return
	case e.closed || e.node.dead:
		e.drop()
		return
	case e.node.hold(e):
		return
	case s.cut(e.other.node, e.node):
		e.held = true
		s.held = append(s.held, e)
		return
	}
	e.arrive(e.take())
}

// arrive takes a message from the other end.
func (e *simEnd) arrive(b *simBuffer) {
	s := e.node.sim
	switch l := e.link; {
	case l == nil || e.closed || e.node.dead: // refused: nobody reads
	case l.wait != nil:
		l.wait.later = append(l.wait.later, b)
		return
	case b.hangUp:
		l.link.Close(reason.CarrierFailed)
	case l.admitted:
		if cause := l.link.Handle(l, b.data); cause != reason.None {
			l.link.Close(cause)
		}
	}
	s.buffers.give(b)
}

// unheard notes that nothing comes from the other end any more.
func (e *simEnd) unheard(s *Simulation) {
	if e.webRTC {
		s.heap.push(s.now+webRTCDead, e, endUnheard)
	}
}

// release lets what a cut held arrive.
func (e *simEnd) release(s *Simulation) {
	e.held = false
	for b := e.first; b != nil; b = b.next {
		e.last = max(e.last, s.now+e.latency)
		s.heap.push(e.last, e, endArrival)
	}
}

// simBuffer is a message on its way.
type simBuffer struct {
	data   []byte
	next   *simBuffer
	hangUp bool // the other end is closed
}

// simBuffers are those that nothing is in.
type simBuffers struct {
	free *simBuffer
	n    int
}

const (
	smallBuffer = 512   // bytes that most records fit into
	buffersKept = 1_024 // that nothing is in; more of them are left to the collector
)

func (p *simBuffers) take(msg []byte) *simBuffer {
	b := p.free
	if b == nil || len(msg) > smallBuffer {
		b = &simBuffer{data: make([]byte, 0, max(len(msg), smallBuffer))}
	} else {
		p.free, b.next = b.next, nil
		p.n--
	}
	b.data = append(b.data[:0], msg...)
	return b
}

func (p *simBuffers) give(b *simBuffer) {
	if cap(b.data) == smallBuffer && p.n < buffersKept {
		b.next, p.free = p.free, b
		p.n++
	}
}
