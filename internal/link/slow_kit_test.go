package link

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// slowLink is a slow link that is driven, over a line of so many bytes a second: what a
// flush takes leaves it by and by.
type slowLink struct {
	*Link
	tb    testing.TB
	now   time.Duration
	drops reason.Counters
	rooms int
	bps   int
	parts parts
}

func newSlow(tb testing.TB, bps int) *slowLink {
	l := &slowLink{tb: tb, bps: bps}
	l.Link = New(Config{
		Number: 1, Carrier: &tray{}, Wake: func() {}, Drops: &l.drops, OnRoom: func() { l.rooms++ },
		Clock: func() time.Time { return drivenStart.Add(l.now) },
	}, drivenStart)
	l.turn(bps)
	return l
}

// turn gives the line another rate.
func (l *slowLink) turn(bps int) {
	l.bps = bps
	l.mu.Lock()
	l.queue.pace(bps, l.since)
	l.mu.Unlock()
}

// flush writes once and lets the time pass that the line takes for it. It returns
// the frames.
func (l *slowLink) flush() (frames [][]byte) {
	var out chunks
	l.mu.Lock()
	l.prepare(&out)
	l.left(l.Clock)
	l.mu.Unlock()
	bytes := 0
	for out.head != nil {
		c := out.pop()
		for batch := c.buf; len(batch) > 0; {
			frame, rest, err := wire.NextInBatch(batch)
			if err != nil {
				l.tb.Fatalf("batch: %v", err)
			}
			if batch = rest; wire.IsLink(frame) {
				frame = l.parts.join(frame)
			}
			if frame != nil {
				frames = append(frames, frame)
			}
		}
		bytes += len(c.buf)
		if c.kept {
			l.ring.ack(l.ring.frames)
		}
	}
	l.now += time.Duration(float64(bytes) / float64(l.bps) * float64(time.Second))
	return frames
}

// parts are frames in pieces, as a test reads them.
type parts [wire.PieceSlots][]byte

// join takes a piece, and returns the frame if that is its last. Another frame is
// returned as it is.
func (p *parts) join(frame []byte) []byte {
	v, err := wire.ParsePiece(frame)
	if err != nil {
		return frame
	}
	all := append(p[v.Slot], v.Bytes...)
	if p[v.Slot] = all; !v.Last {
		return nil
	}
	p[v.Slot] = nil
	return all
}

// run flushes for so long; each has all frames that leave.
func (l *slowLink) run(d time.Duration, each func(frame []byte)) {
	for end := l.now + d; l.now < end; {
		if l.queue.bytes == 0 {
			l.now = end
			return
		}
		for _, f := range l.flush() {
			each(f)
		}
	}
}

// node is an ID.
func node(n int) (id wire.ID) {
	binary.BigEndian.PutUint32(id[:], uint32(n))
	return id
}

// numberOf is what node was given.
func numberOf(id *wire.ID) int { return int(binary.BigEndian.Uint32(id[:])) }

// dataFrame is a Data frame of n bytes in all.
func dataFrame(class wire.Class, from, to, n int) []byte {
	return wire.AppendFrame(nil, &wire.Frame{
		Type: wire.TypeData, Class: class, HopLimit: 60, Src: node(from), Dst: node(to), Body: make([]byte, n-wire.HeaderLen),
	})
}

// give1 appends a frame that came by a source.
func (l *slowLink) give1(src uint64, class wire.Class, from, to, n int) Admission {
	return l.AppendFrame(src, class, dataFrame(class, from, to, n))
}

// isMarked says whether a frame is.
func isMarked(frame []byte) bool { return wire.FrameFlags(frame)&wire.FlagMarked != 0 }

const mbit = 125_000 // bytes/s of a line of 1 Mbit/s
