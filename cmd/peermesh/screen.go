package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

// errQuit is the cause of a context that the user's q ended.
var errQuit = errors.New("quit")

// The control sequences of every terminal since the VT220, and of Windows' own.
const (
	toOther   = "\x1b[?1049h\x1b[?25l" // the other screen, without a cursor
	fromOther = "\x1b[?25h\x1b[?1049l"
	toTop     = "\x1b[H"
	clearLine = "\x1b[K"
	clearRest = "\x1b[J"
)

// screen draws on a terminal's other screen and reads keys meanwhile.
type screen struct {
	out     *os.File
	restore func() // the terminal's way of reading
	over    atomic.Bool
	reading sync.WaitGroup
}

// openScreen takes the terminal. pressed is called for each key, on another
// goroutine; without a terminal to read from there are none.
func openScreen(in io.Reader, out io.Writer, pressed func(key byte)) *screen {
	s := &screen{out: out.(*os.File), restore: func() {}}
	_, _ = io.WriteString(s.out, toOther)
	if f, ok := in.(*os.File); ok {
		if restore, err := readKeys(f); err == nil {
			s.restore = restore
			s.reading.Go(func() { s.read(f, pressed) })
		}
	}
	return s
}

// read hands keys on until close. A read ends by itself after keyWait.
func (s *screen) read(in *os.File, pressed func(key byte)) {
	var b [1]byte
	for !s.over.Load() {
		n, err := in.Read(b[:])
		if n > 0 {
			pressed(b[0])
		} else if err != nil && !errors.Is(err, io.EOF) { // no key within the time reads as an end
			return
		}
	}
}

// draw puts the lines in the place of the last ones, as far as they fit.
func (s *screen) draw(lines []string) error {
	columns, rows := sizeOf(s.out)
	var b strings.Builder
	b.WriteString(toTop)
	for i, line := range lines[:min(len(lines), max(1, rows))] {
		if i > 0 {
			b.WriteByte('\n')
		}
		if r := []rune(line); len(r) > columns {
			line = string(r[:columns])
		}
		b.WriteString(line + clearLine)
	}
	b.WriteString(clearRest)
	_, err := io.WriteString(s.out, b.String())
	return err
}

// close gives the terminal back as it was.
func (s *screen) close() {
	s.over.Store(true)
	s.reading.Wait()
	s.restore()
	_, _ = io.WriteString(s.out, fromOther)
}
