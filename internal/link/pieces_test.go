package link

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// piecedLine is a slow link and the far end of it.
type piecedLine struct {
	*slowLink
	far  *Link
	got  [][]byte // mesh frames, as they have come
	wire [][]byte // and what of them was on the line
}

func newPieced(tb testing.TB, bps int) *piecedLine {
	far := New(Config{Number: 2, Carrier: &tray{}, Wake: func() {}}, drivenStart)
	return &piecedLine{slowLink: newSlow(tb, bps), far: far}
}

// HandleBatch implements Handler.
func (p *piecedLine) HandleBatch(l *Link, batch []byte) reason.Reason {
	frames, kept := 0, 0
	eachFrame(batch, func(frame []byte) {
		if wire.IsLink(frame) {
			p.tb.Errorf("a handler got the link frame %s", wire.LinkType(frame[0]))
		}
		p.got = append(p.got, bytes.Clone(frame))
		if frames++; wire.FrameFlags(frame).Class() < wire.ClassBulk {
			kept++
		}
	})
	l.Took(frames, kept)
	return reason.None
}

// step flushes once, hands it to the far end, and its ack back. False: nothing was left.
func (p *piecedLine) step() bool {
	var out chunks
	p.mu.Lock()
	p.prepare(&out)
	p.left(p.Clock)
	p.mu.Unlock()
	n := 0
	for c := out.head; c != nil; c = c.next {
		n += len(c.buf)
		eachFrame(c.buf, func(frame []byte) { p.wire = append(p.wire, bytes.Clone(frame)) })
		if why := p.far.Handle(p, bytes.Clone(c.buf)); why != reason.None {
			p.tb.Fatalf("the far end ends the link: %v", why)
		}
	}
	p.now += time.Duration(float64(n) / float64(p.bps) * float64(time.Second))
	taken := wire.Taken{Count: p.far.rx.kept.Load(), Bytes: p.far.rx.taken.Load()}
	if genuine, _ := p.OnAck(p.Clock(), taken); !genuine {
		p.tb.Fatalf("an ack of %d frames is refused: %d are kept", taken.Count, p.ring.frames)
	}
	return n > 0
}

// rest steps until nothing waits, and looks that nothing is left at either end.
func (p *piecedLine) rest() {
	for p.step() {
	}
	if p.queue.bytes != 0 || p.far.joiner != nil || p.far.parts != 0 {
		p.tb.Fatalf("%d bytes wait, the far end holds %d", p.queue.bytes, p.far.parts)
	}
	if fl := p.queue.flows; fl != nil && (fl.slots != slots{}) {
		p.tb.Fatalf("slots: got %+v, want none in use", fl.slots)
	}
	if p.far.rx.kept.Load() != p.ring.frames {
		p.tb.Fatalf("kept: got %d at the far end and %d here", p.far.rx.kept.Load(), p.ring.frames)
	}
}

// withContent is dataFrame with content of its own.
func withContent(class wire.Class, from, to, n int, content byte) []byte {
	f := dataFrame(class, from, to, n)
	for i := wire.HeaderLen; i < n; i++ {
		f[i] = content + byte(i/251)
	}
	return f
}

// A frame of any length arrives whole; up to one and a half pieces it leaves whole.
func TestFramesOfEachLengthArriveWhole(t *testing.T) {
	p := newPieced(t, mbit)
	for n := wire.HeaderLen; n <= wire.MaxFrame; n++ {
		if n == 3*wire.MinPiece+50 {
			n = wire.MaxFrame - 20
		}
		for _, class := range []wire.Class{wire.ClassInteractive, wire.ClassBulk} {
			f := withContent(class, 1, 2, n, byte(n))
			p.got, p.wire = p.got[:0], p.wire[:0]
			if a := p.AppendFrame(7, class, f); a != Queued {
				t.Fatalf("%d bytes: %v", n, a)
			}
			p.rest()
			if len(p.got) != 1 || !bytes.Equal(p.got[0], f) {
				t.Fatalf("%d bytes: got %d frames, want the one", n, len(p.got))
			}
			want := 1
			if 2*n > 3*wire.MinPiece {
				want = (n + wire.MinPiece - 1) / wire.MinPiece
			}
			if len(p.wire) != want {
				t.Fatalf("%d bytes: got %d frames on the line, want %d", n, len(p.wire), want)
			}
		}
	}
}

// The pieces of three flows take turns.
func TestPiecesTakeTurns(t *testing.T) {
	p := newPieced(t, mbit)
	for i := range 3 {
		p.AppendFrame(uint64(7+i), wire.ClassInteractive, withContent(wire.ClassInteractive, 1+i, 2, 16_000, byte(i)))
	}
	p.rest()
	if len(p.got) != 3 {
		t.Fatalf("got %d frames, want 3", len(p.got))
	}
	var left [3]int
	for i, b := range p.wire {
		v, err := wire.ParsePiece(b)
		if err != nil || int(v.Slot) >= len(left) {
			t.Fatalf("piece %d: got slot %d, %v", i, v.Slot, err)
		}
		left[v.Slot] += len(v.Bytes)
		if off := slices.Max(left[:]) - slices.Min(left[:]); off > limits.PieceQuantum+wire.MinPiece {
			t.Fatalf("piece %d: one flow is %d bytes ahead of another", i, off)
		}
	}
}

// A frame is where it was until its last piece has left, and then in the ring: wherever
// the link ends, it goes another way whole, once.
func TestLinkThatEndsBetweenPieces(t *testing.T) {
	const n = 10_000
	for pieces := 0; pieces <= (n+wire.MinPiece-1)/wire.MinPiece; pieces++ {
		p, self := newPieced(t, mbit), wire.ID{1}
		f, copy := sealedFrame(self, 5, n)
		p.AppendFrame(Self, wire.ClassInteractive, f)
		p.AppendFrame(7, wire.ClassBulk, dataFrame(wire.ClassBulk, 3, 2, n))
		for left := 0; left < pieces; {
			for _, b := range p.slowLink.wireFrames() {
				if v, err := wire.ParsePiece(b); err == nil && v.Slot == 0 {
					left++
				}
			}
		}
		var mark uint64
		want := Waits
		if pieces*wire.MinPiece >= n {
			want = Sent
		}
		if got := p.Holds(p.Clock().Add(time.Hour), &self, copy, &mark); got != want {
			t.Errorf("after %d pieces: got %d, want %d", pieces, got, want)
		}
		p.Close(reason.CarrierFailed)
		if batch, lost := p.Leftover(); !bytes.Equal(batch, wire.AppendToBatch(nil, f)) || lost > 1 {
			t.Errorf("after %d pieces: got %d bytes and %d lost, want the frame", pieces, len(batch), lost)
		}
	}
}

// wireFrames flushes once and returns what is on the line.
func (l *slowLink) wireFrames() (all [][]byte) {
	var out chunks
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepare(&out)
	for c := out.head; c != nil; c = c.next {
		eachFrame(c.buf, func(frame []byte) { all = append(all, bytes.Clone(frame)) })
	}
	return all
}

// What is in pieces ends so when the link turns fast, and only then the layout of the
// queue changes.
func TestLinkThatTurnsFastBetweenPieces(t *testing.T) {
	for _, bps := range []int{limits.PieceRate, 100 * mbit, 10 * limits.FlowRate} {
		p := newPieced(t, mbit)
		first, second := withContent(wire.ClassInteractive, 1, 2, 60_000, 1), withContent(wire.ClassInteractive, 1, 2, 30_000, 2)
		p.AppendFrame(7, wire.ClassInteractive, first)
		p.step()
		p.AppendFrame(7, wire.ClassInteractive, second)
		p.turn(bps)
		for p.step() {
			p.turn(bps)
		}
		p.rest()
		if len(p.got) != 2 || !bytes.Equal(p.got[0], first) || !bytes.Equal(p.got[1], second) {
			t.Errorf("%d bytes/s: got %d frames, want both", bps, len(p.got))
		}
		if last := p.wire[len(p.wire)-1]; wire.IsLink(last) {
			t.Errorf("%d bytes/s: the second frame left in pieces", bps)
		}
		if fast := p.queue.flows == nil; fast != (bps > limits.FlowRate) {
			t.Errorf("%d bytes/s: flows left: %v", bps, fast)
		}
	}
}

// A message that leaves a standing queue in pieces is marked.
func TestFramesInPiecesAreMarked(t *testing.T) {
	p := newPieced(t, mbit)
	for p.now < 3*time.Second {
		p.give1(7, wire.ClassInteractive, 1, 2, 8_000)
		p.step()
	}
	marked := 0
	for _, f := range p.got {
		if isMarked(f) {
			marked++
		}
	}
	if marked < len(p.got)/2 {
		t.Errorf("got %d of %d marked, want nearly all", marked, len(p.got))
	}
}

// Beside floods of large frames a light flow waits for one piece of each that is in
// pieces, however many floods there are.
func TestLightFlowBesidePieces(t *testing.T) {
	for _, floods := range []int{1, 10, 100} {
		t.Run(fmt.Sprint(floods), func(t *testing.T) {
			p := newPieced(t, mbit)
			most := 5 * (wire.MinPiece + 100) // three in pieces, the flush under way, itself
			sent, arrived, worst := []time.Duration{}, 0, time.Duration(0)
			flood := make([][]byte, floods)
			for i := range flood {
				flood[i] = dataFrame(wire.ClassInteractive, 100+i, 1, 60_000)
			}
			for next := time.Duration(0); p.now < 5*time.Second; {
				for i, f := range flood {
					p.AppendFrame(uint64(10+i), wire.ClassInteractive, f)
				}
				for ; p.now >= next; next += 50 * time.Millisecond {
					if a := p.give1(8, wire.ClassInteractive, 3, 1, 500); a != Queued {
						t.Fatalf("at %v: got %v", p.now, a)
					}
					sent = append(sent, next)
				}
				p.got = p.got[:0]
				p.step()
				for _, f := range p.got {
					if numberOf(wire.FrameSrc(f)) == 3 {
						worst = max(worst, p.now-sent[arrived])
						arrived++
					}
				}
			}
			if limit := time.Duration(float64(most) / mbit * float64(time.Second)); worst > limit || arrived < len(sent)-2 {
				t.Errorf("got %d of %d, %v at worst; want at most %v", arrived, len(sent), worst, limit)
			}
		})
	}
}

// Where there are more long frames than slots, or than bytes for them, those beyond
// wait in order, and short ones do not wait for them.
func TestFramesBeyondTheSlotsWait(t *testing.T) {
	for _, c := range []struct{ frames, size int }{{limits.PieceSlots + 16, 2_950}, {5, 60_000}} {
		p := newPieced(t, 5*mbit)
		for i := range c.frames {
			if a := p.AppendFrame(uint64(10+i), wire.ClassInteractive, withContent(wire.ClassInteractive, 10+i, 1, c.size, byte(i))); a != Queued {
				t.Fatalf("frame %d of %d bytes: %v", i, c.size, a)
			}
		}
		p.turn(mbit / 16)
		p.step()
		p.give1(8, wire.ClassControl, 3, 1, 300)
		most, apart := 0, false
		for p.step() {
			s := &p.queue.flows.slots
			most, apart = max(most, s.bytes), apart || s.apart.head != nil
			if len(p.wire) > limits.PieceSlots+3 && numberOf(wire.FrameSrc(p.got[0])) != 3 {
				t.Fatal("a short frame waits for long ones")
			}
		}
		p.rest()
		if len(p.got) != c.frames+1 || !apart || most > limits.PieceBytes {
			t.Errorf("%d of %d bytes: got %d, apart %v, %d bytes in pieces", c.frames, c.size, len(p.got), apart, most)
		}
	}
}

// Who finds no slot has the next one: shorter frames do not pass, of which there might
// always be some.
func TestLongestFrameFindsASlot(t *testing.T) {
	p := newPieced(t, 5*mbit)
	for i := range 5 {
		p.give1(uint64(10+i), wire.ClassInteractive, 10+i, 1, 60_000)
	}
	if a := p.give1(8, wire.ClassInteractive, 3, 1, 3_000); a != Queued {
		t.Fatalf("got %v", a)
	}
	p.turn(mbit / 16)
	p.rest()
	for i, f := range p.got {
		if long := len(f) == 60_000; i < 2 && !long || len(p.got) != 6 {
			t.Errorf("frame %d of %d has %d bytes, want the long ones first", i, len(p.got), len(f))
		}
	}
}

// Whatever comes, at whatever rates, arrives whole, once, and in the order of its flow.
func TestPiecesKeepAllAndOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPieced(asTB{nil, t}, mbit)
		want := make(map[flowKey][][]byte)
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				p.turn(rapid.SampledFrom([]int{mbit / 16, mbit, limits.PieceRate - 1, limits.PieceRate, 100 * mbit, 10 * limits.FlowRate}).Draw(t, "rate"))
			case 1, 2:
				p.step()
			case 3: // much at once, as long as little is known of a line
				p.queue.flush = rapid.SampledFrom([]int{0, startLimit, 64 << 10}).Draw(t, "flush")
			default:
				class := rapid.SampledFrom([]wire.Class{wire.ClassAck, wire.ClassInteractive, wire.ClassBulk}).Draw(t, "class")
				n := rapid.SampledFrom([]int{wire.HeaderLen, 500, 2_100, 2_101, 5_000, 30_000, wire.MaxFrame}).Draw(t, "bytes")
				src := uint64(rapid.IntRange(7, 12).Draw(t, "source"))
				f := withContent(class, int(src), rapid.IntRange(1, 3).Draw(t, "to"), n, byte(i))
				if p.AppendFrame(src, class, f) == Queued {
					k := keyOf(0, class, f)
					want[k] = append(want[k], f)
				}
			}
		}
		for p.step() {
			p.turn(p.bps)
		}
		p.rest()
		for _, f := range p.got {
			class := wire.FrameFlags(f).Class()
			k := keyOf(0, class, f)
			list := want[k]
			for class == wire.ClassBulk && len(list) > 0 && !sameButMark(list[0], f) {
				list = list[1:] // CoDel's
			}
			if len(list) == 0 || !sameButMark(list[0], f) {
				t.Fatalf("a frame of %d bytes is not the next of its flow", len(f))
			}
			want[k] = list[1:]
		}
		for k, list := range want {
			if k.class != wire.ClassBulk && len(list) > 0 {
				t.Fatalf("%d frames have not come", len(list))
			}
		}
	})
}

// asTB lets rapid's T serve where Fatalf and Errorf are all that is wanted of one.
type asTB struct {
	testing.TB
	t *rapid.T
}

func (a asTB) Fatalf(format string, args ...any) { a.t.Fatalf(format, args...) }
func (a asTB) Errorf(format string, args ...any) { a.t.Errorf(format, args...) }

func sameButMark(a, b []byte) bool {
	return len(a) == len(b) && a[0] == b[0] && (a[1]^b[1])&^byte(wire.FlagMarked) == 0 && bytes.Equal(a[2:], b[2:])
}
