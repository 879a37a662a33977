package testnet

import "github.com/peermesh/peermesh/internal/wire"

// simLaid counts the link messages by which attachment records are laid: frames on
// links, each time that one crosses a link, and link frames. nil: nobody counts.
type simLaid struct{ crossings, links int }

// passed counts a mesh frame that goes on a link.
func (c *simLaid) passed(frame []byte) {
	if c == nil || wire.FrameType(frame) != wire.TypeNearest {
		return
	}
	f, err := wire.ParseFrame(frame)
	if err != nil {
		return
	}
	if body, err := wire.ParseNearestBody(f.Body); err == nil && body.Op == wire.OpStore {
		c.crossings++
	}
}

// given counts a link frame: a record, or an answer to one.
func (c *simLaid) given(frame []byte) {
	if c == nil || len(frame) == 0 {
		return
	}
	if wire.LinkType(frame[0]) == wire.LinkHeld {
		c.links++
		return
	}
	copied, err := wire.ParseLinkRecord(frame)
	if err != nil {
		return
	}
	if r, err := wire.ParseRecord(copied.Record); err == nil && r.Kind == wire.RecordAttachment {
		c.links++
	}
}
