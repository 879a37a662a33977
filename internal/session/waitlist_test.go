package session

import (
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

func TestWaitlistKeepsTheOrder(t *testing.T) {
	var w waitlist
	all := []*peer{{}, {}, {}, {}}
	one, two := wire.ID{1}, wire.ID{2}
	for _, p := range all {
		w.join(p, one, 1)
	}
	w.join(all[0], one, 2) // it keeps its place
	want := func(hop wire.ID, places ...*peer) {
		t.Helper()
		if got := w.wake(hop, 3, 10); !slices.Equal(got, places) {
			t.Errorf("got %d who wait, want %d in their order", len(got), len(places))
		}
	}
	want(one, all...)
	if got := w.wake(one, 3, 2); len(got) != 2 {
		t.Errorf("two at most: got %d", len(got))
	}
	w.join(all[1], two, 3) // it waits for one link alone
	want(one, all[0], all[2], all[3])
	want(two, all[1])
	w.leave(all[0])
	w.leave(all[0])
	w.leave(all[3])
	want(one, all[2])
	w.leave(all[2])
	w.leave(all[1])
	want(one)
	if len(w.byHop) != 0 {
		t.Errorf("got %d lines for nobody", len(w.byHop))
	}
}

// Only the first may try unasked, and only where nothing was heard of the link for long.
func TestWaitlistOverdue(t *testing.T) {
	var w waitlist
	first, second, none := &peer{}, &peer{}, &peer{}
	w.join(first, wire.ID{1}, time.Second)
	w.join(second, wire.ID{1}, time.Second)
	late := time.Second + limits.MessageStallMax
	for _, tt := range []struct {
		name string
		p    *peer
		at   time.Duration
		want bool
	}{{"the first", first, late, true}, {"too early", first, late - 1, false}, {"the second", second, late, false}, {"who does not wait", none, 1, true}} {
		if got := w.overdue(tt.p, tt.at); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	w.wake(wire.ID{1}, late, 1)
	if w.overdue(first, late+1) {
		t.Error("the link has just told")
	}
}

// A full link that never tells of room is tried again, and a message waits for it
// rather than going by another first hop.
func TestFullLinkIsWaitedFor(t *testing.T) {
	w, a, b := pair(t, 720)
	w.connect(a, b)
	full, hops := true, map[wire.ID]int{}
	emit := a.t.cfg.Emit
	a.t.cfg.Emit = func(frame []byte, c Choice) (wire.ID, bool) {
		if full && isMessage(frame) && w.choose(c) == 0 {
			hops[hopID(0)]++
			return hopID(0), false
		}
		hop, ok := emit(frame, c)
		if isMessage(frame) {
			hops[hop]++
		}
		return hop, ok
	}
	o := a.send(b, "x")
	w.run(time.Second)
	if o.calls != 0 || len(hops) != 1 || hops[hopID(0)] < 2 || hops[hopID(0)] > 6 {
		t.Errorf("got %d results, tries by hop %v, want a few by the first", o.calls, hops)
	}
	full = false
	a.t.Room(w.now, hopID(0))
	w.run(50 * time.Millisecond)
	o.want(t, nil, Delivered)
	if len(a.t.waits.byHop) != 0 {
		t.Error("somebody still waits")
	}
}

// The entry of a peer that goes leaves no place behind.
func TestWaitlistForgetsPeers(t *testing.T) {
	w, a, b := pair(t, 721)
	w.connect(a, b)
	a.t.cfg.Emit = func([]byte, Choice) (wire.ID, bool) { return hopID(0), false }
	a.send(b, "x")
	if len(a.t.waits.byHop) != 1 {
		t.Fatal("nobody waits")
	}
	a.forget(b)
	if len(a.t.waits.byHop) != 0 {
		t.Error("a peer that is gone waits")
	}
	a.t.Room(w.now, hopID(0))
}
