package session

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

func TestSendFirst(t *testing.T) {
	w, a, b := pair(t, 1)
	o := a.send(b, "one")
	w.until(time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
	b.once("one")
	if got := b.got[0]; got.hops != 3 || got.from != a.self || got.port != 7 {
		t.Errorf("delivery: got %+v, want 3 hops from %x to port 7", got, a.self[:4])
	}
	// m1, m2, m3 and the first message behind it, ack: two round trips.
	if took := o.at.Sub(a.born); took > 45*time.Millisecond {
		t.Errorf("first message: took %v, want two round trips of 20ms", took)
	}
	for _, n := range []*testNode{a, b} {
		if len(n.events) != 1 || n.events[0].Kind != SessionUp || n.events[0].Capabilities != wire.CapDatagram {
			t.Errorf("events: got %+v, want one SessionUp", n.events)
		}
	}
}

func TestDatagramFirst(t *testing.T) {
	w, a, b := pair(t, 1)
	if err := a.datagram(b, "one"); err != nil {
		t.Fatal(err)
	}
	w.run(time.Second)
	if err := a.datagram(b, "two"); err != nil {
		t.Fatal(err)
	}
	if err := b.datagram(a, "three"); err != nil {
		t.Fatal(err)
	}
	w.run(time.Second)
	b.once("one", "two")
	a.once("three")
}

func TestRequestResponse(t *testing.T) {
	w, a, b := pair(t, 1)
	b.deliver = func(d *Delivery) reason.Reason {
		if d.Kind == wire.PlainRequest {
			b.sendMessage(Message{To: d.From, Kind: wire.PlainResponse, RequestID: d.MessageID, Data: []byte("re: " + string(d.Data))})
		}
		return reason.None
	}
	o := a.request(b, "question")
	w.until(time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
	if string(o.Response) != "re: question" || o.ResponseHops != 3 {
		t.Errorf("response: got %q over %d hops", o.Response, o.ResponseHops)
	}
	w.run(time.Second)
	b.once("question")
	a.once()
}
