package harness

import "sync/atomic"

// credit lets at most window messages be under way: the pacing of the `win`
// mode, the same for every system. One goroutine takes, another gives back.
type credit struct {
	window int64
	back   atomic.Uint64 // messages delivered or written off
	asleep atomic.Bool
	wake   chan struct{}
}

func newCredit(window int) *credit {
	return &credit{window: int64(window), wake: make(chan struct{}, 1)}
}

// take waits until fewer than window of the sent messages are under way.
func (c *credit) take(sent uint64) {
	for c.spent(sent) {
		c.asleep.Store(true)
		if !c.spent(sent) {
			c.asleep.Store(false)
			return
		}
		<-c.wake
	}
}

// spent reports whether window messages are under way. Signed, because a message
// written off may arrive after all.
func (c *credit) spent(sent uint64) bool { return int64(sent-c.back.Load()) >= c.window }

// give returns n credits and wakes the sender.
func (c *credit) give(n uint64) {
	c.back.Add(n)
	if c.asleep.Load() && c.asleep.CompareAndSwap(true, false) {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}
