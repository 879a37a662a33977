package session

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// amply is more than what is at hand takes once it has left, and less than any pause.
const amply = 100 * time.Millisecond

// After 20 s without a network all that is under way leaves at once, and arrives once.
func TestReviveAfterACut(t *testing.T) {
	w, a, b := pair(t, 21)
	w.connect(a, b)
	w.cut = func(*testNode, *testNode) bool { return true }
	var all []*outcome
	for i := range 20 {
		all = append(all, a.send(b, text(i)))
		w.run(time.Second)
	}
	w.cut = nil
	a.t.Revive(w.now)
	w.run(amply)
	var want []string
	for i, o := range all {
		o.want(t, nil, Delivered)
		want = append(want, text(i))
	}
	b.once(want...)
}

// The same of what waits for a link: its pause is over.
func TestReviveWhatFoundNoLink(t *testing.T) {
	w, a, b := pair(t, 22)
	w.connect(a, b)
	a.full = true
	o := a.send(b, "x")
	w.run(20 * time.Second)
	a.full = false
	if at := a.peerOf(b).out.stalled; at == 0 {
		t.Fatal("no link, and no pause")
	}
	a.t.Revive(w.now)
	w.run(amply)
	o.want(t, nil, Delivered)
}

// The same of a handshake.
func TestReviveAHandshake(t *testing.T) {
	w, a, b := pair(t, 23)
	w.cut = func(*testNode, *testNode) bool { return true }
	o := a.send(b, "x")
	w.run(20 * time.Second)
	w.cut = nil
	a.t.Revive(w.now)
	w.run(amply)
	o.want(t, nil, Delivered)
}

// A peer that tells of homes may have been away: what was late before leaves again at
// once, and what is not late does not.
func TestPeerThatComesBackIsSentWhatWasLate(t *testing.T) {
	w, a, b := pair(t, 24)
	b.homes = []wire.ID{{1}}
	w.connect(a, b)
	w.cut = func(_, to *testNode) bool { return to == b }
	late := a.send(b, "late")
	w.run(20 * time.Second)
	fresh := a.send(b, "fresh")
	w.cut = nil
	b.homes = []wire.ID{{2}}
	b.t.HomesChanged(w.now)
	w.run(amply)
	late.want(t, nil, Delivered)
	if fresh.calls != 0 {
		t.Error("what was lost a moment ago left again at once")
	}
	w.run(2 * time.Second)
	fresh.want(t, nil, Delivered)
	b.once("late", "fresh")
}

// Who tells of homes all the time is not sent what is late each time.
func TestPeerThatTellsOfHomesAllTheTime(t *testing.T) {
	w, a, b := pair(t, 25)
	w.connect(a, b)
	copies := 0
	w.tap = func(from *testNode, frame []byte) {
		if from == a && isMessage(frame) {
			copies++
		}
	}
	w.tamper = func(to *testNode, frame []byte) bool { return !isMessage(frame) || to == a }
	a.send(b, "x")
	w.run(20 * time.Second)
	copies = 0
	for i := range 400 {
		b.homes = []wire.ID{{byte(i), byte(i >> 8), 1}}
		b.t.HomesChanged(w.now)
		w.run(50 * time.Millisecond)
	}
	if most := 2 * int(20*time.Second/limits.ReviveGap); copies == 0 || copies > 2*most {
		t.Errorf("%d copies of a message in 20 s of 400 words of homes, want at most %d", copies, 2*most)
	}
}
