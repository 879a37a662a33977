package link

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/budget"
	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
)

// Carrier moves whole messages to the neighbour and back; transport.Conn is
// one, and says what each method promises.
type Carrier interface {
	Receive(buf func() []byte) ([]byte, error)
	Send(msg []byte) error
	Flush() error
	TryFlush() (done bool, err error)
	Max() int
	Binding() []byte
	Kind() string
	Close() error
}

// Config describes a link whose handshake has ended well.
type Config struct {
	Number   uint64 // this node's number for it, from 1, never used twice
	Peer     wire.ID
	Leaf     bool // the peer does not forward
	LeafLink bool // either end is a leaf: pings are rarer
	Direct   bool // made for what the two ends have to say to each other; the link itself does not care
	Outbound bool
	Instance wire.Instance
	Dial     uint32
	Agent    string
	Contact  []byte // the peer's signed contact record
	Carrier  Carrier
	Send     *session.Cipher // nil: the carrier is the encryption, or a simulation
	Recv     *session.Cipher
	OnBusy   func()              // an ack begins to be owed or awaited: tick soon. Called with the link's lock held: must not block or call back
	OnRoom   func()              // own frames of classes 0 to 2 that were refused may be appended again. Called with the link's lock held: must not block or call back
	Clock    func() time.Time    // nil: the machine's. It is read while the link is slow
	Drops    *reason.Counters    // counts datagrams that waited too long; nil: nobody does
	Budget   *budget.Budget      // of the node, for what waits and what is kept; nil: none
	Line     func() (Line, bool) // what the carrier knows of its line: transport.Liner's; nil, or false: nothing. Called by whoever sends, with the link's lock held
	OnPanic  func(*guard.Panic)  // the writer of the link panicked, which ends it; nil: the default log tells
	Wake     func()              // there is something to write, or to close once all is written: call Pump soon. Nil: Run's writer does it. Called with the link's lock held: must not call back
}

// Link is one live link. Its exported methods may be called from any goroutine
// unless they say otherwise.
type Link struct {
	Config // set at New

	reading atomic.Bool                                        // the reader deals with a message: while it waits for room, nothing else is read
	rx      struct{ bytes, frames, kept, taken atomic.Uint64 } // taken: of bytes, what the reader has dealt with
	txBytes atomic.Uint64

	mu        sync.Mutex
	began     time.Time
	writer    writer
	queue     queue
	meter     meter
	control   chunk  // link frames, written before all else
	writing   bool   // somebody owns the carrier's sending side
	sealed    bool   // that somebody handed a half-done flush to the writer
	closing   bool   // close once nothing waits
	starved   bool   // an own frame of classes 0 to 2 was refused, and OnRoom not called since
	last      []byte // the link frame behind all that waits; nil: none, or taken
	cause     reason.Reason
	ended     bool
	txFrames  uint64
	flushed   int       // frames of the last flush, datagrams that shared one counted singly
	inlineAt  time.Time // last inline flush
	ring      ring
	handed    handed
	line      carrierLine
	throttled bool // the carrier was told that the link is slow
	owing     owing
	held      held
	account   budget.Account // of the memory below
	flight    int            // memory of what the writer has taken and the carrier not yet
	parts     int            // memory of frames that came in pieces and are not whole
	live      liveness

	joiner *joiner // the reader's; nil: no frame has come in part

	done chan struct{}
}

// New returns a link on which nothing has moved yet. [Link.Run] starts it.
func New(cfg Config, now time.Time) *Link {
	overhead := 0
	if cfg.Send != nil {
		overhead = sealRoom
		cfg.Send.EnableRekey()
		cfg.Recv.EnableRekey()
	}
	if cfg.Clock == nil {
		cfg.Clock = machineClock
	}
	l := &Link{
		Config:  cfg,
		began:   now,
		queue:   newQueue(recordMax(cfg.Carrier, overhead)),
		line:    newLine(cfg.Line, now),
		live:    newLiveness(cfg.LeafLink, now),
		ring:    newRing(),
		account: cfg.Budget.Open(),
		done:    make(chan struct{}),
	}
	l.writer.work.L = &l.mu
	l.pace()
	return l
}

// Origin is what the duplicate rule looks at.
func (l *Link) Origin() Origin { return Origin{l.Instance, l.Outbound, l.Dial} }

// Done is closed when the link has ended; Cause says why.
func (l *Link) Done() <-chan struct{} { return l.done }

// Suspect says whether an ack is late.
func (l *Link) Suspect() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.live.suspect
}

// Cause is why the link ended, or None.
func (l *Link) Cause() reason.Reason {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// Stats are a link's counters.
type Stats struct {
	RxBytes, TxBytes   uint64 // on the carrier, tags included
	RxFrames, TxFrames uint64 // mesh frames
	Queued             int    // bytes waiting
	RTT                time.Duration
	Suspect            bool
	Slow               bool // the carrier is kept short
	Line               LineStats
}

// LineStats are what a slow link has measured; zeros: nothing yet.
type LineStats struct {
	Rate  int           // bytes/s that get through
	Base  time.Duration // the least round trip
	Limit int           // bytes that the carrier may hold
}

// Stats returns the counters now.
func (l *Link) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{
		RxBytes: l.rx.bytes.Load(), RxFrames: l.rx.frames.Load(),
		TxBytes: l.txBytes.Load(), TxFrames: l.txFrames,
		Queued: l.queue.bytes, RTT: l.live.srtt, Suspect: l.live.suspect,
		Slow: l.line.m != nil, Line: l.line.stats(),
	}
}

// Admission is what became of frames given to a link.
type Admission uint8

// The admissions.
const (
	Queued  Admission = iota
	Full              // the source's share is used up: wait, or give up
	Stalled           // the source waited in vain before and half of its share is not yet free: drop
	Crowded           // the link holds its part of what the node has memory for: drop, waiting is no use
	Ended             // the link is over
	Spent             // the session of a datagram has sealed as much as it may: it needs another
)

// Append queues a run of frames of one class that came by source src: n
// length-prefixed frames, at most limits.MaxRun bytes or a single frame. The
// bytes are copied. Of a run for which there is no room the first frames may be
// queued all the same; rest is what was not. It wakes nobody: Kick or Rouse does,
// once per batch.
func (l *Link) Append(src uint64, class wire.Class, run []byte, n int) (rest []byte, a Admission) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.closing {
		return run, Ended
	}
	q := &l.queue
	in := q.inlet(src)
	if q.flows != nil {
		rest, a = l.appendRun(in, class, run)
	} else if a = l.fits(in, len(run)); a == Queued {
		q.push(in, class, run, n)
	} else {
		rest = run[l.appendPart(in, class, run, a):]
		l.refused(src, class, a)
	}
	if len(rest) < len(run) {
		q.wake(in) // the next of those who wait
	}
	l.charge()
	return rest, a
}

// appendPart queues the first frames of a run for which there is no room as a whole,
// and returns their bytes. It needs mu.
func (l *Link) appendPart(in *inlet, class wire.Class, run []byte, a Admission) int {
	q := &l.queue
	part, n := cut(run, q.share(in)-in.bytes)
	if a != Full || len(part) == len(run) || !q.fits(in, len(part)) {
		return 0
	}
	q.push(in, class, part, n)
	return len(part)
}

// AppendFrame is Append for one frame without its length.
func (l *Link) AppendFrame(src uint64, class wire.Class, frame []byte) Admission {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.append(src, class, frame)
}

func (l *Link) append(src uint64, class wire.Class, frame []byte) Admission {
	if l.ended || l.closing {
		return Ended
	}
	in := l.queue.inlet(src)
	if l.queue.flows != nil {
		a := l.appendSlow(in, class, frame, l.since())
		if a == Queued {
			l.queue.wake(in)
		}
		l.charge()
		return a
	}
	if a := l.fits(in, wire.BatchHeader+len(frame)); a != Queued {
		return l.refused(src, class, a)
	}
	l.queue.pushFrame(in, class, frame)
	l.queue.wake(in)
	l.charge()
	return Queued
}

func (l *Link) fits(in *inlet, n int) Admission {
	switch {
	case !l.affords(n):
		return Crowded
	case l.queue.fits(in, n):
		return Queued
	case in.stalled:
		return Stalled
	}
	return Full
}

// MarkStalled makes the link refuse frames of src until half of its share is free.
func (l *Link) MarkStalled(src uint64) {
	l.mu.Lock()
	l.queue.inlet(src).stalled = true
	l.mu.Unlock()
}

// Forget drops what the link keeps for a source whose link has ended.
func (l *Link) Forget(src uint64) {
	l.mu.Lock()
	l.queue.forget(src)
	l.mu.Unlock()
}

// AppendControl queues one link frame and has it written. A peer that reads
// so slowly that too many gather has its link ended. The answer is Queued or Ended.
func (l *Link) AppendControl(frame []byte) Admission {
	l.mu.Lock()
	if l.ended || l.closing {
		l.mu.Unlock()
		return Ended
	}
	if l.control.frames >= limits.ControlFrames || len(l.control.buf)+len(frame) > limits.ControlBytes {
		l.mu.Unlock()
		l.Close(reason.Stalled)
		return Ended
	}
	l.control.buf = wire.AppendToBatch(l.control.buf, frame)
	l.control.frames++
	l.wakeWriter()
	l.mu.Unlock()
	return Queued
}

// wakeWriter has link frames written: on a quiet link by the caller, without
// blocking, so that an idle link needs no writer for its pings. It needs mu,
// which it may let go of meanwhile.
func (l *Link) wakeWriter() {
	switch {
	case l.Wake != nil:
		l.Wake()
	case l.writing:
	case l.flushed <= limits.InlineFrames && l.quiet():
		l.writeInline()
	default:
		l.writer.Signal()
	}
}

// waits says whether anything waits to be written; it needs mu.
func (l *Link) waits() bool { return l.queue.bytes > 0 || l.control.frames > 0 || l.last != nil }

// pending says whether some of it may be written now; it needs mu.
func (l *Link) pending() bool {
	return l.waits() && (!l.line.asleep || l.control.frames > 0 || l.queue.bytes == 0)
}

// prepare takes what has gathered as records, link frames first, keeps copies
// of what has to be acked, and counts. A slow link may have no room for more than
// the link frames. It needs mu.
func (l *Link) prepare(out *chunks) {
	open, before := l.open(), l.handed.bytes
	if l.control.frames > 0 || open && l.owing.ack.Load() {
		l.takeControl(out)
	}
	mesh := open && l.takeMesh(out)
	l.takeLast(out)
	l.handOver(out, mesh)
	if l.line.slow && out.head != nil {
		l.line.handed(l.Clock(), before, l.handed.bytes, l.handed.read(), l.queue.bytes > 0)
	}
}

// takeMesh moves mesh frames, or pieces of them, to out, if there are some.
func (l *Link) takeMesh(out *chunks) bool {
	var mesh chunks
	frames, single := l.take(&mesh)
	for c := mesh.head; c != nil; c = c.next {
		l.flight += cap(c.buf)
		if c.kept {
			l.ring.keep(l.queue.keeps(c), l.ringMost())
			l.charge()
		}
	}
	l.txFrames += uint64(frames)
	l.flushed = single
	l.tellRoom()
	some := mesh.head != nil
	out.splice(&mesh, l.queue.recordMax)
	return some
}

// ackRoom is how many bytes an ack takes in a batch.
const ackRoom = wire.BatchHeader + ackLen

const ackLen = 1 + 8 + 8

// keptControl is how many bytes of room for link frames an idle link keeps: for
// pings and acks.
const keptControl = 256

// takeControl moves the link frames, and an ack if one is owed, to out.
func (l *Link) takeControl(out *chunks) {
	run := l.control.buf
	for {
		part, _ := cut(run, l.queue.recordMax)
		c := newChunk(len(part) + ackRoom)
		c.buf = append(c.buf, part...)
		out.push(c)
		if run = run[len(part):]; len(run) == 0 {
			break
		}
	}
	l.control.buf, l.control.frames = l.control.buf[:0], 0
	if cap(l.control.buf) > keptControl {
		l.control.buf = nil // lists and records are rare: an idle link keeps no room for them
	}
	l.live.pongOwed = false
	if l.owing.ack.Load() {
		c := out.room(ackRoom, l.queue.recordMax)
		c.buf = l.appendAck(c.buf)
	}
}

// splice puts more behind l, into l's last record where it fits; a piece has its own.
func (l *chunks) splice(more *chunks, max int) {
	if t := l.tail; t != nil && more.head != nil && t.room(max) >= len(more.head.buf) && !wire.IsPiece(more.head.buf) {
		t.adopt(more.pop())
	}
	if more.head == nil {
		return
	}
	if l.tail == nil {
		*l = *more
		return
	}
	l.tail.next, l.tail = more.head, more.tail
}

func (l *Link) busy() {
	if l.OnBusy != nil {
		l.OnBusy()
	}
}

// TakeRing empties the sent ring of a suspect link: the frames that the neighbour
// has not taken, as one batch, to be forwarded another way. The batch is empty
// when the link was suspected too often for what its neighbour has taken since;
// then the frames stay.
func (l *Link) TakeRing() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.charge()
	return l.ring.suspected()
}

// Leftover empties a link that has ended. The batch holds the frames of classes
// 0 to 2 that the neighbour has not taken, to be forwarded another way; lost is
// how many others waited, datagrams that shared a frame counted singly.
func (l *Link) Leftover() (batch []byte, lost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.settle()
	batch = l.ring.take()
	kept, lost := l.queue.drain()
	return append(batch, kept...), lost
}
