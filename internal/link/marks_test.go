package link

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// A flow whose frames all wait longer than limits.MarkWait is marked from
// limits.MarkAfter on, and not before.
func TestStandingQueueIsMarked(t *testing.T) {
	for _, c := range []struct {
		name   string
		waited time.Duration
		lasts  time.Duration
		want   bool
	}{
		{"51 ms for 201 ms", 51 * time.Millisecond, 201 * time.Millisecond, true},
		{"51 ms for 199 ms", 51 * time.Millisecond, 199 * time.Millisecond, false},
		{"50 ms for a second", 50 * time.Millisecond, time.Second, false},
	} {
		var s standing
		s.left(0, c.waited)
		if got := s.left(c.lasts, c.waited); got != c.want {
			t.Errorf("%s: got marked %v, want %v", c.name, got, c.want)
		}
	}
}

// One frame that did not wait begins it all anew.
func TestFrameThatDidNotWaitEndsAStandingQueue(t *testing.T) {
	var s standing
	long := limits.MarkWait + 1
	s.left(0, long)
	s.left(limits.MarkAfter-1, limits.MarkWait)
	if s.left(limits.MarkAfter, long) {
		t.Error("got a mark 1 ns after a frame that did not wait")
	}
}

// flood counts the frames of a flow and those that are marked while more is given than
// the line takes.
func flood(l *slowLink, d time.Duration, src uint64, class wire.Class, n int) (left, marked int) {
	for end := l.now + d; l.now < end; {
		for l.give1(src, class, 1, 2, n) == Queued {
		}
		for _, f := range l.flush() {
			left++
			if isMarked(f) {
				marked++
			}
		}
	}
	return left, marked
}

func TestOnlyMessagesOfOthersAreMarked(t *testing.T) {
	for _, c := range []struct {
		name  string
		src   uint64
		class wire.Class
		want  bool
	}{
		{"a message of another", 7, wire.ClassInteractive, true},
		{"an own message", Self, wire.ClassInteractive, false},
		{"a message that comes back", Returned, wire.ClassInteractive, false},
		{"control", 7, wire.ClassControl, false},
		{"an ack", 7, wire.ClassAck, false},
		{"a datagram", 7, wire.ClassBulk, false},
	} {
		l := newSlow(t, mbit)
		left, marked := flood(l, 2*time.Second, c.src, c.class, 1_000)
		if left < 200 || (marked > 0) != c.want {
			t.Errorf("%s: got %d of %d marked, want some: %v", c.name, marked, left, c.want)
		}
	}
}

// A frame that only queues as a message, because its class had used up its rate, is
// not marked: elsewhere it would be malformed.
func TestDemotedFrameIsNotMarked(t *testing.T) {
	l := newSlow(t, mbit)
	for l.AppendFrame(7, wire.ClassInteractive, dataFrame(wire.ClassControl, 1, 2, 1_000)) == Queued {
	}
	l.run(time.Second, func(f []byte) {
		if isMarked(f) {
			t.Fatal("a frame of class 0 is marked")
		}
	})
}

// A burst that drains within limits.MarkAfter marks nothing, nor does a lone large
// frame, however long it takes.
func TestBurstIsNotMarked(t *testing.T) {
	l := newSlow(t, mbit)
	for range 24 { // 192 ms of the line
		l.give1(7, wire.ClassInteractive, 1, 2, 1_000)
	}
	marked := 0
	count := func(f []byte) {
		if isMarked(f) {
			marked++
		}
	}
	l.run(time.Second, count)
	l.give1(8, wire.ClassInteractive, 3, 2, 30_000)
	l.run(5*time.Second, count)
	if marked > 0 {
		t.Errorf("got %d frames marked, want none", marked)
	}
}

// Only the flow that stands is marked.
func TestLightFlowBesideAFloodIsNotMarked(t *testing.T) {
	l := newSlow(t, mbit)
	next := time.Duration(0)
	marked := make(map[int]int)
	for l.now < 10*time.Second {
		for l.give1(7, wire.ClassInteractive, 1, 2, 8_000) == Queued {
		}
		if l.now >= next {
			next += 50 * time.Millisecond
			l.give1(8, wire.ClassInteractive, 3, 2, 500)
		}
		for _, f := range l.flush() {
			if isMarked(f) {
				marked[numberOf(wire.FrameSrc(f))]++
			}
		}
	}
	if marked[1] < 50 || marked[3] > 0 {
		t.Errorf("marked: got %d of the flood and %d of the light flow, want many and none", marked[1], marked[3])
	}
}

// Not even where this node's own messages to many wait for each other.
func TestOwnMessagesToManyAreNotMarked(t *testing.T) {
	l := newSlow(t, mbit)
	longest := 0
	for l.now < 3*time.Second {
		for to := range 40 {
			l.give1(Self, wire.ClassInteractive, 1, 10+to, 1_000)
		}
		longest = max(longest, l.queue.bytes)
		for _, f := range l.flush() {
			if isMarked(f) {
				t.Fatal("an own frame is marked")
			}
		}
	}
	if longest < mbit/5 {
		t.Errorf("got %d bytes waiting, want a standing queue", longest)
	}
}
