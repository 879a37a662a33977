package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

func TestHomes(t *testing.T) {
	w, a, b := pair(t, 55)
	a.homes = []wire.ID{{1}, {2}}
	w.connect(a, b)
	if got := b.peerOf(a).route.Load().homes; len(got) != 2 || got[0] != (wire.ID{1}) {
		t.Fatalf("homes after the handshake: got %v", got)
	}
	var points [][]byte
	w.tap = func(from *testNode, frame []byte) {
		if f, _ := wire.ParseFrame(frame); from == b && isMessage(frame) {
			points = append(points, bytes.Clone(f.Waypoints))
			if f.Detour == nil || len(f.Detour) != 0 {
				t.Errorf("detour of a message: got %v, want an empty list", f.Detour)
			}
		}
	}
	w.tamper = func(to *testNode, frame []byte) bool { return !isMessage(frame) }
	b.send(a, "x")
	w.run(4 * time.Second)
	for k, want := range []wire.ID{{1}, {2}, {}, {1}} {
		if got := points[k]; want == (wire.ID{}) && got != nil || want != (wire.ID{}) && !bytes.Equal(got, want[:]) {
			t.Errorf("copy %d: got waypoints %x, want %x", k, got, want)
		}
	}
	w.tamper, w.tap = nil, nil
	w.run(10 * time.Second)

	frame, ok := b.t.AppendDatagram(nil, w.now, a.self, 1, 1, wire.ClassBulk, nil)
	if f, err := wire.ParseFrame(frame); !ok || err != nil || f.Detour != nil || !bytes.Equal(f.Waypoints, a.homes[0][:]) {
		t.Errorf("datagram: got %+v, %v", f, err)
	}
	// New homes are told, and the newest win.
	a.homes = []wire.ID{{3}}
	a.t.HomesChanged(w.now)
	a.homes = []wire.ID{{4}, {5}}
	a.t.HomesChanged(w.now)
	w.run(time.Second)
	if got := b.peerOf(a).route.Load().homes; len(got) != 2 || got[0] != (wire.ID{4}) {
		t.Errorf("homes after the change: got %v", got)
	}
	last := b.events[len(b.events)-1]
	if last.Kind != HomesChanged || len(last.Homes) != 2 {
		t.Errorf("events: got %+v, want HomesChanged last", b.events)
	}
	if got := a.peerOf(b).awaited.Load(); got != 0 {
		t.Errorf("messages that wait: got %d, want 0", got)
	}
	// Who was not talked to lately is not told.
	w.run(limits.HomesTold + time.Second)
	before := a.emitted[0]
	a.t.HomesChanged(w.now)
	if got := a.emitted[0]; got != before {
		t.Errorf("told after %v: got %d frames", limits.HomesTold, got-before)
	}
}

// Older homes that come late do not replace newer ones.
func TestHomesOutOfOrder(t *testing.T) {
	w, a, b := pair(t, 57)
	w.connect(a, b)
	var late []byte
	w.tamper = func(to *testNode, frame []byte) bool {
		if to == b && isMessage(frame) && late == nil {
			late = bytes.Clone(frame)
			return false
		}
		return true
	}
	for _, home := range []wire.ID{{1}, {2}} {
		a.homes = []wire.ID{home}
		a.peerOf(b).told = nil // as an implementation does that lets the older one go on
		a.t.HomesChanged(w.now)
		w.run(time.Millisecond)
	}
	w.run(100 * time.Millisecond)
	b.data(late)
	w.run(time.Second)
	if got := b.peerOf(a).route.Load().homes; len(got) != 1 || got[0] != (wire.ID{2}) {
		t.Errorf("homes: got %v, want the newer", got)
	}
}
