package signal

import (
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
)

// candidates puts one end's candidates into their order.
type candidates struct {
	lines     [limits.Candidates]string
	have      [limits.Candidates]bool
	next      int  // number of the first that was not handed out
	described bool // the description that they depend on is set
}

// add takes some. Of what came before nothing changes.
func (c *candidates) add(first int, lines []string) reason.Reason {
	if first+len(lines) > limits.Candidates {
		return reason.Malformed
	}
	for i, line := range lines {
		if n := first + i; !c.have[n] {
			c.have[n], c.lines[n] = true, line
		}
	}
	return reason.None
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
