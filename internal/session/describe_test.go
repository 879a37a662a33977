package session

import (
	"testing"
	"time"
)

func TestDescribe(t *testing.T) {
	w, a, b := pair(t, 1)
	o := a.send(b, "one")
	w.run(time.Millisecond)
	if got := a.t.Describe(w.now, 9); len(got) != 1 || got[0].State != StateOpening || got[0].Peer != b.self || got[0].Age != 0 || got[0].Waiting != 1 {
		t.Errorf("at first: got %+v, want one that opens, and one message that waits", got)
	}
	w.until(time.Second, func() bool { return o.calls == 1 })
	w.run(10 * time.Second)
	got := a.t.Describe(w.now, 9)
	if len(got) != 1 || got[0].State != StateUp || !got[0].Initiator || got[0].Age < 9*time.Second || got[0].Idle < 9*time.Second || got[0].RTT == 0 || got[0].Waiting != 0 {
		t.Errorf("ten seconds later: got %+v, want one that is up, with its times", got)
	}
	if got := b.t.Describe(w.now, 9); len(got) != 1 || got[0].State != StateUp || got[0].Initiator || got[0].Peer != a.self {
		t.Errorf("the other end: got %+v, want one that it did not begin", got)
	}
	w.nowhere(a)
	a.send(b, "two")
	w.run(10 * time.Second)
	if got := a.t.Describe(w.now, 9); len(got) != 1 || got[0].State != StateAway || got[0].Waiting == 0 {
		t.Errorf("when nobody knows a way: got %+v, want one that is away", got)
	}
	if got := a.t.Describe(w.now, 0); len(got) != 0 {
		t.Errorf("none asked for: got %+v", got)
	}
}
