package session

import (
	"math/bits"
	"slices"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// inbox remembers which message ids of one instance of the peer were decided
// upon: an exact window of limits.MessageWindow ids from the lowest that the
// peer has no ack for. It outlives sessions and goes with the entry of the peer.
// Its memory grows with how far the window reaches, and is given up when nothing
// in the window is decided upon any more. Guarded by the lock of the peer.
type inbox struct {
	instance wire.Instance
	known    bool            // the peer knows that nothing from before this window is remembered
	base     uint64          // every id below was decided upon, or is nobody's concern any more
	seen     []uint64        // ring of bits, by id modulo their number, a power of two; grows on demand
	refused  []reason.Reason // by the same places, once something was refused; None: accepted
	busy     []uint64        // ids that are being delivered right now: one per reader at most
	homes    uint64          // id of the newest homes message
	top      uint64          // above every id that was decided upon
	refusals uint64          // above every id that was refused
}

// verdict says what becomes of a message.
type verdict uint8

const (
	isNew     verdict = iota + 1 // nobody has seen it
	isBusy                       // a copy is being delivered
	isSeen                       // accepted: to be acked again
	isRefused                    // to be refused again
	isOld                        // the sender waits for no ack any more
	isFar                        // beyond the window: against the rules
)

// look returns what is known of an id.
func (b *inbox) look(id uint64) (verdict, reason.Reason) {
	switch {
	case id < b.base:
		return isOld, reason.None
	case id-b.base >= limits.MessageWindow:
		return isFar, reason.None
	case slices.Contains(b.busy, id):
		return isBusy, reason.None
	case !b.has(id):
		return isNew, reason.None
	}
	if b.refused != nil {
		if why := b.refused[id&b.mask()]; why != reason.None {
			return isRefused, why
		}
	}
	return isSeen, reason.None
}

// finished notes that the delivery of id has ended.
func (b *inbox) finished(id uint64) {
	if i := slices.Index(b.busy, id); i >= 0 {
		b.busy = slices.Delete(b.busy, i, i+1)
	}
}

func (b *inbox) mask() uint64 { return uint64(64*len(b.seen) - 1) }

// has reports whether id, at or above base, was decided upon.
func (b *inbox) has(id uint64) bool {
	if id-b.base >= uint64(64*len(b.seen)) {
		return false
	}
	at := id & b.mask()
	return b.seen[at/64]&(1<<(at%64)) != 0
}

// runDown returns the lowest id down to which, from the one below id, all were
// accepted, or none was. It goes no lower than floor, which is at or above base,
// and looks at 64 ids at a time.
func (b *inbox) runDown(id, floor uint64, accepted bool) uint64 {
	for id > floor && id-b.base <= uint64(64*len(b.seen)) {
		at := (id - 1) & b.mask()
		word := b.acceptedWord(at / 64)
		if !accepted {
			word = ^word
		}
		n := uint64(bits.LeadingZeros64(^(word << (63 - at%64))))
		id -= min(n, at%64+1, id-floor)
		if n < at%64+1 {
			break
		}
	}
	return id
}

// acceptedWord returns the bits of the i-th 64 places that were accepted.
func (b *inbox) acceptedWord(i uint64) uint64 {
	word := b.seen[i]
	if b.refused == nil {
		return word
	}
	for n, why := range b.refused[64*i : 64*i+64] {
		if why != reason.None {
			word &^= 1 << n
		}
	}
	return word
}

// advance moves the window up to the lowest id that the peer has no ack for.
func (b *inbox) advance(lowest uint64) {
	if lowest <= b.base {
		return
	}
	size := uint64(64 * len(b.seen))
	if lowest-b.base >= size {
		clear(b.seen)
		clear(b.refused)
	} else {
		b.clear(b.base, lowest)
	}
	b.base = lowest
	if b.base >= b.refusals {
		b.refused = nil
	}
	if b.base >= b.top && len(b.seen) > windowKept {
		b.seen = nil
	}
}

// windowKept is how many words of seen an empty window keeps: enough for a few
// hundred messages under way, so that a flow does not grow it again and again.
const windowKept = 8

// held is the memory of what was decided upon.
func (b *inbox) held() int { return 8*len(b.seen) + len(b.refused) }

// reach is what held comes to once id, not beyond the window, was decided upon.
func (b *inbox) reach(id uint64, refused bool) int {
	n := len(b.seen)
	for id >= b.base && id-b.base >= uint64(64*n) {
		n = max(1, 2*n)
	}
	if refused || b.refused != nil {
		return 8*n + 64*n
	}
	return 8 * n
}

// clear forgets the ids in [from, to), which are fewer than there are places.
func (b *inbox) clear(from, to uint64) {
	for from < to {
		at := from & b.mask()
		n := min(64-at%64, to-from)
		b.seen[at/64] &^= (1<<n - 1) << (at % 64)
		if b.refused != nil {
			clear(b.refused[at : at+n])
		}
		from += n
	}
}

// decide notes that id was accepted or, for a reason, refused for good. An id
// that the window has passed meanwhile needs no note.
func (b *inbox) decide(id uint64, why reason.Reason) {
	if id < b.base || id-b.base >= limits.MessageWindow {
		return
	}
	for id-b.base >= uint64(64*len(b.seen)) {
		b.grow()
	}
	at := id & b.mask()
	b.seen[at/64] |= 1 << (at % 64)
	b.top = max(b.top, id+1)
	if why == reason.None {
		return
	}
	b.refusals = max(b.refusals, id+1)
	if b.refused == nil {
		b.refused = make([]reason.Reason, 64*len(b.seen))
	}
	b.refused[at] = why
}

// grow doubles the number of places.
func (b *inbox) grow() {
	old := *b
	n := max(1, 2*len(b.seen))
	b.seen = make([]uint64, n)
	if old.refused != nil {
		b.refused = make([]reason.Reason, 64*n)
	}
	for id := b.base; id < b.base+uint64(64*len(old.seen)); id++ {
		if !old.has(id) {
			continue
		}
		at := id & b.mask()
		b.seen[at/64] |= 1 << (at % 64)
		if old.refused != nil {
			b.refused[at] = old.refused[id&old.mask()]
		}
	}
}
