package main

import (
	"bytes"
	"fmt"
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
	clearAll  = toTop + "\x1b[2J"
)

// window gathers what is written and shows of it what fits a terminal, in the place of
// what it showed before.
type window struct {
	out  *os.File
	text bytes.Buffer
}

func (w *window) Write(p []byte) (int, error) { return w.text.Write(p) }

// show prints what was written since the last time, at most as many lines and columns
// as the terminal has now; the last line says how many lines there are more.
func (w *window) show() error {
	columns, rows := sizeOf(w.out)
	lines := strings.Split(strings.TrimSuffix(w.text.String(), "\n"), "\n")
	w.text.Reset()
	if room := max(1, rows-1); len(lines) > room { // the cursor stands on the last row
		more := len(lines) - room + 1
		lines = append(lines[:room-1:room-1], fmt.Sprintf("... %d more lines; --watch shows as many as fit", more))
	}
	for i, line := range lines {
		lines[i] = clip(line, columns)
	}
	_, err := io.WriteString(w.out, clearAll+strings.Join(lines, "\n")+"\n")
	return err
}

// clip cuts a line to a number of columns.
func clip(line string, columns int) string {
	if r := []rune(line); len(r) > columns {
		return string(r[:columns])
	}
	return line
}

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
		b.WriteString(clip(line, columns) + clearLine)
	}
	b.WriteString(clearRest)
	_, err := io.WriteString(s.out, b.String())
	return err
}

// close gives the terminal back as it was.
func (s *screen) close() { _, _ = io.WriteString(s.out, fromOther) }
