package tcpsim

import (
	"time"

	"github.com/peermesh/peermesh/internal/line"
)

// What packets are made of.
const (
	Segment = 1_448 // most payload bytes of one
	Header  = 52    // IPv4, TCP and its timestamps
)

// Event is something that happens.
type Event interface{ Happen() }

// Clock tells the time and lets events happen: those of one instant in the order in
// which they were asked for, and none before At returns.
type Clock interface {
	Now() time.Duration
	At(at time.Duration, e Event)
}

// Path is one direction between two ends.
type Path struct {
	Lines []*line.Line // one after another; others may use them, too
	Delay time.Duration
	Cut   func() bool // nothing arrives just now; nil: never
}

// Algorithm is a congestion control.
type Algorithm uint8

// The algorithms.
const (
	CUBIC Algorithm = iota
	BBR
)

// Config describes one end. The zero value is what Linux has by default, but for
// the low-water mark.
type Config struct {
	Control    Algorithm
	SendBuffer int           // the most that it grows to; 0: 4 MiB
	Unsent     int           // bytes unsent from which on it counts as full (TCP_NOTSENT_LOWAT); 0: 16 KiB
	Receive    int           // receive buffer; 0: 6 MiB
	Patience   time.Duration // for which bytes may be unacked before the connection ends; 0: 15 s
}

func (c Config) withDefaults() Config {
	def := func(v *int, value int) {
		if *v == 0 {
			*v = value
		}
	}
	def(&c.SendBuffer, 4<<20)
	def(&c.Unsent, 16<<10)
	def(&c.Receive, 6<<20)
	if c.Patience == 0 {
		c.Patience = 15 * time.Second
	}
	return c
}

// End is one end of a connection. Its functions are set before anything is written.
type End struct {
	// Arrived takes a message that has come whole, in order.
	Arrived func(message any)
	// Room says that a write is welcome again, after Full said that none was.
	Room func()
	// Broken says that the connection ended by itself.
	Broken func()

	clock Clock
	cfg   Config
	other *End
	path  *Path
	tx    sender
	rx    receiver
	gone  bool // nothing leaves or arrives any more
}

// Connect makes a connection: there leads from the first end to the second.
func Connect(clock Clock, there, back *Path, first, second Config) (a, b *End) {
	a, b = newEnd(clock, there, first), newEnd(clock, back, second)
	a.other, b.other = b, a
	a.tx.edge, b.tx.edge = int64(b.cfg.Receive), int64(a.cfg.Receive)
	return a, b
}

func newEnd(clock Clock, path *Path, cfg Config) *End {
	e := &End{clock: clock, cfg: cfg.withDefaults(), path: path}
	e.tx.init(e)
	e.rx.init(e)
	return e
}

// Write gathers a message of n bytes, whatever waits already: the owner asks Full.
func (e *End) Write(n int, message any) {
	if e.gone {
		return
	}
	e.tx.wrote += int64(n)
	e.other.rx.await(e.tx.wrote, message)
	e.tx.send()
}

// Full says that the send buffer is full, or as much is unsent as may be. Then Room
// is called once that has changed.
func (e *End) Full() bool {
	full := !e.gone && e.tx.full()
	e.tx.wanted = e.tx.wanted || full
	return full
}

// Held is how many bytes were written and are not known to have arrived.
func (e *End) Held() int { return int(e.tx.wrote-e.tx.una) - e.tx.sacked }

// Lost is how many of them were lost and have not left again.
func (e *End) Lost() int { return e.tx.lostBytes }

// Unsent is how many bytes were written and have not left.
func (e *End) Unsent() int { return int(e.tx.wrote - e.tx.next) }

// RTT is the smoothed round trip; 0: none is known.
func (e *End) RTT() time.Duration { return e.tx.rtt.smoothed }

// Pause stops reading: what arrives fills the receive buffer.
func (e *End) Pause() { e.rx.paused = true }

// Resume goes on with reading.
func (e *End) Resume() {
	if e.rx.paused {
		e.rx.paused = false
		e.rx.read()
	}
}

// Close stops reading for good: what arrives is acknowledged and dropped. What was
// written still leaves.
func (e *End) Close() { e.rx.closed, e.rx.marks = true, nil }

// Abort ends this end at once: it sends nothing more and hears nothing.
func (e *End) Abort() {
	e.gone = true
	e.rx.marks, e.tx.flight = nil, nil
	for _, t := range []*timer{&e.tx.rto, &e.tx.reorder, &e.tx.pace, &e.rx.delay} {
		t.stop()
	}
}

// broke ends the connection from here: nothing was acknowledged for too long.
func (e *End) broke() {
	e.Abort()
	if e.Broken != nil {
		e.Broken()
	}
}

// packet is a segment, an ack, or both.
type packet struct {
	to        *End
	path      *Path
	line      int // the next one
	size      int
	from, end int64 // of the payload in the stream; the same: none
	sent      time.Duration
	ack       int64
	edge      int64 // the receiver takes nothing beyond
	ranges    [3]span
	echo      time.Duration // when the segment left that the ack is for
}

// span is a range of a stream.
type span struct{ from, end int64 }

// put sends a packet with what there is to acknowledge.
func (e *End) put(p *packet) {
	p.to, p.path, p.size = e.other, e.path, int(p.end-p.from)+Header
	e.rx.acknowledge(p)
	p.move(e.clock)
}

// Happen implements Event: the packet is behind a line.
func (p *packet) Happen() {
	if p.line <= len(p.path.Lines) {
		p.move(p.to.clock)
		return
	}
	if cut := p.path.Cut; p.to.gone || cut != nil && cut() {
		return
	}
	p.to.receive(p)
}

// move puts the packet on its next line.
func (p *packet) move(clock Clock) {
	at, fate := clock.Now(), line.Passed
	if p.line < len(p.path.Lines) {
		at, fate = p.path.Lines[p.line].Offer(at, p.size)
	}
	if p.line++; p.line >= len(p.path.Lines) {
		at += p.path.Delay
		p.line = len(p.path.Lines) + 1
	}
	if fate == line.Passed {
		clock.At(at, p)
	}
}

func (e *End) receive(p *packet) {
	e.tx.acked(p)
	if p.end > p.from {
		e.rx.segment(p)
	}
}
