package ws

import (
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

const (
	// readAhead is how many bytes are read at once where less is asked for: small
	// frames and their heads in one system call, as with net/http's buffer.
	readAhead = 4 << 10
	// headRoom is the library's read buffer in bytes where reading ahead is ours:
	// any head of a frame.
	headRoom = 16
	// busyWaits is after how many short waits in a row a connection is busy.
	busyWaits = 16
	// controlRoom is the library's write buffer in bytes: a control frame, which
	// the cork wants whole, head, mask and 125 bytes.
	controlRoom = 2 + 4 + 125
)

// errEnd stands above a source for io.EOF, from which the library must be kept: it
// takes an io.EOF inside a message for the end of the message.
var errEnd = errors.New("end of the connection")

// withoutEOF is err, or errEnd if that is io.EOF or wraps it.
func withoutEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return errEnd
	}
	return err
}

// source is what the library reads from. Until start it passes bytes through
// (the HTTP upgrade). Then it never returns io.EOF. Where the connection is not
// plain TCP it still passes bytes through; where it is, it
// reads ahead of the library, but hands over no byte beyond the frame that it is
// about: between messages the library holds none, and await can do the waiting.
//
// While it waits it holds no memory to read into, and unless it is busy nothing
// deep has called it, so that an idle connection costs no buffer and a small
// stack. It alone knows when a wait begins, and tells who asked (beforeWait).
type source struct {
	conn net.Conn
	raw  syscall.RawConn // nil: passes bytes through

	mu     sync.Mutex // who closes may read besides who receives; held while waiting
	framed bool       // past the upgrade
	once   func(fd uintptr) bool
	ahead  *buffer   // read and not yet taken; nil: nothing
	direct []byte    // the reader's own memory, which fill is to fill; nil: ahead is
	filled int       // bytes of it
	left   int       // bytes of a frame that are still to be taken; 0: a head comes next
	tell   func()    // is called before the next wait; nil: nobody asked, or told already
	since  time.Time // when the wait under way began; zero: none is
	short  int       // waits below limits.IdleTick since the last that was not, busyWaits at most
	err    error     // why nothing more comes
}

// start begins to look at frames. What was read before they began comes first;
// it is copied.
func (s *source) start(early []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.framed = true
	if len(early) > 0 {
		s.ahead = s.ahead.add(early)
	}
	if s.raw = rawTCP(s.conn); s.raw != nil {
		s.once = s.attempt
	}
}

// libraryRoom is the size in bytes of the library's read buffer above s: TLS has
// a buffer of its own, other connections need the library's.
func (s *source) libraryRoom() int {
	if _, secure := s.conn.(*tls.Conn); secure || s.raw != nil {
		return headRoom
	}
	return readAhead
}

// await waits until there is something to read, or an error that Read will tell.
// On a busy connection it leaves the waiting to Read: the library tells a goroutine
// of its own of each read that begins, and has done so when the message comes.
// Telling it after the wait, 128 messages of 1 KiB under way over a relay settled
// on moving all together, one stage after the other, at three quarters of the rate.
func (s *source) await() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.raw != nil && s.ahead == nil && s.short < busyWaits {
		_ = s.fill()
	}
}

// beforeWait has f called, once, when a read finds that nothing has arrived, before
// it waits. False: s passes bytes through and cannot tell.
func (s *source) beforeWait(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.raw == nil {
		return false
	}
	s.tell = f
	return true
}

// Read implements io.Reader, but for io.EOF.
func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.raw == nil {
		n, err := s.pass(p)
		if s.framed {
			err = withoutEOF(err)
		}
		return n, err
	}
	if s.left == 0 {
		if err := s.head(); err != nil {
			return 0, withoutEOF(err)
		}
	}
	n, err := s.part(p[:min(len(p), s.left)])
	s.left -= n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // inside a frame
	}
	return n, err
}

// pass is Read without a look at frames.
func (s *source) pass(p []byte) (int, error) {
	if s.ahead != nil {
		return s.take(p), nil
	}
	return s.conn.Read(p)
}

// head reads ahead until the head of a frame is there, and notes its length.
func (s *source) head() error {
	for s.ahead == nil || !hasHead(s.ahead.rest()) {
		err := s.fill()
		if err == io.EOF && s.ahead != nil {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	if s.left = frameLen(s.ahead.rest()); s.left <= 0 {
		s.left = math.MaxInt // a length that the library refuses
	}
	return nil
}

// part reads some of a frame. A read that is itself large needs no buffer.
func (s *source) part(p []byte) (int, error) {
	if s.ahead == nil {
		if len(p) >= readAhead {
			return s.past(p)
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	return s.take(p), nil
}

// past reads straight into p.
func (s *source) past(p []byte) (int, error) {
	s.direct, s.filled = p, 0
	err := s.fill()
	s.direct = nil
	return s.filled, err
}

// take moves what was read ahead to p.
func (s *source) take(p []byte) int {
	n := copy(p, s.ahead.rest())
	if s.ahead.off += n; len(s.ahead.rest()) == 0 {
		s.ahead.free()
		s.ahead = nil
	}
	return n
}

// fill waits until there is more to read and reads it, ahead or past.
func (s *source) fill() error {
	if s.err != nil {
		return s.err
	}
	if err := s.raw.Read(s.once); err != nil {
		return err
	}
	return s.err
}

// attempt reads once without waiting; false: nothing is there, wait and call
// again.
func (s *source) attempt(fd uintptr) bool {
	n, err := s.read(int(fd))
	switch {
	case n > 0:
		s.waited()
	case errors.Is(err, syscall.EAGAIN):
		s.waits()
		return false
	case err != nil:
		s.err = os.NewSyscallError("read", err)
	default:
		s.err = io.EOF
	}
	return true
}

// waits is called when a wait begins, or goes on.
func (s *source) waits() {
	if f := s.tell; f != nil {
		s.tell = nil
		f()
	}
	if s.since.IsZero() {
		s.since = time.Now()
	}
}

// waited is called when something has come, whether after a wait or not.
func (s *source) waited() {
	if s.since.IsZero() {
		return
	}
	if time.Since(s.since) >= limits.IdleTick {
		s.short = 0
	} else {
		s.short = min(s.short+1, busyWaits)
	}
	s.since = time.Time{}
}

// read reads once, and keeps no buffer that nothing came into.
func (s *source) read(fd int) (n int, err error) {
	if s.direct != nil {
		s.filled, err = readOnce(fd, s.direct)
		return s.filled, err
	}
	b := s.ahead // a part of a head, or nothing
	if b == nil {
		b = newBuffer(readAhead)
	} else {
		b = b.room(headRoom)
	}
	n, err = readOnce(fd, b.b[len(b.b):cap(b.b)])
	b.b = b.b[:len(b.b)+n]
	if s.ahead = b; len(b.rest()) == 0 {
		b.free()
		s.ahead = nil
	}
	return n, err
}
