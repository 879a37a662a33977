package session

import "github.com/peermesh/peermesh/internal/wire"

// moved is what went to and fro between this node and one peer, sealed frames
// with all they hold, in one number so that a frame costs one addition: their
// bytes below, how many they were above. It is emptied each time that somebody
// looks; only if nobody does for long it overflows, and then tells nothing.
const movedFrames = 40 // bits of the bytes: 1 TiB between two looks

func (p *peer) moves(bytes int) { p.moved.Add(1<<movedFrames | uint64(bytes)) }

// PeerTraffic is what was sent to a peer and came from it, end to end, whatever
// the way: acks and copies of messages count, handshakes do not.
type PeerTraffic struct {
	ID       wire.ID
	Bytes    uint64 // of sealed frames from their first header on
	Messages uint64 // frames
}

// Traffic appends to dst what was moved since the call before, of the peers with
// whom anything was, in no order, and returns the longer slice. Any goroutine.
func (t *Table) Traffic(dst []PeerTraffic) []PeerTraffic {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for id, p := range t.peers {
		if p.moved.Load() == 0 {
			continue
		}
		moved := p.moved.Swap(0)
		dst = append(dst, PeerTraffic{ID: id, Bytes: moved & (1<<movedFrames - 1), Messages: moved >> movedFrames})
	}
	return dst
}
