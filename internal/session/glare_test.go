package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

func TestGlare(t *testing.T) {
	for name, gap := range map[string]time.Duration{
		"at once": 0, "the lower a bit earlier": 4 * time.Millisecond, "the higher a bit earlier": -4 * time.Millisecond,
		"the lower by a way": 14 * time.Millisecond, "the higher by a way": -14 * time.Millisecond,
		"the lower by two ways": 24 * time.Millisecond, "the higher by two ways": -24 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			w, lo, hi := pair(t, 25)
			first, second := lo, hi
			if gap < 0 {
				first, second, gap = hi, lo, -gap
			}
			x := first.send(second, "x")
			w.run(gap)
			y := second.send(first, "y")
			w.run(5 * time.Second)
			x.want(t, nil, Delivered)
			y.want(t, nil, Delivered)
			lo.once(map[bool]string{true: "y", false: "x"}[first == lo])
			p, q := lo.peerOf(hi), hi.peerOf(lo)
			s, r := p.current.Load(), q.current.Load()
			if s.remote != r.local || r.remote != s.local {
				t.Fatal("the ends send on different sessions")
			}
			if gap <= 10*time.Millisecond && !s.initiator {
				t.Error("crossing handshakes: got the one of the higher ID, want that of the lower")
			}
			w.run(limits.HandshakeAnswerKept)
			if lo.t.index.used != 1 || hi.t.index.used != 1 {
				t.Errorf("indices in use: got %d and %d, want 1 each", lo.t.index.used, hi.t.index.used)
			}
		})
	}
}

// A message 1 in the name of a lower ID must not stop ours.
func TestGlareForged(t *testing.T) {
	w, lo, hi := pair(t, 26)
	forger := w.add(func(n *testNode, c *Config) { c.Self = lo.self })
	var forged []byte
	w.tap = func(from *testNode, frame []byte) {
		if from == forger && isKind(frame, wire.HandshakeFirst) {
			forged = bytes.Clone(frame)
		}
	}
	w.cut = func(from, to *testNode) bool { return from == forger }
	forger.send(hi, "x")
	w.run(time.Millisecond)
	o := hi.send(lo, "y")
	for range 20 {
		hi.arrive(bytes.Clone(forged))
		w.run(time.Millisecond)
	}
	w.until(3*time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
}

// Both ends got as far as message 3: the handshake of the lower ID counts, at
// both ends.
func TestGlareCrossingThirds(t *testing.T) {
	w, lo, hi := pair(t, 35)
	var held []flying
	w.hold = func(to *testNode, frame []byte) { held = append(held, flying{to, bytes.Clone(frame)}) }
	pass := func(to *testNode, kind uint8) {
		t.Helper()
		for i, x := range held {
			if x.to == to && isKind(x.frame, kind) {
				held = append(held[:i], held[i+1:]...)
				to.arrive(x.frame)
				return
			}
		}
		t.Fatalf("no message %d is on its way", kind)
	}
	y := hi.send(lo, "y")
	w.run(time.Millisecond)
	pass(lo, 1) // lo answers
	x := lo.send(hi, "x")
	w.run(time.Millisecond)
	for _, f := range held {
		if f.to == hi && isKind(f.frame, 1) {
			t.Fatal("lo began a handshake at once, want it to wait for the one that it answered")
		}
	}
	w.run(limits.HandshakeCourtesy)
	pass(hi, 1) // hi answers the lower ID
	pass(lo, 2)
	pass(hi, 2)
	pass(lo, 3) // refused
	pass(hi, 3)
	s, r := lo.peerOf(hi).current.Load(), hi.peerOf(lo).current.Load()
	if !s.initiator || s.remote != r.local || s.local != r.remote {
		t.Error("the ends send on different sessions, or on that of the higher ID")
	}
	w.hold = nil
	for _, f := range held {
		f.to.arrive(f.frame)
	}
	w.run(5 * time.Second)
	x.want(t, nil, Delivered)
	y.want(t, nil, Delivered)
	hi.once("x")
	lo.once("y")
}
