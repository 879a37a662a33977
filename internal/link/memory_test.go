package link

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/peermesh/peermesh/internal/budget"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// ringRoom is the most memory that a ring may retain: twice what it keeps, for the
// shortest frames in records of their own.
const ringRoom = 2 * limits.SentRing

// Records of any length retain little more than their bytes.
func TestRingRetainsWhatItKeeps(t *testing.T) {
	for _, size := range []int{wire.HeaderLen + wire.BatchHeader, 100, 4_200, 17_000, 40_000, 65_000} {
		var r ring
		most := 0
		for range 4 * limits.SentRing / size {
			r.keep(record(testFrame(wire.ClassInteractive, size, 1)), limits.SentRing)
			most = max(most, r.held())
		}
		if most > ringRoom {
			t.Errorf("records of %d bytes: got %d bytes retained, want at most %d", size, most, ringRoom)
		}
		if r.ack(r.frames); r.held() > 1<<10 {
			t.Errorf("records of %d bytes, acked: got %d bytes retained, want next to none", size, r.held())
		}
	}
}

// Under pressure a ring moves to less memory and keeps the newest.
func TestRingShrinks(t *testing.T) {
	var r ring
	for i := range 60 {
		r.keep(record(testFrame(wire.ClassInteractive, 1000, byte(i))), limits.SentRing)
	}
	r.keep(record(testFrame(wire.ClassInteractive, 1000, 60)), 4<<10)
	if r.held() > 8<<10 {
		t.Errorf("got %d bytes retained, want at most 8 KiB", r.held())
	}
	if got, want := marks(t, r.take()), []byte{57, 58, 59, 60}; !bytes.Equal(got, want) {
		t.Errorf("kept: got %v, want %v", got, want)
	}
}

// Whatever is kept, acked, pushed out and given back in whatever order: a ring
// gives back what a list would.
func TestRingIsAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r ring
		var kept [][]byte // frames, the oldest first
		frames, acked := uint64(0), uint64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"keep", "keep", "keep", "ack", "take"}).Draw(t, "what") {
			case "keep":
				most := rapid.SampledFrom([]int{0, 4 << 10, limits.SentRing}).Draw(t, "most")
				c := newChunk(largeChunk)
				for range rapid.IntRange(1, 4).Draw(t, "frames") {
					f := testFrame(wire.ClassInteractive, rapid.IntRange(50, 15_000).Draw(t, "size"), byte(frames))
					c.buf = append(c.buf, f...)
					c.frames++
					kept, frames = append(kept, f), frames+1
				}
				r.keep(c, most)
				acked = max(acked, r.acked)
			case "ack":
				acked = rapid.Uint64Range(acked, frames).Draw(t, "count")
				r.ack(acked)
			case "take":
				if got, want := r.take(), bytes.Join(kept[acked:], nil); !bytes.Equal(got, want) {
					t.Fatalf("got %d bytes, want %d", len(got), len(want))
				}
				acked = frames
			}
			if r.bytes > limits.SentRing || r.held() > ringRoom {
				t.Fatalf("got %d bytes kept, %d retained", r.bytes, r.held())
			}
		}
	})
}

// What waits is charged with the chunks that it is in, and given back once it has
// left; the link that holds most is refused first.
func TestWaitingIsCharged(t *testing.T) {
	b := budget.New(1 << 20)
	d, other := newDriven(drivenStart), newDriven(drivenStart)
	for _, e := range []*drivenEnd{d, other} {
		e.link.account = b.Open()
	}
	a, n := Queued, 0
	for src := uint64(1); a == Queued; src++ { // each source a little of each class
		for class := wire.ClassControl; class <= wire.ClassBulk && a == Queued; class++ {
			a = d.link.AppendFrame(src, class, testFrame(class, 60, 1)[wire.BatchHeader:])
			n++
		}
	}
	if held := 0; a != Crowded {
		t.Errorf("got %v, want %v", a, Crowded)
	} else if held = d.link.account.Held(); held < (n-1)*smallChunk || held > b.Most()/limits.BudgetPart {
		t.Errorf("%d chunks: charged %d bytes of %d", n-1, held, b.Most())
	}
	if a := other.link.AppendFrame(1, wire.ClassBulk, testFrame(wire.ClassBulk, 60, 1)[wire.BatchHeader:]); a != Queued {
		t.Errorf("a link on which nothing waits: got %v, want %v", a, Queued)
	}
	d.link.Pump(drivenStart)
	other.link.Pump(drivenStart)
	d.link.OnAck(drivenStart, d.link.allTaken())
	if b.Used() > 2<<10 {
		t.Errorf("all has left: got %d bytes charged, want next to none", b.Used())
	}
}

// What a link is charged with is what its chunks and its ring retain, whatever is
// done with it.
func TestChargesAreWhatIsRetained(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := budget.New(64 << 20)
		d := newDriven(drivenStart)
		d.link.account = b.Open()
		check := func(what string) {
			chunks := 0
			for _, in := range d.link.queue.inlets {
				for class := range in.byClass {
					for c := in.byClass[class].head; c != nil; c = c.next {
						chunks += cap(c.buf)
					}
				}
			}
			eachFlow(&d.link.queue, func(f *flow) {
				for c := f.frames.head; c != nil; c = c.next {
					chunks += c.memory()
				}
			})
			if fl := d.link.queue.flows; fl != nil {
				chunks += fl.memory()
			}
			if want := chunks + d.link.ring.held() + cap(d.link.control.buf); b.Used() != want {
				t.Fatalf("after %s: got %d bytes charged, want %d", what, b.Used(), want)
			}
		}
		for i := range rapid.IntRange(1, 80).Draw(t, "steps") {
			class := wire.Class(rapid.IntRange(0, 3).Draw(t, "class"))
			src := rapid.Uint64Range(0, 3).Draw(t, "source")
			size := rapid.SampledFrom([]int{60, 300, 5_000, 20_000, 60_000}).Draw(t, "size")
			switch what := rapid.SampledFrom([]string{"append", "run", "slow", "rate", "pump", "ack", "take"}).Draw(t, "what"); what {
			case "append":
				d.link.AppendFrame(src, class, testFrame(class, size, byte(i))[wire.BatchHeader:])
				check(what)
			case "run":
				d.link.give(src, class, bytes.Repeat(testFrame(class, size, byte(i)), 2), 2)
				check(what)
			case "slow":
				d.link.queue.slow = !d.link.queue.slow
			case "rate":
				d.link.queue.pace(rapid.SampledFrom([]int{mbit, 400 * mbit}).Draw(t, "rate"), d.link.since)
				d.link.charge()
				check(what)
			case "pump":
				d.link.Pump(drivenStart)
				check(what)
			case "ack":
				d.link.OnAck(drivenStart, d.link.allTaken())
				check(what)
			case "take":
				d.link.TakeRing()
				check(what)
			}
		}
		d.link.Close(0)
		if d.link.queue.bytes > 0 || !d.link.ring.empty() {
			check("the end") // until it goes another way
		}
		d.link.Leftover()
		if b.Used() != 0 {
			t.Fatal(fmt.Sprint("after Close: still charged ", b.Used()))
		}
	})
}

// Link frames that wait for a peer that does not read are bounded by their bytes,
// of which the longest answers have room.
func TestLinkFramesAreBoundedByBytes(t *testing.T) {
	d := newDriven(drivenStart)
	frame := append(wire.AppendPing(nil, [8]byte{1}), make([]byte, 40_000)...)
	n := 0
	for ; d.link.Cause() == reason.None && n < limits.ControlFrames; n++ {
		d.link.AppendControl(frame)
		if held := cap(d.link.control.buf); held > 2*limits.ControlBytes {
			t.Fatalf("got %d bytes retained, want at most %d", held, 2*limits.ControlBytes)
		}
	}
	if want := limits.ControlBytes/len(frame) + 1; n != want || d.link.Cause() != reason.Stalled {
		t.Errorf("got the end %v after %d frames, want %v after %d", d.link.Cause(), n, reason.Stalled, want)
	}
}
