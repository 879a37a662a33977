package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

// table prints rows: in columns on a terminal, separated by tabs elsewhere, so
// that cut and awk can read them. The cells must hold no tabs.
type table struct{ rows [][]string }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// lines are the rows as a terminal or a program gets them.
func (t *table) lines(columns bool) []string {
	lines := make([]string, len(t.rows))
	widths := t.widths()
	for i, cells := range t.rows {
		if !columns {
			lines[i] = strings.Join(cells, "\t")
			continue
		}
		var b strings.Builder
		for j, cell := range cells {
			b.WriteString(cell)
			if j < len(cells)-1 {
				b.WriteString(strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)+2))
			}
		}
		lines[i] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

func (t *table) widths() []int {
	var widths []int
	for _, cells := range t.rows {
		for j, cell := range cells {
			if j == len(widths) {
				widths = append(widths, 0)
			}
			widths[j] = max(widths[j], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func (t *table) write(w io.Writer) error {
	_, err := io.WriteString(w, strings.Join(t.lines(isScreen(w)), "\n")+"\n")
	return err
}

// isScreen tells whether w is a terminal that obeys the usual control
// sequences. A device that is no terminal, such as /dev/null, is none.
func isScreen(w io.Writer) bool {
	if _, ok := w.(*window); ok {
		return true
	}
	f, ok := w.(*os.File)
	return ok && isTTY(f) && os.Getenv("TERM") != "dumb"
}

// noScreen says why w is no screen.
func noScreen(w io.Writer) string {
	if f, ok := w.(*os.File); ok && isTTY(f) {
		return "this terminal cannot be drawn on (TERM=dumb; set TERM to what it is, such as xterm)"
	}
	return "standard output is no terminal"
}

// humanBytes is a size with a binary prefix: 840 KiB, 1.2 MiB.
func humanBytes(n uint64) string {
	const units = "KMGTPE"
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/(1<<10), 0
	for v >= 1023.5 && i < len(units)-1 {
		v, i = v/(1<<10), i+1
	}
	if v < 9.95 {
		return fmt.Sprintf("%.1f %ciB", v, units[i])
	}
	return fmt.Sprintf("%.0f %ciB", v, units[i])
}

// shortTime is a time to be read: 0.4ms, 12ms, 4m12s, 3d4h.
func shortTime(d time.Duration) string {
	switch {
	case d <= 0:
		return "-"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", millis(d))
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 48*time.Hour:
		return d.Truncate(time.Second).String()
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}
