package link

import (
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// refused notes that a frame was, and returns why. Who sends acknowledged messages
// keeps the frame and is told of room by [Config.OnRoom]; nobody waits for room for
// it. It needs mu.
func (l *Link) refused(src uint64, class wire.Class, a Admission) Admission {
	if src == Self && class < wire.ClassBulk {
		l.starved = true
	}
	return a
}

// tellRoom calls OnRoom if own frames were refused and there is room for some again.
// When it is other links that hold the node's memory, nobody tells. It needs mu.
func (l *Link) tellRoom() {
	if !l.starved || !l.affords(limits.MaxRun) || !l.queue.roomy(l.queue.inlet(Self)) {
		return
	}
	l.starved = false
	if l.OnRoom != nil {
		l.OnRoom()
	}
}
