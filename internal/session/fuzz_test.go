package session

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// adversary plays two nodes whose network is a program: each step is two bytes,
// what to do and with what.
type adversary struct {
	w     *world
	nodes [2]*testNode
	wire  []flying
	sent  map[string]*outcome // messages by text
	texts map[string]int      // deliveries by text, over all starts
	n     int
}

// flying is a frame on its way, or one that was seen.
type flying struct {
	to    *testNode
	frame []byte
}

func newAdversary(t testing.TB) *adversary {
	w, a, b := pair(t, 90)
	v := &adversary{w: w, nodes: [2]*testNode{a, b}, sent: map[string]*outcome{}, texts: map[string]int{}}
	w.hold = func(to *testNode, frame []byte) { v.wire = append(v.wire, flying{to, bytes.Clone(frame)}) }
	for _, n := range v.nodes {
		n.quiet = true
		n.deliver = func(d *Delivery) reason.Reason {
			if d.Kind == wire.PlainRequest {
				return reason.NoHandler
			}
			if len(d.Data) > 0 && d.Data[0] == 'f' && v.n%3 == 0 {
				return reason.PortFull
			}
			v.texts[string(d.Data)]++
			return reason.None
		}
	}
	return v
}

// play runs the program and then lets everything end.
func (v *adversary) play(program []byte) {
	for ; len(program) >= 2; program = program[2:] {
		v.n++
		v.step(program[0], int(program[1]))
		if len(v.wire) > 200 {
			v.wire = v.wire[100:]
		}
	}
	v.end()
}

func (v *adversary) step(op byte, arg int) {
	from, to := v.nodes[arg%2], v.nodes[1-arg%2]
	switch op % 16 {
	case 0:
		v.message(from, to, wire.PlainMessage, "m")
	case 1:
		v.message(from, to, wire.PlainMessage, "f")
	case 2:
		v.message(from, to, wire.PlainRequest, "r")
	case 3:
		_ = from.datagram(to, fmt.Sprintf("d%d", v.n)) // a full queue is an answer, too
	case 4, 5, 6:
		v.arrive(arg, true, nil)
	case 7:
		v.arrive(arg, false, nil) // and it stays: a copy may come later
	case 8:
		v.arrive(arg, false, func(f []byte) { f[(arg*7+v.n)%len(f)] ^= byte(arg | 1) })
	case 9:
		v.arrive(arg, false, func(f []byte) { // sent back
			src, dst := *wire.FrameSrc(f), *wire.FrameDst(f)
			*wire.FrameSrc(f), *wire.FrameDst(f) = dst, src
		})
	case 10:
		v.lose(arg)
	case 11, 12:
		v.w.run(time.Duration(1<<(arg%14)) * time.Millisecond)
	case 13:
		if arg%8 == 1 {
			from.forget(to)
		}
		if arg%8 == 0 {
			quiet, deliver := from.quiet, from.deliver
			old := from.t
			from.restart()
			old.Close(v.w.now)
			from.quiet, from.deliver = quiet, deliver
		}
	case 14:
		v.hint(arg)
	case 15:
		for len(v.wire) > 0 {
			v.arrive(0, true, nil)
		}
	}
}

func (v *adversary) message(from, to *testNode, kind uint8, prefix string) {
	s := fmt.Sprintf("%s%d", prefix, v.n)
	o := &outcome{data: s}
	p, err := from.t.Send(v.w.now, Message{To: to.self, Kind: kind, Data: []byte(s)}, func(r Result) {
		o.calls++
		o.Result = r
	})
	if err == nil {
		o.p = p
		v.sent[s] = o
	}
}

// arrive lets a frame on the wire arrive, changed or not, taken off it or not.
func (v *adversary) arrive(at int, take bool, change func([]byte)) {
	if len(v.wire) == 0 {
		return
	}
	at %= len(v.wire)
	x := v.wire[at]
	f := bytes.Clone(x.frame)
	if take {
		v.wire = append(v.wire[:at], v.wire[at+1:]...)
	}
	if change != nil {
		change(f)
		for _, n := range v.nodes { // wherever it leads now
			v.into(n, bytes.Clone(f))
		}
		return
	}
	v.into(x.to, f)
}

func (v *adversary) into(n *testNode, f []byte) {
	if wire.FrameType(f) == wire.TypeHint || wire.FrameType(f) == wire.TypeHandshake || wire.FrameType(f) == wire.TypeData {
		if wire.FrameHopLimit(f) >= 2 {
			n.arrive(f)
		}
	}
}

func (v *adversary) lose(at int) {
	if len(v.wire) > 0 {
		at %= len(v.wire)
		v.wire = append(v.wire[:at], v.wire[at+1:]...)
	}
}

// hint lets a node hear about a frame on the wire that it may have sent.
func (v *adversary) hint(arg int) {
	if len(v.wire) == 0 {
		return
	}
	f, err := wire.ParseFrame(v.wire[arg%len(v.wire)].frame)
	if err != nil || f.Type == wire.TypeHint {
		return
	}
	why := []reason.Reason{reason.NoRoute, reason.UnknownSession, reason.QueueFull, reason.Detached}[arg%4]
	for _, n := range v.nodes {
		n.t.HandleHint(v.w.now, wire.Hint{Reason: uint8(why), Type: f.Type, Dst: f.Dst, Echo: wire.Echo(f.Body)})
	}
}

// end heals the network, lets what can end, and checks the promises.
func (v *adversary) end() {
	t := v.w.t
	old := v.wire
	v.w.hold, v.wire = nil, nil
	v.n = 1
	for _, x := range old { // late copies
		v.into(x.to, x.frame)
	}
	v.w.run(30 * time.Second)
	for _, n := range v.nodes {
		n.t.Close(v.w.now)
		if n.t.Len() != 0 || n.t.index.used > len(n.t.answers.order) {
			t.Errorf("left at the end: %d entries, %d indices", n.t.Len(), n.t.index.used)
		}
	}
	for s, n := range v.texts {
		if n > 1 {
			t.Errorf("%q: delivered %d times", s, n)
		}
		if s[0] != 'd' && v.sent[s] == nil {
			t.Errorf("%q: delivered, never sent", s)
		}
	}
	for s, o := range v.sent {
		v.judge(s, o)
	}
}

func (v *adversary) judge(s string, o *outcome) {
	n := v.texts[s]
	switch {
	case o.calls != 1:
		v.w.t.Errorf("%q: ended %d times", s, o.calls)
	case o.Outcome == Delivered && n != 1 && s[0] != 'r':
		v.w.t.Errorf("%q: reported as delivered, was %d times", s, n)
	case o.Outcome == Undelivered && n != 0:
		v.w.t.Errorf("%q: reported as undelivered (%v), was delivered", s, o.Err)
	}
}

func TestAdversarialWire(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		program := make([]byte, 600)
		for i := range program {
			program[i] = byte(r.Uint32())
		}
		newAdversary(t).play(program)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzTwoParties(f *testing.F) {
	f.Add([]byte{0, 0, 15, 0, 0, 1, 15, 0, 3, 0, 15, 0})
	f.Add([]byte{0, 0, 0, 1, 12, 13, 15, 0, 13, 0, 0, 1, 15, 0, 14, 1, 12, 13, 15, 0})
	f.Add([]byte{2, 0, 15, 0, 1, 1, 7, 3, 8, 5, 9, 1, 10, 0, 11, 13, 15, 0})
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 300 {
			program = program[:300]
		}
		newAdversary(t).play(program)
	})
}

// FuzzFrames shows a node with a session any bytes at all.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{1, 3, 60}, false)
	f.Add(make([]byte, 256), true)
	f.Fuzz(func(t *testing.T, b []byte, addressed bool) {
		w, x, y := pair(t, 91)
		w.connect(x, y)
		if addressed && len(b) >= wire.HeaderLen {
			*wire.FrameDst(b), *wire.FrameSrc(b) = y.self, x.self
		}
		x.t.Receive(&x.batch, w.now, bytes.Clone(b))
		y.t.Receive(&y.batch, w.now, bytes.Clone(b))
		for _, n := range []*testNode{x, y} {
			j, _ := n.t.HandleHandshake(w.now, bytes.Clone(b), Ingress{Link: 1})
			n.jobs(j)
			if h, err := wire.ParseHint(b); err == nil {
				n.t.HandleHint(w.now, h)
			}
		}
		y.once()
		x.once()
		o := x.send(y, "still there")
		w.run(time.Second)
		o.want(t, nil, Delivered)
	})
}

func TestReplayWindow(t *testing.T) {
	var w replayWindow
	see := func(counter uint64, want bool) {
		t.Helper()
		if got := w.fresh(counter); got != want {
			t.Errorf("counter %d after %d: got fresh %v, want %v", counter, w.highest, got, want)
		}
		if w.fresh(counter) {
			w.mark(counter)
		}
	}
	see(0, true)
	see(0, false)
	see(1, true)
	see(limits.ReplayWindow+1, true)
	see(1, false)
	see(2, true)
	see(limits.ReplayWindow+2, true)
	see(1, false)
	see(2, false)
	see(3, true)
	see(1<<40, true)
	see(1<<40-limits.ReplayWindow, true)
	see(1<<40-limits.ReplayWindow-1, false)
	see(limits.ReplayWindow+2, false)
}

func TestReplayWindowModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w replayWindow
		seen := map[uint64]bool{}
		highest := uint64(0)
		step := rapid.OneOf(
			rapid.Uint64Range(0, 100), rapid.Uint64Range(0, 2*limits.ReplayWindow), rapid.Uint64Range(0, 1<<40))
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			counter := step.Draw(t, "counter")
			if rapid.Bool().Draw(t, "near") {
				counter = highest + counter%300 - min(highest, 150)
			}
			want := !seen[counter] && (counter >= highest || highest-counter <= limits.ReplayWindow)
			if got := w.fresh(counter); got != want {
				t.Fatalf("counter %d after %d: got fresh %v, want %v", counter, highest, got, want)
			}
			if want {
				w.mark(counter)
				seen[counter] = true
				highest = max(highest, counter)
			}
		}
	})
}

// The inbox against a model that remembers everything.
func TestInboxModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &inbox{}
		base := rapid.Uint64Range(0, 1<<62).Draw(t, "base")
		b.advance(base)
		decided := map[uint64]reason.Reason{}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			span := rapid.SampledFrom([]uint64{10, 100, 1000, limits.MessageWindow}).Draw(t, "span")
			id := base + rapid.Uint64Range(0, span-1).Draw(t, "id")
			if rapid.IntRange(0, 9).Draw(t, "move") == 0 {
				base = id
				b.advance(base)
			}
			want := isNew
			why, ok := decided[id]
			if ok && why == reason.None {
				want = isSeen
			} else if ok {
				want = isRefused
			}
			if got, r := b.look(id); got != want || r != why {
				t.Fatalf("id base+%d: got %d, %v, want %d, %v", id-base, got, r, want, why)
			}
			if !ok {
				why = rapid.SampledFrom([]reason.Reason{reason.None, reason.None, reason.NoHandler, reason.Unsolicited}).Draw(t, "why")
				b.decide(id, why)
				decided[id] = why
			}
		}
	})
}
