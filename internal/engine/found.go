package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// found takes the record by which a relay forwarded the first message of a session
// of this node, and tells the session where else its peer is to be found. It speaks
// for its signer alone: the session looks for that ID, or has no use for it.
func (e *Engine) found(now time.Time, body *wire.AnswerBody) reason.Reason {
	rec, signer, err := e.cfg.Verify(body.Record, now)
	if err != nil {
		return recordReason(err)
	}
	o := offered{Record: rec, signer: signer}
	a, why := o.attachment()
	if why != reason.None {
		return why
	}
	if !e.cfg.Sessions.Found(now, a.Leaf, body.Nonce, rec.Sequence, a.Homes) {
		return reason.Unsolicited
	}
	return reason.None
}
