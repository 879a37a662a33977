package node

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// allowance is what a link may bring before its reader lets all others go first.
// It costs a link nothing while nobody waits for the processor: what is over the
// budget is dealt with then, too. It belongs to the reader. See ADR 030.
type allowance struct {
	bytes, frames int       // since it was looked at last
	paid          time.Time // until when what has come is paid for
}

// take notes a batch and says whether the reader has to let others go first. It
// looks at the clock once for limits.ReadAhead bytes, or as many frames as a
// second has of those.
func (a *allowance) take(bytes, frames int, clock func() time.Time) bool {
	a.bytes += bytes
	a.frames += frames
	if a.bytes < limits.ReadAhead && a.frames < framesPerLook {
		return false
	}
	now := clock()
	cost := max(
		time.Duration(a.bytes)*(time.Second/limits.LinkReceiveBytes),
		time.Duration(a.frames)*(time.Second/limits.LinkReceiveFrames),
	)
	a.bytes, a.frames = 0, 0
	if a.paid.Before(now) {
		a.paid = now
	}
	if a.paid = a.paid.Add(cost); a.paid.Sub(now) <= limits.LinkReceiveBurst {
		return false
	}
	a.paid = now.Add(limits.LinkReceiveBurst) // an overrun is not held against it for longer
	return true
}

// framesPerLook are the frames that cost what limits.ReadAhead bytes do.
const framesPerLook = limits.ReadAhead * limits.LinkReceiveFrames / limits.LinkReceiveBytes
