package session

import "github.com/peermesh/peermesh/internal/limits"

// replayWindow tells which counters were seen (RFC 6479): a ring of blocks of
// 64 counters, of which one is the block of the highest counter and being
// filled, so that limits.ReplayWindow counters behind the highest are known.
// The zero value has seen nothing.
type replayWindow struct {
	highest uint64 // seen; 0 also before the first
	blocks  [replayBlocks]uint64
}

const replayBlocks = limits.ReplayWindow/64 + 1 // a power of two

// fresh reports whether a counter was not seen and is not too old to tell.
func (w *replayWindow) fresh(counter uint64) bool {
	if counter > w.highest {
		return true
	}
	if w.highest-counter > limits.ReplayWindow {
		return false
	}
	return w.blocks[counter/64%replayBlocks]&(1<<(counter%64)) == 0
}

// mark notes a counter that is fresh and whose frame has proved genuine.
func (w *replayWindow) mark(counter uint64) {
	if counter > w.highest {
		gap := min(counter/64-w.highest/64, replayBlocks)
		for n := uint64(1); n <= gap; n++ {
			w.blocks[(w.highest/64+n)%replayBlocks] = 0
		}
		w.highest = counter
	}
	w.blocks[counter/64%replayBlocks] |= 1 << (counter % 64)
}
