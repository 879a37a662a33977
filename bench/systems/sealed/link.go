package sealed

import (
	"net"
	"slices"
	"sync"
	"time"

	"github.com/peermesh/peermesh/bench/systems/wsconn"
)

const (
	// queueBound is the most a link may have queued, in bytes.
	queueBound = 256 << 10
	// flushMax is the most that leaves in one flush, in bytes.
	flushMax = 128 << 10
	// fewFrames: up to this many frames in the batch and in the last flush, the
	// link is taken for idle and whoever appends may flush.
	fewFrames = 2
	// quiet is the time after an inline flush in which a sender leaves the next
	// one to the writer: shorter than a round trip over one relay.
	quiet = 20 * time.Microsecond
)

// link is one end of a connection between neighbours: a queue of chunks, a
// writer goroutine that seals and sends what has gathered, a reader that opens.
type link struct {
	conn *wsconn.Conn
	recv box // reader only
	seal box // owner of writing only

	mu          sync.Mutex // guards the rest
	work, space sync.Cond
	chunks      []*chunk
	queued      int  // bytes in chunks
	writing     bool // somebody seals and writes; set and cleared under mu
	residue     bool // an inline flush left something in the cork for the writer
	lastFlush   int  // frames
	lastInline  time.Time
	flushing    []*chunk // of the owner of writing
	closed      bool
}

func newLink(conn *wsconn.Conn) *link {
	l := &link{conn: conn, recv: newBox(), seal: newBox()}
	l.work.L, l.space.L = &l.mu, &l.mu
	return l
}

// append queues a run of frames for the writer without waking it. It waits for
// space as long as it takes; before that it wakes the writer.
func (l *link) append(run []byte, frames int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.appendLocked(run, frames)
}

func (l *link) appendLocked(run []byte, frames int) error {
	for l.queued+len(run) > queueBound && !l.closed {
		l.work.Signal()
		l.space.Wait()
	}
	if l.closed {
		return net.ErrClosed
	}
	l.queued += len(run)
	if last := len(l.chunks) - 1; last >= 0 && len(l.chunks[last].buf)+len(run) <= recordMax {
		l.chunks[last] = l.chunks[last].add(run, frames)
	} else {
		l.chunks = append(l.chunks, newChunk(len(run)).add(run, frames))
	}
	return nil
}

// kick ends a batch of appends by a relay: with little traffic the caller
// flushes, else the writer is woken.
func (l *link) kick(frames int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writing || l.queued == 0 {
		return nil // whoever writes looks at the queue again
	}
	if frames <= fewFrames && l.lastFlush <= fewFrames {
		return l.inline()
	}
	l.work.Signal()
	return nil
}

// send queues one frame of this end and flushes it when the link is idle.
func (l *link) send(frame []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	idle := l.queued == 0 && !l.writing && l.lastFlush <= fewFrames
	if err := l.appendLocked(frame, 1); err != nil || l.writing {
		return err
	}
	if idle && time.Since(l.lastInline) > quiet {
		defer func() { l.lastInline = time.Now() }()
		return l.inline()
	}
	l.work.Signal()
	return nil
}

// inline flushes on the caller's goroutine without blocking. Called and left
// with mu held.
func (l *link) inline() error {
	frames := l.take()
	l.mu.Unlock()
	l.gather()
	done, err := l.conn.Cork.TryRelease()
	l.mu.Lock()
	if err == nil && !done {
		l.residue = true // the writer owns writing now
		l.work.Signal()
		return nil
	}
	l.finish(frames)
	if l.queued > 0 {
		l.work.Signal()
	}
	return err
}

// write is the writer's goroutine.
func (l *link) write() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for !l.residue && (l.queued == 0 || l.writing) && !l.closed {
			l.work.Wait()
		}
		if l.closed || l.flush() != nil {
			l.closeLocked()
			return
		}
	}
}

// flush sends what was left over or what has gathered. Called and left with mu held.
func (l *link) flush() error {
	frames := l.lastFlush
	if !l.residue {
		frames = l.take()
	}
	l.residue = false
	l.mu.Unlock()
	l.gather()
	err := l.conn.Cork.Release()
	l.mu.Lock()
	l.finish(frames)
	return err
}

// take makes the caller the one who writes and gives it up to [flushMax] of the
// queue. It returns the number of frames. Called with mu held.
func (l *link) take() (frames int) {
	l.writing = true
	n, size := 0, 0
	for n < len(l.chunks) && (n == 0 || size+len(l.chunks[n].buf) <= flushMax) {
		size += len(l.chunks[n].buf)
		frames += l.chunks[n].frames
		n++
	}
	l.flushing = append(l.flushing, l.chunks[:n]...)
	l.chunks = slices.Delete(l.chunks, 0, n)
	l.queued -= size
	l.space.Broadcast()
	return frames
}

// gather seals the taken chunks and writes them into the cork. An error of the
// connection shows when the cork is released.
func (l *link) gather() {
	l.conn.Cork.Hold()
	for i, c := range l.flushing {
		_ = l.conn.Write(l.seal.seal(c.buf))
		c.free()
		l.flushing[i] = nil
	}
	l.flushing = l.flushing[:0]
}

// finish ends a flush. Called with mu held.
func (l *link) finish(frames int) {
	l.writing, l.lastFlush = false, frames
}

// batches takes the opened records of a link.
type batches interface{ batch(batch []byte) error }

var readBuffers = sync.Pool{New: func() any { return new(make([]byte, 0, largeCap)) }}

// read is the reader's goroutine. A buffer is taken only once a record's header
// is there. Any error ends the link.
func (l *link) read(to batches) {
	for l.readRecord(to) == nil {
	}
	_ = l.conn.Close()
	l.close()
}

func (l *link) readRecord(to batches) error {
	var held *[]byte
	record, err := l.conn.Read(func() []byte { held = readBuffers.Get().(*[]byte); return *held })
	if held != nil {
		defer readBuffers.Put(held)
	}
	if err != nil {
		return err
	}
	batch, err := l.recv.open(record)
	if err != nil {
		return err
	}
	return to.batch(batch)
}

// close ends the link and wakes everybody who waits for it. The connection is
// closed apart.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeLocked()
}

func (l *link) closeLocked() {
	l.closed = true
	l.work.Broadcast()
	l.space.Broadcast()
}
