package signal

import (
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
)

// candidates puts one end's candidates into their order.
type candidates struct {
	lines     [limits.Candidates]string
	have      [limits.Candidates]bool
	next      int // number of the first that was not handed out
	end       int // how many there are, once the last was told
	ended     bool
	described bool // the description that they depend on is set
}

// add takes some. Of what came before nothing changes.
func (c *candidates) add(first int, last bool, lines []string) reason.Reason {
	end := first + len(lines)
	if end > limits.Candidates || c.ended && (end > c.end || last && end != c.end) || last && c.beyond(end) {
		return reason.Malformed
	}
	if last {
		c.end, c.ended = end, true
	}
	for i, line := range lines {
		if n := first + i; !c.have[n] {
			c.have[n], c.lines[n] = true, line
		}
	}
	return reason.None
}

// beyond says whether there is one with that number or a higher one.
func (c *candidates) beyond(n int) bool {
	for ; n < len(c.have); n++ {
		if c.have[n] {
			return true
		}
	}
	return false
}

// ready takes out those that may be used now.
func (c *candidates) ready() (lines []string) {
	for c.described && c.next < len(c.have) && c.have[c.next] {
		lines = append(lines, c.lines[c.next])
		c.lines[c.next] = ""
		c.next++
	}
	return lines
}
