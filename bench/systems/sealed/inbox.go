package sealed

import (
	"encoding/binary"
	"net"
	"sync"

	"github.com/peermesh/peermesh/bench/harness"
)

// inboxBound is the most an application may leave unread, in bytes.
const inboxBound = 256 << 10

// inbox is the bounded queue between the link's reader and the application's
// goroutine: messages are copied into one buffer while the other is drained.
type inbox struct {
	mu           sync.Mutex // guards the rest
	ready, space sync.Cond
	fill         []byte // {length u32, message}*
	closed       bool
}

func newInbox() *inbox {
	i := new(inbox)
	i.ready.L, i.space.L = &i.mu, &i.mu
	return i
}

// put waits for space, wakes the application only then, and copies data.
func (i *inbox) put(data []byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for len(i.fill)+4+len(data) > inboxBound && !i.closed {
		i.ready.Signal()
		i.space.Wait()
	}
	if i.closed {
		return net.ErrClosed
	}
	i.fill = binary.BigEndian.AppendUint32(i.fill, uint32(len(data)))
	i.fill = append(i.fill, data...)
	return nil
}

// run is the application's goroutine.
func (i *inbox) run(deliver harness.Handler) {
	var drain []byte
	for {
		i.mu.Lock()
		for len(i.fill) == 0 && !i.closed {
			i.ready.Wait()
		}
		if i.closed {
			i.mu.Unlock()
			return
		}
		drain, i.fill = i.fill, drain[:0]
		i.space.Signal()
		i.mu.Unlock()
		for rest := drain; len(rest) > 0; {
			n := 4 + binary.BigEndian.Uint32(rest)
			deliver(rest[4:n])
			rest = rest[n:]
		}
	}
}

func (i *inbox) close() {
	i.mu.Lock()
	i.closed = true
	i.mu.Unlock()
	i.ready.Signal()
	i.space.Signal()
}
