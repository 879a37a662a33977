package engine

import "github.com/peermesh/peermesh/internal/wire"

// Crossings counts frames that arrived by links, of those kinds that no program
// sends: what the mesh costs by itself.
type Crossings struct {
	Upkeep uint64 // Nearest, Answer and Hint
	Links  uint64 // link frames, pings, pongs and acks apart
	Pings  uint64 // pings, pongs and acks
}

// Count counts a frame of any kind. One that is no frame, or a program's, is left out.
func (c *Crossings) Count(frame []byte) {
	switch {
	case len(frame) == 0:
	case wire.IsLink(frame):
		switch wire.LinkType(frame[0]) {
		case wire.LinkPing, wire.LinkPong, wire.LinkAck:
			c.Pings++
		default:
			c.Links++
		}
	case len(frame) >= wire.HeaderLen:
		switch wire.FrameType(frame) {
		case wire.TypeNearest, wire.TypeAnswer, wire.TypeHint:
			c.Upkeep++
		}
	}
}
