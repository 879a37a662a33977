package transport

import "time"

// Line is what a carrier knows of the line below it, at one moment.
type Line struct {
	// Held is how many bytes were given to Send and are not known to have
	// reached the other end's carrier: gathered, waiting in a buffer of the
	// system, or under way. It may count the carrier's own headers.
	Held int
	// Lost is how many of them the carrier takes for lost and has not sent
	// again: they are not under way.
	Lost int
	// RTT is the carrier's latest estimate of the round trip; 0: not known.
	RTT time.Duration
	// Segment is the most payload bytes that the carrier sends at once; 0: not known.
	Segment int
}

// Liner is implemented by a Conn that can tell of its line. A link that finds its
// line slow asks before it hands over more, so that what it sends waits in its own
// queue, where what matters goes first, and not below it.
type Liner interface {
	// Line may be called by whoever sends, and costs at most a system call.
	// False: the carrier cannot tell, now or ever.
	Line() (Line, bool)
}
