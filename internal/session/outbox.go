package session

import (
	"math/bits"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// outbox holds the messages toward one peer that have not ended. Guarded by the
// lock of the peer. An id is given to a message when its first copy leaves, so
// ids have no holes and "has an id" is the same as "may have arrived".
type outbox struct {
	next   uint64     // next id
	lowest uint64     // lowest id not acked; next when there is none
	ring   []*Pending // by id modulo its length, a power of two; only where live
	live   []uint64   // bit of each place in ring: left and not acked

	fresh      list // waiting for their first copy to leave
	freshBytes int
	order      order
	again      list    // to be sent once more
	shelf      list    // cannot arrive in time: they wait for their end
	by         wire.ID // the first hop of the last message that left for the first time
	aside      wire.ID // the first hop of the last copy that was to find another one
	paths      []*path
	past       past
	asking     map[uint64]*Pending // acked requests that wait for their response

	count   int           // fresh and unacked ones
	copied  int           // of them, those whose data was copied
	bytes   int           // of that data
	stalled time.Duration // no link took a frame: not before then; 0: not stalled
	stalls  int           // in a row
}

// ringStart is how many places a ring has at first.
const ringStart = 64

// ringKept is how many places an empty ring keeps.
const ringKept = 1_024

// enter gives m the next id.
func (o *outbox) enter(m *Pending) {
	if o.next-o.lowest >= uint64(len(o.ring)) {
		o.grow()
	}
	m.id = o.next
	o.next++
	at := m.id & uint64(len(o.ring)-1)
	o.ring[at] = m
	o.live[at/64] |= 1 << (at % 64)
}

func (o *outbox) grow() {
	old := *o
	n := max(ringStart, 2*len(o.ring))
	o.ring, o.live = make([]*Pending, n), make([]uint64, n/64)
	for id, ok := old.nextLive(old.lowest, old.next); ok; id, ok = old.nextLive(id+1, old.next) {
		at := id & uint64(n-1)
		o.ring[at] = old.ring[id&uint64(len(old.ring)-1)]
		o.live[at/64] |= 1 << (at % 64)
	}
}

// nextLive returns the first unacked id in [id, end); end is at most next. It
// looks at 64 ids at a time. An empty ring may be gone.
func (o *outbox) nextLive(id, end uint64) (uint64, bool) {
	for id < end && len(o.ring) > 0 {
		at := id & uint64(len(o.ring)-1)
		if word := o.live[at/64] >> (at % 64); word != 0 {
			id += uint64(bits.TrailingZeros64(word))
			return id, id < end
		}
		id += 64 - at%64
	}
	return id, false
}

// get returns the unacked message with this id, or nil.
func (o *outbox) get(id uint64) *Pending {
	if id < o.lowest || id >= o.next {
		return nil
	}
	return o.ring[id&uint64(len(o.ring)-1)]
}

// leave takes m, which has an id, out of the ring.
func (o *outbox) leave(m *Pending) {
	at := m.id & uint64(len(o.ring)-1)
	o.ring[at] = nil
	o.live[at/64] &^= 1 << (at % 64)
	if m.id != o.lowest {
		return
	}
	id, ok := o.nextLive(m.id+1, o.next)
	if !ok {
		id = o.next
	}
	if o.lowest = id; id == o.next && len(o.ring) > ringKept {
		o.ring, o.live = nil, nil
	}
}

// open reports whether the receiver's window has room for one more id.
func (o *outbox) open() bool { return o.next-o.lowest < limits.MessageWindow }

// full reports whether a message of n bytes is more than the outbox keeps.
func (o *outbox) full(n int) bool {
	return o.count+len(o.asking) >= limits.MessageWindow || o.count > 0 && o.bytes+n > limits.UnackedBytes
}

// stall notes that no link took a frame.
func (o *outbox) stall(at time.Duration) {
	o.stalled = at + backoff(limits.MessageStall, o.stalls, limits.MessageStallMax)
	o.stalls++
}

// lostWindow ends what had left for a receiver that does not know any more what
// arrived: nobody can tell whether a copy was delivered, and one more could be
// the second. What never left goes on, and, unless the receiver has restarted,
// what left only after that many sessions begun by us had come to stand.
func (o *outbox) lostWindow(p *peer, since uint64, restarted bool, fx *effects) {
	for id, ok := o.nextLive(o.lowest, o.next); ok; id, ok = o.nextLive(id+1, o.next) {
		if m := o.get(id); restarted || m.began <= since {
			p.end(m, Result{Err: errRestarted}, fx)
		}
	}
	if restarted {
		for _, m := range o.requests() {
			p.end(m, Result{Err: errRestarted}, fx)
		}
	}
}
