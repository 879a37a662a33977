package tcpsim

import "time"

// control decides how much may be on its way.
type control interface {
	window() int   // bytes
	pace() float64 // bytes/s; 0: as soon as the window lets it
	slowStart() bool
	ack(r *report)
	loss(pipe int)      // once for all of one round trip
	timeout(first bool) // first: of several in a row
	undo()              // the timeout was none
	recovered()         // what a loss or timeout took has arrived
	idle()              // nothing was under way for longer than the timer is
}

const (
	initialWindow = 10 // segments
	leastWindow   = 2
)

func newControl(a Algorithm) control {
	if a == BBR {
		return newBBR()
	}
	return newCubic()
}

// longAgo is before all times.
const longAgo = -time.Hour
