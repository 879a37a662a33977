package session

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// Copies that left for the earlier start of a receiver may have been delivered
// there: they end as Unknown. What never left goes on.
func TestReceiverRestartedBeforeDelivery(t *testing.T) {
	for _, who := range []string{"the sender begins", "the receiver begins"} {
		t.Run(who, func(t *testing.T) {
			w, a, b := pair(t, 7)
			w.connect(a, b)
			w.cut = func(from, to *testNode) bool { return true }
			left := a.send(b, "left")
			p := a.peerOf(b)
			p.mu.Lock()
			p.out.stalled = a.t.at(w.now) + 10*time.Second // as after a full queue
			p.mu.Unlock()
			never := a.send(b, "never left")
			w.run(10 * time.Millisecond)
			b.restart()
			w.cut = nil
			if who == "the receiver begins" {
				b.send(a, "I am back")
			} else {
				a.datagram(b, "provokes a hint")
			}
			w.until(30*time.Second, func() bool { return left.calls == 1 })
			left.want(t, reason.PeerRestarted, Unknown)
			b.once()
			w.until(30*time.Second, func() bool { return never.calls == 1 })
			never.want(t, nil, Delivered)
			b.once("never left")
			after := a.send(b, "after")
			w.run(time.Second)
			after.want(t, nil, Delivered)
		})
	}
}

func TestReceiverRestartedAfterDelivery(t *testing.T) {
	w, a, b := pair(t, 8)
	w.connect(a, b)
	w.tamper = func(to *testNode, frame []byte) bool { return !(to == a && isAck(frame)) }
	o := a.send(b, "once")
	w.run(100 * time.Millisecond)
	b.once("once")
	b.restart()
	w.tamper = nil
	w.until(30*time.Second, func() bool { return o.calls == 1 })
	o.want(t, reason.PeerRestarted, Unknown)
	w.run(time.Minute)
	b.once("once")
	after := a.send(b, "after")
	w.run(time.Second)
	after.want(t, nil, Delivered)
	b.once("once", "after")
}

// A request that was acked ends when its answerer restarts: nobody will answer it.
func TestRequestAnswererRestarted(t *testing.T) {
	w, a, b := pair(t, 8)
	o := a.request(b, "question")
	w.run(time.Second)
	if o.calls != 0 {
		t.Fatalf("a request ended without response: %+v", o.Result)
	}
	b.restart()
	a.send(b, "x")
	w.until(10*time.Second, func() bool { return o.calls == 1 })
	o.want(t, reason.PeerRestarted, Delivered)
}

// A receiver that lost its window without restarting says so in its handshake.
func TestReceiverForgotWindow(t *testing.T) {
	w, a, b := pair(t, 9)
	w.connect(a, b)
	w.tamper = func(to *testNode, frame []byte) bool { return !(to == a && isAck(frame)) }
	o := a.send(b, "once")
	w.run(100 * time.Millisecond)
	b.once("once")
	b.forget(a)
	w.tamper = nil
	w.until(30*time.Second, func() bool { return o.calls == 1 })
	o.want(t, reason.PeerRestarted, Unknown)
	w.run(10 * time.Second)
	after := a.send(b, "after")
	w.run(time.Second)
	after.want(t, nil, Delivered)
	b.once("once", "after")
}

// The window may also go between the promise in message 2 and message 3: then
// the handshake must not stand.
func TestWindowForgottenDuringHandshake(t *testing.T) {
	w, a, b := pair(t, 10)
	w.connect(a, b)
	w.tamper = func(to *testNode, frame []byte) bool { return !(to == a && isAck(frame)) }
	o := a.send(b, "once")
	w.run(100 * time.Millisecond)
	b.once("once")
	p := a.peerOf(b)
	old := p.current.Load()
	w.tamper = func(to *testNode, frame []byte) bool {
		if wire.FrameType(frame) == wire.TypeHandshake && frameKind(frame) == wire.HandshakeThird && b.t.find(&a.self) != nil {
			b.forget(a)
		}
		return !(to == a && isAck(frame)) || p.current.Load() != old
	}
	p.mu.Lock()
	p.renewAt = p.table.at(w.now)
	p.arm(p.renewAt)
	p.mu.Unlock()
	w.until(5*time.Second, func() bool { return b.drops.Get(reason.HandshakeFailed) > 0 })
	w.tamper = nil
	w.until(2*time.Minute, func() bool { return o.calls == 1 })
	o.want(t, reason.PeerRestarted, Unknown)
	b.once("once")
}

// A response to a request of an earlier start never fits one of the present start.
func TestResponseAfterRestart(t *testing.T) {
	w, a, b := pair(t, 14)
	var ids []uint64
	b.deliver = func(d *Delivery) reason.Reason { ids = append(ids, d.MessageID); return reason.None }
	a.request(b, "old")
	w.run(time.Second)
	a.restart()
	fresh := a.request(b, "new")
	w.run(2 * time.Second)
	late := b.sendMessage(Message{To: a.self, Kind: wire.PlainResponse, RequestID: ids[0], Data: []byte("to the old")})
	w.run(time.Second)
	late.want(t, reason.Unsolicited, Undelivered)
	if fresh.calls != 0 {
		t.Errorf("the new request ended: %+v", fresh.Result)
	}
	b.sendMessage(Message{To: a.self, Kind: wire.PlainResponse, RequestID: ids[1], Data: []byte("to the new")})
	w.run(time.Second)
	fresh.want(t, nil, Delivered)
	if string(fresh.Response) != "to the new" {
		t.Errorf("response: got %q", fresh.Response)
	}
}

// A node that lost its window and began anew may not claim, in another
// handshake, to hold the window, before the peer has heard that it was lost.
func TestNewWindowIsNotTakenForTheLostOne(t *testing.T) {
	for name, gap := range map[string]time.Duration{"soon": 100 * time.Millisecond, "later": limits.HandshakeGlare + time.Second} {
		t.Run(name, func(t *testing.T) {
			w, lo, hi := pair(t, 9)
			w.connect(hi, lo)
			w.tamper = func(to *testNode, frame []byte) bool { return !(to == hi && isAck(frame)) }
			o := hi.send(lo, "once")
			w.run(100 * time.Millisecond)
			lo.once("once")
			lo.forget(hi)
			w.noHints = true
			w.tamper = func(to *testNode, frame []byte) bool { return !(to == hi && isKind(frame, wire.HandshakeThird)) }
			lo.send(hi, "x") // message 3 of this one never gets through
			w.run(gap)
			p := hi.peerOf(lo)
			p.mu.Lock()
			p.wanted = hi.t.at(w.now) + 30*time.Second
			p.arm(hi.t.at(w.now))
			p.mu.Unlock()
			w.until(time.Minute, func() bool { return o.calls == 1 })
			o.want(t, reason.PeerRestarted, Unknown)
			w.tamper = nil
			w.run(time.Minute)
			lo.once("once")
		})
	}
}
