package session

import (
	"testing"
	"time"
)

func TestTraffic(t *testing.T) {
	w, a, b := pair(t, 1)
	o := a.send(b, "one")
	w.until(time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
	w.run(time.Second)
	for _, n := range []*testNode{a, b} {
		got := n.t.Traffic(nil)
		if len(got) != 1 || got[0].Messages < 2 || got[0].Bytes < 100 || got[0].Bytes > 1_000 {
			t.Fatalf("got %+v, want one peer with a message and its ack", got)
		}
		if again := n.t.Traffic(got[:0]); len(again) != 0 {
			t.Errorf("got %+v the second time, want none", again)
		}
	}
	before := w.frames
	for range 10 {
		if err := a.datagram(b, "0123456789"); err != nil {
			t.Fatal(err)
		}
	}
	w.run(time.Second)
	sent, came := a.t.Traffic(nil), b.t.Traffic(nil)
	if len(sent) != 1 || len(came) != 1 || sent[0].ID != b.self || came[0].ID != a.self ||
		sent[0].Messages != uint64(w.frames-before) || came[0].Messages != sent[0].Messages || sent[0].Bytes < came[0].Bytes || came[0].Bytes < 10*10 {
		t.Errorf("got %+v sent and %+v received, want ten datagrams", sent, came)
	}
}
