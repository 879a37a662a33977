package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/reason"
)

// A link can be driven without goroutines, by one caller who owns it alone and
// tells the time: Config.Wake says when there is something to write, Pump writes
// it, Handle takes what came. Run, Dismiss, Kick, Rouse, AppendOwn,
// AppendDatagram and Wait are not for such a link, and Carrier.Receive, Flush and
// TryFlush are never called.

// Pump hands what has gathered to the carrier, record by record, and ends a
// link that was to end once nothing waits. What an idle link needs no more is
// given up, so that many of them fit into memory.
//
// A carrier that tells of its line (transport.Liner) is given no more than that
// line has use for. Of the rest Pump says for how long it waits at most: it has to
// be called again by then, and sooner if the carrier gets room, or Config.Wake asks
// for it because the neighbour has read more. 0: nothing waits.
func (l *Link) Pump(now time.Time) (wait time.Duration) {
	l.mu.Lock()
	l.line.asleep = false
	var err error
	for err == nil && !l.ended && l.pending() {
		var out chunks
		if l.prepare(&out); out.head == nil {
			break
		}
		l.mu.Unlock()
		err = l.seal(&out)
		l.mu.Lock()
		l.left(func() time.Time { return now })
	}
	if l.line.asleep && !l.ended {
		wait = l.line.pause()
	}
	l.queue.shrink()
	l.control.buf = nil
	l.charge()
	last, cause := l.closing && !l.ended && !l.waits(), l.cause
	l.mu.Unlock()
	switch {
	case err != nil:
		l.Close(carrierCause(err))
	case last:
		l.Close(cause)
	}
	return wait
}

// Handle gives h one message of the carrier, which it may change. A reason other
// than None is why the link has to be closed.
func (l *Link) Handle(h Handler, msg []byte) reason.Reason { return l.handle(h, msg) }

// shrink drops the inlets when nothing waits. Nobody may wait for room.
func (q *queue) shrink() {
	if q.bytes == 0 {
		q.inlets, q.last, q.turn = nil, nil, nil
	}
}
