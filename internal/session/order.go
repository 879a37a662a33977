package session

import "time"

// order says which of the messages that wait for their first copy goes next: the
// oldest; but the newest while a peer is overloaded, that is while they cannot all
// be met. Whoever then serves the oldest delivers most of them just too late.
type order struct {
	overloaded bool
}

// The numbers of the order.
const (
	overloadShare = 0.75                   // of the time that a new message has left: what waits takes longer
	overloadOver  = 200 * time.Millisecond // what waits takes less
)

// arrives notes a new message behind so many bytes that wait, of which rate
// leave in a second; 0: not known. left is the time to its deadline; 0: none.
func (o *order) arrives(waiting int, rate float64, left time.Duration) {
	if rate > 0 && left > 0 && float64(waiting) > overloadShare*left.Seconds()*rate {
		o.overloaded = true
	}
}

// drains notes how much still waits after a look.
func (o *order) drains(waiting int, rate float64) {
	if waiting == 0 || float64(waiting) < overloadOver.Seconds()*rate {
		o.overloaded = false
	}
}
