package tcpsim

import "time"

// The bounds of the retransmission timer, as Linux has them.
const (
	rtoStart = time.Second
	rtoFloor = 200 * time.Millisecond // over the smoothed round trip
	rtoMost  = 120 * time.Second
)

// rtt are the round trips of a connection.
type rtt struct {
	smoothed, variance time.Duration
	least              time.Duration
}

func (r *rtt) sample(d time.Duration) {
	if r.least == 0 || d < r.least {
		r.least = d
	}
	if r.smoothed == 0 {
		r.smoothed, r.variance = d, d/2
		return
	}
	r.variance += ((r.smoothed - d).Abs() - r.variance) / 4
	r.smoothed += (d - r.smoothed) / 8
}

// timeout is how long an ack may take after some timeouts in a row.
func (r *rtt) timeout(inRow int) time.Duration {
	d := rtoStart
	if r.smoothed > 0 {
		d = r.smoothed + max(rtoFloor, 4*r.variance)
	}
	for ; inRow > 0 && d < rtoMost; inRow-- {
		d *= 2
	}
	return min(d, rtoMost)
}
