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
