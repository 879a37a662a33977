package session

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// An ack that was lost is repaired by the next one, also when a message between
// them is missing.
func TestLostAckIsRepairedAcrossAGap(t *testing.T) {
	w, a, b := pair(t, 22)
	w.connect(a, b)
	messages, acks := 0, 0
	w.tamper = func(to *testNode, frame []byte) bool {
		if to == b && isMessage(frame) {
			messages++
			return messages != 2
		}
		if to == a && isAck(frame) {
			acks++
			return acks != 1
		}
		return true
	}
	var all []*outcome
	for i := range 3 {
		all = append(all, a.send(b, text(i)))
		w.run(2 * limits.MessageReorder)
	}
	w.run(time.Second)
	for i, want := range []int{1, 2, 1} {
		all[i].want(t, nil, Delivered)
		if all[i].Sent != want {
			t.Errorf("%s: got %d copies, want %d", all[i].data, all[i].Sent, want)
		}
	}
	b.once(texts(3)...)
}

// Whatever was accepted and refused, an ack names accepted ids alone, at most
// limits.AckReach below its newest range, and of these as many as fit.
func TestRemindNamesWhatWasAccepted(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		b := &inbox{base: 1<<40 + rnd.Uint64N(200)}
		top := b.base + 1 + rnd.Uint64N(2*limits.AckReach)
		holes, refusals := rnd.IntN(2)*rnd.IntN(40), rnd.IntN(2)*rnd.IntN(5)
		missing := make(map[uint64]reason.Reason)
		for range holes {
			missing[b.base+rnd.Uint64N(top-b.base)] = reason.None
		}
		for range refusals {
			missing[b.base+rnd.Uint64N(top-b.base)] = reason.NoHandler
		}
		for id := b.base; id <= top; id++ {
			if why, ok := missing[id]; !ok || why != reason.None {
				b.decide(id, why)
			}
		}
		old := b.base + rnd.Uint64N(top-b.base)
		for missing[old] != reason.None || !b.has(old) {
			old++
		}
		checkReminder(t, b, b.remind([]wire.AckRange{{First: old, Count: 1}, {First: top, Count: 1}}), top)
	}
}

// checkReminder compares an ack whose newest id is top with what b holds.
func checkReminder(t *testing.T, b *inbox, ranges []wire.AckRange, top uint64) {
	t.Helper()
	if len(ranges) > limits.AckRanges {
		t.Fatalf("ranges: got %d, want at most %d", len(ranges), limits.AckRanges)
	}
	lowest := top
	for i, r := range ranges {
		for id := r.First; id < r.First+uint64(r.Count); id++ {
			if v, _ := b.look(id); v != isSeen {
				t.Fatalf("id %d: named, got verdict %d", id-b.base, v)
			}
		}
		if i > 0 {
			lowest = min(lowest, r.First)
		}
		if i > 0 && r.First+limits.AckReach < top {
			t.Fatalf("id %d: named, %d below the newest", r.First-b.base, top-r.First)
		}
	}
	floor := max(b.base, top-min(top, limits.AckReach))
	if len(ranges) == limits.AckRanges {
		floor = lowest // no room for more
	}
	for id := floor; id < top; id++ {
		if v, _ := b.look(id); v == isSeen && !named(ranges, id) {
			t.Fatalf("id %d: accepted and not named", id-b.base)
		}
	}
}

// The oldest and the newest window that there can be are looked at within bounds.
func TestRunDownAtTheEnds(t *testing.T) {
	b := &inbox{}
	if got := b.runDown(5, 0, true); got != 5 {
		t.Errorf("nothing decided: got %d, want 5", got)
	}
	for id := range uint64(limits.MessageWindow) {
		b.decide(id, reason.None)
	}
	if got := b.runDown(limits.MessageWindow, 0, true); got != 0 {
		t.Errorf("all accepted: got %d, want 0", got)
	}
	if got := b.runDown(limits.MessageWindow, 0, false); got != limits.MessageWindow {
		t.Errorf("none missing: got %d, want %d", got, limits.MessageWindow)
	}
}
