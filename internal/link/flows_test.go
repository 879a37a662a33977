package link

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// shares keeps queues of frames waiting for so long and returns what left of each
// sender, in bytes.
func shares(l *slowLink, d time.Duration, fill func()) map[int]int {
	left := make(map[int]int)
	for end := l.now + d; l.now < end; {
		fill()
		for _, f := range l.flush() {
			left[numberOf(wire.FrameSrc(f))] += len(f)
		}
	}
	return left
}

// A node that talks to a thousand others has as much of a line as one that talks to
// one, whether they come by links of their own or by one.
func TestSourcesHaveEqualShares(t *testing.T) {
	for _, c := range []struct {
		name        string
		many, one   uint64
		class       wire.Class
		size, peers int
	}{
		{"own ingresses", 7, 8, wire.ClassInteractive, 1_000, 1_000},
		{"one ingress", 7, 7, wire.ClassInteractive, 400, 1_000},
		{"more flows than are told apart", 7, 8, wire.ClassInteractive, 150, 3_000},
		{"datagrams", 7, 8, wire.ClassBulk, 1_000, 1_000},
		{"this node and another", Self, 8, wire.ClassInteractive, 400, 1_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newSlow(t, 4*mbit)
			to := 0
			left := shares(l, 20*time.Second, func() {
				for range 20 { // turn by turn, so that both always have something waiting
					to = (to + 1) % c.peers
					l.give1(c.many, c.class, 1, 1_000+to, c.size)
					l.give1(c.one, c.class, 2, 100, c.size)
				}
			})
			if ratio := float64(left[1]) / float64(left[2]); ratio < 0.95 || ratio > 1.05 {
				t.Errorf("got %d and %d bytes, want as many", left[1], left[2])
			}
		})
	}
}

// Destinations within a source have equal shares too, large frames or small.
func TestDestinationsHaveEqualShares(t *testing.T) {
	l := newSlow(t, 8*mbit)
	left := make(map[int]int)
	for l.now < 20*time.Second {
		for range 10 {
			l.give1(7, wire.ClassInteractive, 1, 10, 8_000)
			for range 10 {
				l.give1(7, wire.ClassInteractive, 1, 11, 300)
			}
		}
		for _, f := range l.flush() {
			left[numberOf(wire.FrameDst(f))] += len(f)
		}
	}
	if ratio := float64(left[10]) / float64(left[11]); ratio < 0.9 || ratio > 1.1 {
		t.Errorf("got %d bytes in large frames and %d in small ones, want as many", left[10], left[11])
	}
}

// A light flow beside floods waits for one frame of each of them at most, by
// whatever link it comes.
func TestLightFlowBesideFloods(t *testing.T) {
	for _, c := range []struct {
		name   string
		floods int
		size   int
		light  uint64
		flood  func(i int) uint64
		bps    int
	}{
		{"one of large frames", 1, 60_000, 8, func(int) uint64 { return 7 }, 8 * mbit},
		{"one by the same link", 1, 60_000, 7, func(int) uint64 { return 7 }, 2 * mbit},
		{"ten by links of their own", 10, 8_000, 8, func(i int) uint64 { return uint64(10 + i) }, 8 * mbit},
		{"a hundred by one other link", 100, 60_000, 8, func(int) uint64 { return 7 }, 64 * mbit},
		{"of this node itself", 10, 8_000, 8, func(int) uint64 { return Self }, 8 * mbit},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newSlow(t, c.bps)
			// one frame of each flood that may wait, one that leaves meanwhile, and the flush
			most := time.Duration(float64(min(c.floods+1, limits.LinkQueue/c.size+2)*c.size+limits.FlowQuantum) / float64(c.bps) * float64(time.Second))
			frames := make([][]byte, c.floods)
			for i := range frames {
				frames[i] = dataFrame(wire.ClassInteractive, 100+i, 1, c.size)
			}
			sent, arrived, worst := []time.Duration{}, 0, time.Duration(0)
			for next := time.Duration(0); l.now < 5*time.Second; {
				for i, f := range frames {
					l.AppendFrame(c.flood(i), wire.ClassInteractive, f)
				}
				for ; l.now >= next; next += 50 * time.Millisecond {
					if a := l.give1(c.light, wire.ClassInteractive, 3, 1, 500); a != Queued {
						t.Fatalf("at %v: got %v, want %v", l.now, a, Queued)
					}
					sent = append(sent, next)
				}
				for _, f := range l.flush() {
					if numberOf(wire.FrameSrc(f)) == 3 {
						worst = max(worst, l.now-sent[arrived])
						arrived++
					}
				}
			}
			if len(sent)-arrived > 20 || worst > most {
				t.Errorf("got %d of %d, the slowest after %v; want all within %v", arrived, len(sent), worst, most)
			}
		})
	}
}

// Who is somebody else with each frame does not go before the others for ever.
func TestInventedSourcesLeaveHalfToOthers(t *testing.T) {
	l := newSlow(t, mbit)
	n := 100
	left := shares(l, time.Second, func() {
		for range 10 {
			l.give1(8, wire.ClassInteractive, 2, 1, 400)
			n++
			l.give1(7, wire.ClassInteractive, n, 1, 400)
		}
	})
	if honest := left[2]; honest < 2*mbit/5 {
		t.Errorf("got %d bytes of %d, want about half", honest, mbit)
	}
}

// Who has one frame waiting at a time, and the next one when that has left, has no
// more than its share.
func TestOneFrameAtATimeIsNoAdvantage(t *testing.T) {
	l := newSlow(t, 4*mbit)
	one := true
	left := make(map[int]int)
	for l.now < 10*time.Second {
		for from := 10; from < 14; from++ {
			for l.give1(uint64(from), wire.ClassInteractive, from, 1, 1_000) == Queued {
			}
		}
		if one {
			l.give1(7, wire.ClassInteractive, 2, 1, 1_000)
			one = false
		}
		for _, f := range l.flush() {
			from := numberOf(wire.FrameSrc(f))
			left[from] += len(f)
			one = one || from == 2
		}
	}
	if most := left[10] + left[10]/10; left[2] > most {
		t.Errorf("got %d bytes, and %d of one who has a queue; want no more", left[2], left[10])
	}
}

// What comes while as many flows as may be are told apart stays in its order when
// there are fewer again.
func TestOrderOutlivesTheBoundOfFlows(t *testing.T) {
	l := newSlow(t, 8*mbit)
	for i := range limits.LinkFlows / 2 { // half of them, all that one ingress may have
		l.give1(7, wire.ClassInteractive, 1_000+i, 1, 60)
	}
	given, left := 0, 0
	number := func(f []byte) int { return int(wire.FrameBody(f)[0])<<8 | int(wire.FrameBody(f)[1]) }
	give := func(n int) {
		for range n {
			f := dataFrame(wire.ClassInteractive, 2, 1, 60)
			wire.FrameBody(f)[0], wire.FrameBody(f)[1] = byte(given>>8), byte(given)
			if l.AppendFrame(7, wire.ClassInteractive, f) == Queued {
				given++
			}
		}
	}
	give(600)
	for rest := 0; l.queue.bytes > 0; rest++ {
		for _, f := range l.flush() {
			if numberOf(wire.FrameSrc(f)) != 2 {
				continue
			}
			if got := number(f); got != left {
				t.Fatalf("got frame %d, want %d", got, left)
			}
			left++
		}
		if rest < 200 {
			give(1)
		}
	}
	if left != given || given < 700 {
		t.Errorf("got %d of %d frames", left, given)
	}
}

// 10,000 senders with one message each on one link: all are served, in turns.
func TestManySendersAreAllServed(t *testing.T) {
	l := newSlow(t, 4*mbit)
	const all = 10_000
	left := make(map[int]int)
	for next := 0; next < all || l.queue.bytes > 0; {
		for ; next < all; next++ {
			if l.give1(uint64(1+next%50), wire.ClassInteractive, next, 1, 400) != Queued {
				break
			}
		}
		for _, f := range l.flush() {
			left[numberOf(wire.FrameSrc(f))]++
		}
		if most := limits.LinkFlows + 64; l.queue.flows.count > most || len(l.queue.flows.sources) > most {
			t.Fatalf("got %d flows of %d sources, want at most %d", l.queue.flows.count, len(l.queue.flows.sources), most)
		}
	}
	for i := range all {
		if left[i] != 1 {
			t.Fatalf("sender %d: got %d frames, want one", i, left[i])
		}
	}
}

// However many flows a peer invents, so many are told apart, half of them for it; and
// what it brings takes half of the room.
func TestOneIngressHasHalf(t *testing.T) {
	l := newSlow(t, 8*mbit) // room for all of limits.LinkQueue
	taken, missed := 0, 0
	for i := 0; missed < 1_000; i++ {
		if l.give1(7, wire.ClassInteractive, i, i, 60) == Queued {
			taken += 62
		} else {
			missed++
		}
	}
	if most := limits.LinkQueue/2 + limits.LightFlows; taken > most || taken < limits.LinkQueue/2-100 {
		t.Errorf("got %d bytes, want at most %d", taken, most)
	}
	if got := l.queue.flows.count; got > limits.LinkFlows/2+1 {
		t.Errorf("got %d flows, want at most %d", got, limits.LinkFlows/2+1)
	}
	if a := l.give1(8, wire.ClassInteractive, 1, 1, 60_000); a != Queued {
		t.Errorf("another ingress: got %v, want %v", a, Queued)
	}
	left := 0
	l.run(time.Minute, func([]byte) { left++ })
	if left != taken/62+1 || l.queue.flows.count > 0 || len(l.queue.flows.sources) > 0 || l.queue.held != l.queue.flows.memory() {
		t.Errorf("got %d frames, then %d flows of %d sources and %d bytes, want %d and nothing",
			left, l.queue.flows.count, len(l.queue.flows.sources), l.queue.held, taken/62+1)
	}
}

// Nothing is lost, nothing comes twice, and within a flow all keeps its order,
// whatever is appended and taken, and however often the link turns slow and fast.
func TestNothingIsLostOrOvertaken(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := newSlow(t, rapid.SampledFrom([]int{mbit / 16, mbit, 400 * mbit}).Draw(r, "rate"))
		type key struct {
			src      uint64
			from, to int
			class    wire.Class
		}
		given, left := make(map[key][]int), make(map[key][]int)
		number, taken, sources := 0, 0, rapid.IntRange(1, 700).Draw(r, "sources")
		see := func(frame []byte) {
			f, err := wire.ParseFrame(frame)
			if err != nil {
				r.Fatal(err)
			}
			at := uint64(f.Body[4])
			k := key{at, numberOf(&f.Src), numberOf(&f.Dst), f.Class}
			left[k] = append(left[k], int(f.Body[8])|int(f.Body[7])<<8|int(f.Body[6])<<16)
			taken++
		}
		for range rapid.IntRange(1, 80).Draw(r, "steps") {
			switch rapid.SampledFrom([]string{"append", "append", "append", "flush", "line"}).Draw(r, "what") {
			case "append":
				k := key{uint64(rapid.IntRange(0, 3).Draw(r, "src")), 0, 0, wire.Class(rapid.IntRange(0, 3).Draw(r, "class"))}
				var run []byte
				n := rapid.IntRange(1, 60).Draw(r, "frames")
				var keys []key
				for range n {
					k.from, k.to = rapid.IntRange(1, sources).Draw(r, "from"), rapid.IntRange(1, 3).Draw(r, "to")
					number++
					body := make([]byte, rapid.IntRange(30, 400).Draw(r, "size"))
					body[4] = byte(k.src)
					body[6], body[7], body[8] = byte(number>>16), byte(number>>8), byte(number)
					run = wire.AppendToBatch(run, wire.AppendFrame(nil, &wire.Frame{
						Type: wire.TypeData, Class: k.class, HopLimit: 9, Src: node(k.from), Dst: node(k.to), Body: body,
					}))
					keys = append(keys, k)
				}
				rest, _ := l.Append(k.src, k.class, run, n)
				for i, k := range keys[:n-framesIn(rest)] {
					given[k] = append(given[k], number-n+1+i)
				}
			case "flush":
				for _, f := range l.flush() {
					see(f)
				}
			case "line":
				l.turn(rapid.SampledFrom([]int{mbit / 16, mbit, 50 * mbit, 400 * mbit}).Draw(r, "rate"))
			}
		}
		late := int(queueDelays(l))
		rest, bulk := l.queue.drain()
		for len(rest) > 0 {
			frame, more, err := wire.NextInBatch(rest)
			if err != nil {
				r.Fatal(err)
			}
			see(frame)
			rest = more
		}
		all := 0
		for k, want := range given {
			all += len(want)
			if err := subsequence(left[k], want, k.class < wire.ClassBulk); err != nil {
				r.Fatalf("%+v: %v", k, err)
			}
		}
		if taken+late+bulk != all {
			r.Fatalf("got %d frames, %d dropped and %d at the end, want %d", taken, late, bulk, all)
		}
		if l.queue.bytes != 0 || l.queue.held != 0 {
			r.Fatalf("at the end: got %d bytes that hold %d, want none", l.queue.bytes, l.queue.held)
		}
	})
}

// framesIn counts the frames of a batch.
func framesIn(batch []byte) (n int) {
	for len(batch) > 0 {
		_, batch, _ = wire.NextInBatch(batch)
		n++
	}
	return n
}

// subsequence says whether got is want in its order, without some unless it is whole.
func subsequence(got, want []int, whole bool) error {
	at := 0
	for _, w := range want {
		if at < len(got) && got[at] == w {
			at++
		} else if whole {
			return fmt.Errorf("got %v, want %v", got, want)
		}
	}
	if at < len(got) {
		return fmt.Errorf("got %v, want them of %v in order", got, want)
	}
	return nil
}
