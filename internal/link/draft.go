package link

import (
	"encoding/binary"

	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
)

// draft is a frame in a chunk that is not sealed yet. The last one takes further
// datagrams for the same peer while nothing stands behind it.
type draft struct {
	session.Draft
	at int // where the frame begins in the chunk, behind its length
}

// frame returns the bytes of d, which lies in c.
func (d *draft) frame(c *chunk) []byte {
	end := d.at + int(binary.BigEndian.Uint16(c.buf[d.at-wire.BatchHeader:]))
	return c.buf[d.at:end:end]
}

// open returns the draft at the very end of c; nil: there is none.
func (c *chunk) open() *draft {
	if len(c.drafts) == 0 {
		return nil
	}
	if d := &c.drafts[len(c.drafts)-1]; d.at+len(d.frame(c)) == len(c.buf) {
		return d
	}
	return nil
}

// more is by how many bytes the last chunk gets longer when a datagram of n bytes
// is added to its last frame; 0: it cannot be. max is the record limit.
func (l *chunks) more(o *session.Opening, n, max int) int {
	c := l.tail
	if c == nil {
		return 0
	}
	d := c.open()
	if d == nil || !d.Takes(d.frame(c), o, n) {
		return 0
	}
	if more := d.More(n); len(c.buf)+more <= min(largeChunk-sealRoom, max) { // a small one may be enlarged
		return more
	}
	return 0
}

// add adds a datagram to the last frame of c, which takes it.
func (c *chunk) add(data []byte) {
	d := &c.drafts[len(c.drafts)-1]
	c.buf = d.Add(c.buf, d.at, data)
	binary.BigEndian.PutUint16(c.buf[d.at-wire.BatchHeader:], uint16(len(c.buf)-d.at))
}

// begin begins a frame with a datagram.
func (c *chunk) begin(o *session.Opening, counter uint64, data []byte) {
	at := len(c.buf) + wire.BatchHeader
	out, d := o.Begin(binary.BigEndian.AppendUint16(c.buf, uint16(o.Len(len(data)))), counter, data)
	c.buf, c.drafts = out, append(c.drafts, draft{d, at})
	c.frames++
}

// adopt appends all that is in from to c, which has room for it, and frees from.
func (c *chunk) adopt(from *chunk) {
	for _, d := range from.drafts {
		d.at += len(c.buf)
		c.drafts = append(c.drafts, d)
	}
	c.buf = append(c.buf, from.buf...)
	c.frames += from.frames
	from.free()
}

// datagrams is how many frames c holds, datagrams that share one counted singly.
func (c *chunk) datagrams() int {
	n := c.frames
	for i := range c.drafts {
		n += c.drafts[i].Datagrams() - 1
	}
	return n
}

// sealDrafts seals the frames of c that are not.
func (c *chunk) sealDrafts() {
	for i := range c.drafts {
		d := &c.drafts[i]
		d.Seal(d.frame(c))
	}
	c.forgetDrafts()
}

func (c *chunk) forgetDrafts() {
	clear(c.drafts) // a pooled chunk keeps no session alive
	c.drafts = c.drafts[:0]
}

// AppendDatagram is AppendOwn for a datagram of class bulk that the link puts into
// a frame: into the last one that waits if that goes to the same port of the same
// peer and has room, else into a new one. data is copied, and o is not kept.
func (l *Link) AppendDatagram(o *session.Opening, data []byte) Admission {
	l.mu.Lock()
	return l.hurry(l.appendDatagram(o, data))
}

func (l *Link) appendDatagram(o *session.Opening, data []byte) Admission {
	if l.ended || l.closing {
		return Ended
	}
	q := &l.queue
	if q.flows != nil {
		a := l.appendDatagramSlow(o, data)
		if a == Queued {
			q.wake(q.inlet(Self))
		}
		l.charge()
		return a
	}
	in := q.inlet(Self)
	list := &in.byClass[wire.ClassBulk]
	if more := list.more(o, len(data), q.chunkMax()); more > 0 {
		if a := l.fits(in, more); a != Queued {
			return a
		}
		q.room(in, wire.ClassBulk, more).add(data)
		q.pushed(in, more)
	} else {
		n := wire.BatchHeader + o.Len(len(data))
		if a := l.fits(in, n); a != Queued {
			return a
		}
		counter, ok := o.Count()
		if !ok {
			return Spent
		}
		q.room(in, wire.ClassBulk, n).begin(o, counter, data)
		q.pushed(in, n)
	}
	q.wake(in)
	l.charge()
	return Queued
}
