package link

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// Handler takes what a link receives.
type Handler interface {
	// HandleBatch takes one record's frames, or one frame that came in pieces,
	// length-prefixed. The bytes are
	// valid, and may be changed, until it returns. It runs on the reader
	// goroutine: while it waits, nothing is read, which is back-pressure. A
	// reason other than None ends the link.
	HandleBatch(l *Link, batch []byte) reason.Reason
}

// machineClock is what links run by that nobody drives.
func machineClock() time.Time { return time.Now() }

var recordBuffers = sync.Pool{New: func() any { return new([limits.MaxRecord + 1]byte) }}

// Run reads, has a writer started whenever there is something to write, and
// returns when both have ended, which is after Close. It must be called once.
func (l *Link) Run(h Handler) {
	l.mu.Lock()
	if !l.ended {
		l.writer.ready(func() { guard.Do("the writer of a link", l.write, l.broke) })
	}
	if l.pending() || l.closing {
		l.writer.Signal()
	}
	l.mu.Unlock()
	l.Close(l.read(h))
	l.writer.done.Wait()
	<-l.done
}

// Dismiss is Run for a link that is not wanted: what waits, a bye, is written,
// nothing is read, and it returns when the link has ended. The caller bounds how
// long that may take, with Close.
func (l *Link) Dismiss() {
	l.write()
	<-l.done
}

// read receives until something ends the link, and says what.
func (l *Link) read(h Handler) reason.Reason {
	var held *[limits.MaxRecord + 1]byte
	buf := func() []byte {
		held = recordBuffers.Get().(*[limits.MaxRecord + 1]byte)
		return held[:]
	}
	for {
		msg, err := l.Carrier.Receive(buf)
		var cause reason.Reason
		if err == nil {
			cause = l.handle(h, msg)
		} else {
			cause = carrierCause(err)
		}
		if held != nil {
			recordBuffers.Put(held)
			held = nil
		}
		if cause != reason.None {
			return cause
		}
	}
}

// carrierCause is why a link ends whose carrier failed. A carrier that made no
// progress in writing says so with a deadline error.
func carrierCause(err error) reason.Reason {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return reason.Stalled
	}
	return reason.CarrierFailed
}

func (l *Link) handle(h Handler, msg []byte) reason.Reason {
	l.reading.Store(true)
	defer l.reading.Store(false)
	l.rx.bytes.Add(uint64(len(msg)))
	if l.Recv != nil {
		plain, err := l.Recv.Open(msg[:0], msg, nil)
		if err != nil {
			return reason.BadSeal
		}
		msg = plain
	}
	if wire.IsPiece(msg) {
		return l.receivePiece(h, msg)
	}
	return h.HandleBatch(l, msg)
}

// write is the writer goroutine.
func (l *Link) write() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writer.began()
	defer l.writer.left()
	for {
		for !l.ended && !l.sealed && (l.writing || !l.pending()) {
			if l.closing && !l.writing && !l.waits() {
				cause := l.cause
				l.mu.Unlock()
				l.Close(cause)
				l.mu.Lock()
				return
			}
			if !l.writer.Wait() {
				return
			}
		}
		if l.ended {
			return
		}
		l.writer.works()
		if err := l.flush(); err != nil {
			l.writeFailed(err)
			return
		}
	}
}

// flush writes what pends, or finishes what an inline flush began. It is called
// with mu held and holds it again when it returns.
func (l *Link) flush() error {
	var out chunks
	if l.sealed {
		l.sealed = false
	} else if l.prepare(&out); out.head == nil {
		l.doze()
		return nil
	}
	l.writing = true
	f, err := l.sealAndFlush(&out)
	l.writing = false
	l.judge(f)
	l.left(time.Now)
	return err
}

// sealAndFlush does without mu what takes long; a panic in it finds mu held, as
// the callers' deferred calls expect.
func (l *Link) sealAndFlush(out *chunks) (f flushed, err error) {
	l.mu.Unlock()
	defer l.mu.Lock()
	began, before := time.Now(), l.txBytes.Load()
	if err = l.seal(out); err == nil {
		err = l.Carrier.Flush()
	}
	f.at, f.bytes = time.Now(), l.txBytes.Load()-before
	f.took = f.at.Sub(began)
	return f, err
}

// broke ends the link for a panic of its writer.
func (l *Link) broke(p *guard.Panic) {
	l.panicked(p)
	l.Close(reason.ProtocolError)
}

// panicked tells of a panic.
func (l *Link) panicked(p *guard.Panic) {
	if l.OnPanic != nil {
		l.OnPanic(p)
	} else {
		p.Log(slog.Default())
	}
}

// writeFailed ends the link soon: why the peer went away may still wait to be
// read, unless it is there and takes nothing. Until then nobody writes. It needs mu.
func (l *Link) writeFailed(err error) {
	l.writing = true
	cause, grace := carrierCause(err), limits.ByeGrace
	if cause == reason.Stalled {
		grace = 0
	}
	time.AfterFunc(grace, guard.Func("the end of a link", func() { l.Close(cause) }, l.panicked))
}

// seal seals each record in place, before that the frames in it that are not
// sealed yet, and gathers it in the carrier. Only the owner of writing calls it.
func (l *Link) seal(out *chunks) error {
	var err error
	var bytes int
	for out.head != nil {
		c := out.pop()
		if err == nil {
			c.sealDrafts()
			if l.Send != nil {
				c.buf = l.Send.Seal(c.buf[:0], c.buf, nil)
			}
			bytes += len(c.buf)
			err = l.Carrier.Send(c.buf)
		}
		c.free()
	}
	l.txBytes.Add(uint64(bytes))
	return err
}

// Kick writes what was appended, without blocking, when batch frames are few and
// the link is quiet. False: the writer has to, and waits for [Link.Rouse].
func (l *Link) Kick(batch int) bool {
	l.mu.Lock()
	if l.writing || l.ended || !l.pending() {
		l.mu.Unlock() // the writer looks again when it is done
		return true
	}
	if batch > limits.InlineFrames || l.flushed > limits.InlineFrames || !l.quiet() {
		l.mu.Unlock()
		return false
	}
	l.inline()
	return true
}

// Rouse has the writer goroutine write what was appended.
func (l *Link) Rouse() {
	l.mu.Lock()
	if !l.writing && l.pending() {
		l.writer.Signal()
	}
	l.mu.Unlock()
}

// AppendOwn is AppendFrame, Kick and Rouse at once for one frame of this node
// itself. On a quiet link the caller writes it, without blocking; the clock is
// read only then.
func (l *Link) AppendOwn(class wire.Class, frame []byte) Admission {
	l.mu.Lock()
	return l.hurry(l.append(Self, class, frame))
}

// hurry has what was just appended written, see AppendOwn. It is called with mu
// held and releases it.
func (l *Link) hurry(a Admission) Admission {
	switch {
	case a != Queued || l.writing || l.line.asleep:
	case l.flushed <= limits.InlineFrames && l.quiet():
		l.inline()
		return a
	default:
		l.writer.Signal()
	}
	l.mu.Unlock()
	return a
}

// quiet says, and notes, that nobody has flushed inline for limits.InlineQuiet;
// it needs mu. Without it a chain of relays can settle on tiny batches that each
// passes on at once, at twice the cost of letting them gather.
func (l *Link) quiet() bool {
	now := time.Now()
	if now.Sub(l.inlineAt) < limits.InlineQuiet {
		return false
	}
	l.inlineAt = now
	return true
}

// inline writes what pends as far as that goes without blocking and leaves the
// rest, and the ownership of the carrier, to the writer. It is called with mu
// held and releases it.
func (l *Link) inline() {
	l.writeInline()
	l.mu.Unlock()
}

// writeInline is inline that holds mu again when it returns.
func (l *Link) writeInline() {
	var out chunks
	if l.prepare(&out); out.head == nil {
		l.doze()
		return
	}
	l.writing = true
	l.mu.Unlock()
	err := l.seal(&out)
	done := false
	if err == nil {
		done, err = l.Carrier.TryFlush()
	}
	l.mu.Lock()
	switch {
	case err != nil:
		l.writeFailed(err)
	case !done: // writing stays set: nobody may come between
		l.sealed = true
		l.writer.Signal()
	default:
		l.writing = false
		l.left(time.Now)
		if l.pending() || l.closing {
			l.writer.Signal()
		}
	}
}

// Wait blocks until n more bytes of src may wait, the timeout, or the end of the
// link; false means the timeout, and that there is no room then either: who waits is
// woken only when half of the share is free. Who is told of room still has to Append,
// or to Decline, and may find that another was faster. Rouse every link that was appended to before
// calling it: the room may depend on that.
func (l *Link) Wait(src uint64, n int, timeout <-chan time.Time) bool {
	if l.WaitOr(src, n, timeout, nil) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.fits(l.queue.inlet(src), n)
}

// WaitOr is Wait that also ends, with false, when cancel is closed, and does not
// look at the room again when its time is over.
func (l *Link) WaitOr(src uint64, n int, timeout <-chan time.Time, cancel <-chan struct{}) bool {
	l.mu.Lock()
	if !l.writing && l.pending() {
		l.writer.Signal()
	}
	in := l.queue.inlet(src)
	if l.ended || l.closing || l.queue.fits(in, n) {
		l.mu.Unlock()
		return true
	}
	in.waiters++
	l.mu.Unlock()
	ok := true
	select {
	case <-in.space:
	case <-l.done:
	case <-timeout:
		ok = false
	case <-cancel:
		ok = false
	}
	l.mu.Lock()
	in.waiters--
	l.mu.Unlock()
	return ok
}

// Decline tells the next who waits for room in the share of src, if there is some: for
// who was told of room and appends nothing after all.
func (l *Link) Decline(src uint64) {
	l.mu.Lock()
	l.queue.wake(l.queue.inlet(src))
	l.mu.Unlock()
}

// Close ends the link at once. The first cause given is the one that counts.
func (l *Link) Close(cause reason.Reason) {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return
	}
	l.ended = true
	if l.cause == reason.None {
		l.cause = cause
	}
	l.writer.stop()
	l.parts = 0 // of frames that came in part nothing more will come
	l.settle()
	l.mu.Unlock()
	l.Carrier.Close()
	close(l.done)
}

// Finish writes what waits, a last link frame behind it, and then ends the
// link for the given cause. The caller bounds how long that may take, with
// Close.
func (l *Link) Finish(last []byte, cause reason.Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.closing {
		return
	}
	l.closing, l.cause, l.last = true, cause, last
	l.wakeWriter()
}

// takeLast takes the last link frame once nothing waits before it: the peer
// reads no further. It needs mu.
func (l *Link) takeLast(out *chunks) {
	if l.last == nil || l.queue.bytes > 0 {
		return
	}
	c := newChunk(wire.BatchHeader + len(l.last))
	c.buf = wire.AppendToBatch(c.buf, l.last)
	out.push(c)
	l.last = nil
}
