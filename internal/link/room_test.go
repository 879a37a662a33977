package link

import (
	"testing"

	"github.com/peermesh/peermesh/internal/budget"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// roomy is a driven end that counts how often it is told of room.
func roomy(rooms *int) *drivenEnd {
	d := newDriven(drivenStart)
	d.link.OnRoom = func() { *rooms++ }
	return d
}

// Who was refused is told of room once, when there is some; who was not is told
// nothing.
func TestRefusedOwnFramesAreToldOfRoom(t *testing.T) {
	rooms := 0
	d := roomy(&rooms)
	frame := testFrame(wire.ClassInteractive, 10_000, 1)[wire.BatchHeader:]
	d.link.AppendFrame(Self, wire.ClassInteractive, frame)
	d.link.Pump(drivenStart)
	if rooms != 0 {
		t.Fatalf("nothing was refused: got told of room %d times", rooms)
	}
	for d.link.AppendFrame(Self, wire.ClassInteractive, frame) == Queued {
	}
	if rooms != 0 {
		t.Fatalf("nothing has left: got told of room %d times", rooms)
	}
	d.link.Pump(drivenStart)
	if rooms != 1 {
		t.Errorf("all has left: got told of room %d times, want once", rooms)
	}
	if a := d.link.AppendFrame(Self, wire.ClassInteractive, frame); a != Queued {
		t.Errorf("after that: got %v, want %v", a, Queued)
	}
}

// Datagrams, and frames of others, are waited for by those who send them.
func TestOthersAreNotToldOfRoom(t *testing.T) {
	rooms := 0
	d := roomy(&rooms)
	for src, class := range map[uint64]wire.Class{Self: wire.ClassBulk, 1: wire.ClassInteractive} {
		for d.link.AppendFrame(src, class, testFrame(class, 10_000, 1)[wire.BatchHeader:]) == Queued {
		}
	}
	d.link.Pump(drivenStart)
	if rooms != 0 {
		t.Errorf("got told of room %d times, want never", rooms)
	}
}

// A frame that was refused because the link holds its part of the node's memory may
// be appended again once the link holds less.
func TestCrowdedOwnFramesAreToldOfRoom(t *testing.T) {
	rooms := 0
	d := roomy(&rooms)
	d.link.account = budget.New(4 * limits.LinkQueue).Open()
	a := Queued
	for a == Queued {
		a = d.link.AppendFrame(Self, wire.ClassInteractive, testFrame(wire.ClassInteractive, 10_000, 1)[wire.BatchHeader:])
	}
	if a != Crowded {
		t.Fatalf("got %v, want %v", a, Crowded)
	}
	d.link.Pump(drivenStart)
	if d.link.OnAck(drivenStart, d.link.allTaken()); rooms != 1 {
		t.Errorf("got told of room %d times, want once", rooms)
	}
}

// Of this node's own messages one waits in each flow of a slow link, or what leaves
// within limits.OwnQueueTime; who was refused is told as soon as there is room in the
// flow, and not before.
func TestOwnMessagesWaitWhereTheyCameFrom(t *testing.T) {
	for _, c := range []struct{ bps, size, want int }{
		{mbit / 16, 1_000, 1}, {mbit / 16, 60_000, 1}, {mbit, 1_000, 6}, {8 * mbit, 1_000, 49},
	} {
		l := newSlow(t, c.bps)
		n := 0
		for l.give1(Self, wire.ClassInteractive, 1, 2, c.size) == Queued {
			n++
		}
		if n != c.want {
			t.Errorf("%d bytes/s, frames of %d bytes: got %d waiting, want %d", c.bps, c.size, n, c.want)
		}
		if a := l.give1(Self, wire.ClassInteractive, 1, 3, 1_000); a != Queued && c.size < 60_000 {
			t.Errorf("another flow: got %v, want %v", a, Queued)
		}
		if l.rooms > 0 {
			t.Errorf("told of room before there was any")
		}
		for i := 0; l.rooms == 0 && i < 100; i++ {
			l.flush()
		}
		if a := l.give1(Self, wire.ClassInteractive, 1, 2, c.size); l.rooms != 1 || a != Queued {
			t.Errorf("told of room %d times, then %v", l.rooms, a)
		}
	}
}

// What waits of others, and of own messages, keeps no own control frame and no ack
// from being queued.
func TestOwnControlIsNotStarved(t *testing.T) {
	l := newSlow(t, mbit/16)
	for i := range 1_000 {
		l.give1(Self, wire.ClassInteractive, 1, i, 1_000)
		l.give1(uint64(1+i%10), wire.ClassInteractive, 100+i, i, 60_000)
	}
	for i := range 20 {
		for _, class := range []wire.Class{wire.ClassControl, wire.ClassAck} {
			if a := l.give1(Self, class, 1, i, 200); a != Queued {
				t.Fatalf("class %v, frame %d: got %v, want %v", class, i, a, Queued)
			}
		}
	}
	left := 0
	for l.queue.urgent > 0 {
		for _, f := range l.flush() {
			left += len(f)
		}
	}
	if most := 10 * 60_200; left > most {
		t.Errorf("they left within %d bytes, want before the rest", left)
	}
	n := 0
	for ; l.give1(Self, wire.ClassControl, 1, n, 200) == Queued; n++ {
	}
	if most := (limits.OwnUrgent + limits.SlowQueueMin + limits.LightFlows) / 200; n > most {
		t.Errorf("got %d of them waiting, want at most %d", n, most)
	}
}

// An ingress that waited in vain on a slow link still gets in what is of a flow with
// little waiting.
func TestStalledIngressLetsLightFlowsIn(t *testing.T) {
	l := newSlow(t, mbit)
	for l.give1(7, wire.ClassInteractive, 1, 2, 1_000) == Queued {
	}
	l.MarkStalled(7)
	if a := l.give1(7, wire.ClassInteractive, 1, 2, 1_000); a != Stalled {
		t.Errorf("the flood: got %v, want %v", a, Stalled)
	}
	light := 0
	for i := 0; l.give1(7, wire.ClassInteractive, 10+i, 2, 500) == Queued; i++ {
		light += 500
	}
	if light < limits.LightFlows/2 || light > limits.LightFlows {
		t.Errorf("others: got %d bytes in, want up to %d", light, limits.LightFlows)
	}
}

// One frame longer than all the room leaves room for a light flow while it waits, and
// not for any number of others.
func TestFrameLongerThanTheRoomLeavesSome(t *testing.T) {
	l := newSlow(t, mbit/2)
	if a := l.give1(7, wire.ClassInteractive, 1, 2, 60_000); a != Queued {
		t.Fatalf("got %v, want %v", a, Queued)
	}
	for i := range 20 { // 20/s, while it leaves
		if a := l.give1(8, wire.ClassInteractive, 3, 2, 500); a != Queued {
			t.Fatalf("frame %d of a light flow: got %v, want %v", i, a, Queued)
		}
	}
	for src := range uint64(40) {
		for l.give1(100+src, wire.ClassInteractive, 100+int(src), 2, 1_000) == Queued {
		}
	}
	if most := mbit/4 + limits.MaxFrame + limits.SlowQueueMin + 40*(limits.FlowQuantum+limits.FlowQuantum); l.queue.bytes > most {
		t.Errorf("got %d bytes waiting, want at most %d", l.queue.bytes, most)
	}
}
