package session

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
)

func TestInboxWindow(t *testing.T) {
	b := &inbox{base: 100}
	for _, step := range []struct {
		name string
		id   uint64
		want verdict
	}{
		{"below", 99, isOld}, {"first", 100, isNew}, {"last", 100 + limits.MessageWindow - 1, isNew},
		{"beyond", 100 + limits.MessageWindow, isFar}, {"far beyond", 1 << 60, isFar},
	} {
		if got, _ := b.look(step.id); got != step.want {
			t.Errorf("%s: got %d, want %d", step.name, got, step.want)
		}
	}
	b.decide(101, reason.None)
	b.decide(102, reason.NoHandler)
	b.decide(100+limits.MessageWindow-1, reason.None)
	b.decide(50, reason.None)
	b.decide(1<<60, reason.None)
	if got, _ := b.look(101); got != isSeen {
		t.Errorf("accepted: got %d", got)
	}
	if got, why := b.look(102); got != isRefused || why != reason.NoHandler {
		t.Errorf("refused: got %d, %v", got, why)
	}
	if n := 64 * len(b.seen); n != limits.MessageWindow {
		t.Errorf("bits: got %d, want %d", n, limits.MessageWindow)
	}
	b.advance(103)
	for id := uint64(103); id < 103+limits.MessageWindow; id++ {
		if got, _ := b.look(id); got != isNew && id != 100+limits.MessageWindow-1 {
			t.Fatalf("id %d after the window moved: got %d", id, got)
		}
	}
	b.advance(1 << 50)
	if got, _ := b.look(1<<50 + 5); got != isNew {
		t.Errorf("after a jump: got %d", got)
	}
	b.advance(3)
	if b.base != 1<<50 {
		t.Error("the window moved back")
	}
}

func TestAckListIsBounded(t *testing.T) {
	var l ackList
	for i := range uint64(limits.AckRanges) {
		if !l.add(10 * i) {
			t.Fatalf("range %d: no room", i)
		}
	}
	if l.add(1000) {
		t.Error("one more range: got room")
	}
	for _, id := range []uint64{1, 11, 9, 0, 150} { // next to a range, or in it
		if !l.add(id) {
			t.Errorf("id %d: no room", id)
		}
	}
	if l.n != limits.AckRanges {
		t.Errorf("ranges: got %d", l.n)
	}
}

// Many holes make many ranges: what does not fit one ack goes into the next.
func TestAckManyRanges(t *testing.T) {
	w, a, b := pair(t, 65)
	w.connect(a, b)
	n := 0
	w.tamper = func(to *testNode, frame []byte) bool {
		if to == b && isMessage(frame) {
			n++
			return n%2 == 0 || n > 200
		}
		return true
	}
	var all []*outcome
	for i := range 200 {
		all = append(all, a.send(b, text(i)))
	}
	w.run(100 * time.Millisecond)
	acked := 0
	for _, o := range all {
		acked += o.calls
	}
	if acked < 100 {
		t.Errorf("acked at once: got %d, want the 100 that arrived", acked)
	}
	w.run(5 * time.Second)
	for _, o := range all {
		o.want(t, nil, Delivered)
	}
	b.once(texts(200)...)
}
