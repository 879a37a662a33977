package main

import (
	"io"
	"os"
	"strings"
)

// The control sequences of every terminal since the VT220, and of Windows' own.
const (
	toOther   = "\x1b[?1049h\x1b[?25l" // the other screen, without a cursor
	fromOther = "\x1b[?25h\x1b[?1049l"
	toTop     = "\x1b[H"
	clearLine = "\x1b[K"
	clearRest = "\x1b[J"
)

// screen draws on a terminal's other screen.
type screen struct{ out *os.File }

// openScreen takes the terminal.
func openScreen(out io.Writer) *screen {
	s := &screen{out: out.(*os.File)}
	_, _ = io.WriteString(s.out, toOther)
	return s
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
func (s *screen) close() { _, _ = io.WriteString(s.out, fromOther) }
