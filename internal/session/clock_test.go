package session

import (
	"testing"
	"time"
)

// A clock that jumps an hour ahead makes all that was due happen once, and what
// was lost is sent again. After a jump back, which no process sees whose clock is
// monotonic, that waits for its time; by then the receiver may have forgotten the
// session, so that the message ends as unknown. Either way each ends once, is
// delivered at most once, and what is sent from then on arrives.
func TestClockJump(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		w, a, b := pair(t, 5)
		w.connect(a, b)
		w.cut = func(from, to *testNode) bool { return true }
		lost := a.send(b, "lost")
		w.run(10 * time.Millisecond)
		w.cut = nil
		w.now = w.now.Add(jump)
		frames := w.frames
		fresh := a.send(b, "fresh")
		back := b.send(a, "back")
		w.run(4 * time.Second)
		for _, o := range []*outcome{fresh, back} {
			if o.calls != 1 || o.Err != nil {
				t.Errorf("%v: %s: told %d times, %v, want it acked once", jump, o.data, o.calls, o.Err)
			}
		}
		if got := w.frames - frames; got > 60 {
			t.Errorf("%v: %d frames, want no storm", jump, got)
		}
		w.run(time.Hour + time.Minute) // by then every timer of before is due
		acked := lost.Err == nil
		if lost.calls != 1 || !acked && (jump > 0 || lost.Outcome != Unknown) {
			t.Errorf("%v: what was lost: told %d times, %v, %v, want it acked, or unknown after a jump back", jump, lost.calls, lost.Err, lost.Outcome)
		}
		if want := []string{"fresh", "lost"}; acked {
			b.once(want...)
		} else {
			b.once(want[:1]...)
		}
		a.once("back")
	}
}

// Handshakes begin and end whatever the clock does meanwhile.
func TestClockJumpDuringAHandshake(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		w, a, b := pair(t, 6)
		first := a.send(b, "x")
		w.now = w.now.Add(jump)
		second := a.send(b, "y")
		w.run(time.Hour + time.Minute)
		for _, o := range []*outcome{first, second} {
			if o.calls != 1 || o.Err != nil {
				t.Errorf("%v: %s: told %d times, %v, want it acked once", jump, o.data, o.calls, o.Err)
			}
		}
		b.once("x", "y")
	}
}
