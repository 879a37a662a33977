package node

import (
	"slices"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/wire"
)

// rooms are the neighbours whose links have refused frames of sessions and take
// them again. Its lock is taken after a link's.
type rooms struct {
	mu     sync.Mutex
	hops   []wire.ID     // each once
	signal chan struct{} // capacity 1
}

// tell notes a link that has room again. It waits for nobody.
func (r *rooms) tell(hop wire.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.hops, hop) {
		r.hops = append(r.hops, hop)
		poke(r.signal)
	}
}

// take moves those who were told of to dst.
func (r *rooms) take(dst []wire.ID) []wire.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	dst = append(dst[:0], r.hops...)
	r.hops = r.hops[:0]
	return dst
}

// runRooms has sessions send what links refused, once they have room.
func (n *Node) runRooms() {
	var hops []wire.ID
	for {
		select {
		case <-n.rooms.signal:
		case <-n.ctx.Done():
			return
		}
		hops = n.rooms.take(hops)
		for _, hop := range hops {
			n.sessions.Room(time.Now(), hop)
		}
	}
}
