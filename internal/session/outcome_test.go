package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// An ID that was never reached, or not for long, ends early, and only where all that
// was answered says so.
func TestSendToNobodyEndsEarly(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(w *world, a, b *testNode)
		other   reason.Reason // what one of the hops says instead
		ends    bool
	}{
		"never reached": {prepare: func(*world, *testNode, *testNode) {}, ends: true},
		"not for long": {prepare: func(w *world, a, b *testNode) {
			w.connect(a, b)
			w.run(limits.ReachedLife + time.Minute)
		}, ends: true},
		"linked long ago": {prepare: func(w *world, a, b *testNode) {
			a.t.Linked(w.now, b.self)
			a.t.Parted(w.now, b.self)
			w.run(limits.ReachedLife + time.Minute)
		}, ends: true},
		"one was busy":    {prepare: func(*world, *testNode, *testNode) {}, other: reason.DetourBudget},
		"one had it once": {prepare: func(*world, *testNode, *testNode) {}, other: reason.Detached},
	} {
		t.Run(name, func(t *testing.T) {
			w, a, b := pair(t, 501)
			w.hops = 5
			tt.prepare(w, a, b)
			w.nowhere(a)
			w.whyBy = func(hop int) reason.Reason {
				if hop == 2 && tt.other != reason.None {
					return tt.other
				}
				return reason.NoRoute
			}
			start := w.now
			o := a.send(b, "x")
			w.run(20 * time.Second)
			if !tt.ends {
				if o.calls != 0 {
					t.Errorf("got %v, want it tried on", o.Err)
				}
				return
			}
			o.want(t, reason.NoRoute, Undelivered)
			if took := o.at.Sub(start); took > limits.NoRouteAfter || o.Sent != 0 || o.Told != 5 || o.Tried != 5 {
				t.Errorf("got %+v after %v, want nothing sent, and 5 of 5 first hops that said so", o.Result, took)
			}
		})
	}
}

// What a relay says of a message that arrived does not make it one that did not: who
// drops the acks may say that it knows no way.
func TestALiarMakesNoDeliveredMessageUndelivered(t *testing.T) {
	w, a, b := pair(t, 505)
	w.connect(a, b)
	w.tap = func(from *testNode, frame []byte) {
		if from == a && isMessage(frame) {
			f := bytes.Clone(frame)
			w.after(30*time.Millisecond, func() { a.hinted(f, reason.NoRoute) })
		}
	}
	w.tamper = func(to *testNode, frame []byte) bool { return to != a }
	o := a.send(b, "x")
	w.run(10 * time.Second)
	if o.calls != 0 {
		t.Fatalf("ended with %v, want it tried on", o.Err)
	}
	b.once("x")
	o.p.Cancel(w.now, errTime)
	o.want(t, errTime, Unknown)
	if o.Last != reason.NoRoute {
		t.Errorf("got %v as what was heard last, want %v", o.Last, reason.NoRoute)
	}
}

// TestOutcomes is what is known of a message that ends without its ack.
func TestOutcomes(t *testing.T) {
	for name, tt := range map[string]struct {
		fresh   bool // without a session, the peer reached a while ago
		request bool
		fault   func(w *world, a, b *testNode)
		later   func(w *world, a, b *testNode)
		err     error
		want    Outcome
	}{
		"never left, no link":      {fault: func(w *world, a, b *testNode) { a.full = true }, err: errTime, want: Undelivered},
		"never left, no session":   {fresh: true, fault: func(w *world, a, b *testNode) { w.nowhere(a) }, err: errTime, want: Undelivered},
		"never left, peer is away": {fault: func(w *world, a, b *testNode) { w.nowhere(a); a.send(b, "first"); w.run(5 * time.Second) }, err: errTime, want: Undelivered},
		"left, all said no-route":  {fault: func(w *world, a, b *testNode) { w.nowhere(a) }, err: errTime, want: Unknown},
		"left, one said no-route": {fault: func(w *world, a, b *testNode) {
			w.noRoute = func(from *testNode, hop int) bool { return from == a && hop == 0 }
			w.dead = func(from *testNode, hop int) bool { return from == a }
		}, err: errTime, want: Unknown},
		"left, unanswered":          {fault: func(w *world, a, b *testNode) { w.silent(a) }, err: errTime, want: Unknown},
		"arrived, ack lost":         {fault: func(w *world, a, b *testNode) { w.silent(b) }, err: errTime, want: Unknown},
		"refused by the peer":       {fault: func(w *world, a, b *testNode) { b.deliver = func(*Delivery) reason.Reason { return reason.NoHandler } }, err: reason.NoHandler, want: Undelivered},
		"no room at the peer":       {fault: func(w *world, a, b *testNode) { b.deliver = func(*Delivery) reason.Reason { return reason.PortFull } }, err: errTime, want: Unknown},
		"acked, no response":        {request: true, fault: func(w *world, a, b *testNode) {}, err: errTime, want: Delivered},
		"acked, peer restarted":     {request: true, fault: func(w *world, a, b *testNode) {}, later: func(w *world, a, b *testNode) { b.restart(); b.send(a, "I am back") }, err: reason.PeerRestarted, want: Delivered},
		"left, peer restarted":      {fault: func(w *world, a, b *testNode) { w.silent(a) }, later: func(w *world, a, b *testNode) { w.heal(); b.restart(); b.send(a, "I am back") }, err: reason.PeerRestarted, want: Unknown},
		"never left, peer restarts": {fault: func(w *world, a, b *testNode) { w.nowhere(a); a.send(b, "first"); w.run(5 * time.Second) }, later: func(w *world, a, b *testNode) { w.heal(); b.restart(); b.send(a, "I am back") }, err: nil, want: Delivered},
		"table closed, never left":  {fault: func(w *world, a, b *testNode) { a.full = true }, later: func(w *world, a, b *testNode) { a.t.Close(w.now) }, err: reason.Closed, want: Undelivered},
		"table closed, left":        {fault: func(w *world, a, b *testNode) { w.silent(a) }, later: func(w *world, a, b *testNode) { a.t.Close(w.now) }, err: reason.Closed, want: Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			w, a, b := pair(t, 506)
			w.connect(a, b)
			if tt.fresh {
				a.forget(b)
			}
			tt.fault(w, a, b)
			kind := uint8(wire.PlainMessage)
			if tt.request {
				kind = wire.PlainRequest
			}
			o := a.sendMessage(Message{To: b.self, Kind: kind, DstPort: 7, Data: []byte("x")})
			w.run(3 * time.Second)
			if tt.later != nil {
				tt.later(w, a, b)
				w.run(3 * time.Second)
			}
			o.p.Cancel(w.now, errTime)
			o.want(t, tt.err, tt.want)
		})
	}
}

// A message 2 that proves nothing stops no search, even while the next copy is due.
func TestAFalseAnswerStopsNoSearch(t *testing.T) {
	w, a, b := pair(t, 508)
	var held []*Job
	forge := true
	w.tamper = func(to *testNode, frame []byte) bool {
		if to == a && forge && isKind(frame, wire.HandshakeSecond) {
			f := bytes.Clone(frame)
			f[len(f)-1] ^= 1
			j, _ := a.t.HandleHandshake(w.now, f, Ingress{Link: 1})
			held = append(held, j)
			return false
		}
		return true
	}
	o := a.send(b, "x")
	w.run(5 * time.Second) // the copies that were due meanwhile are not sent
	if len(held) == 0 || held[0] == nil {
		t.Fatal("no false answer was taken")
	}
	forge = false
	a.jobs(held...)
	w.run(5 * time.Second)
	o.want(t, nil, Delivered)
}

// In a full table no peer goes for another as long as messages of ours wait for it.
func TestNoMessageOfOursMakesRoomForAnother(t *testing.T) {
	c := newCrowd(t, 509)
	c.w.cut = func(_, _ *testNode) bool { return true }
	ended := 0
	send := func(i int) error {
		id := wire.ID{1, byte(i), byte(i >> 8)}
		_, err := c.hub.t.Send(c.w.now, Message{To: id, Kind: wire.PlainMessage, Patient: true}, func(Result) { ended++ })
		return err
	}
	for i := range limits.Sessions {
		if err := send(i); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if err := send(limits.Sessions); err != reason.SessionLimit || ended != 0 {
		t.Errorf("one more: got %v and %d ended, want %v and none", err, ended, reason.SessionLimit)
	}
}

// A datagram that waits for a session with a peer that was there waits its whole time.
func TestADatagramWaitsForAKnownPeer(t *testing.T) {
	w, a, b := pair(t, 511)
	w.connect(a, b)
	a.forget(b)
	w.nowhere(a)
	if err := a.datagram(b, "x"); err != nil {
		t.Fatal(err)
	}
	w.run(limits.DatagramPatience - 1500*time.Millisecond)
	w.heal()
	w.run(1400 * time.Millisecond)
	b.once("x")
}

// When all first hops were tried, all are tried again, not the best one alone.
func TestFirstHopsAreTriedInTurn(t *testing.T) {
	w := newWorld(t, 513)
	w.hops = 3
	b := w.add(nil)
	a, out := searcher(w, isMessage, nil)
	w.connect(a, b)
	for name, fault := range map[string]func(*world, *testNode){"silent": (*world).silent, "nowhere": (*world).nowhere} {
		*out = nil
		fault(w, a)
		o := a.send(b, "x")
		w.run(40 * time.Second)
		o.p.Cancel(w.now, errTime)
		count := map[wire.ID]int{}
		for _, c := range *out {
			count[c.hop]++
		}
		for hop, n := range count {
			if n < len(*out)/4 {
				t.Errorf("%s: got %d of %d copies by %x, want about a third", name, n, len(*out), hop[:2])
			}
		}
		if len(count) != 3 || len(*out) < 9 {
			t.Errorf("%s: got %d copies by %d first hops, want more by 3", name, len(*out), len(count))
		}
		w.heal()
		w.run(10 * time.Second)
		w.connect(a, b)
	}
}

// A refusal shows that ours arrives.
func TestARefusalEndsTheState(t *testing.T) {
	w, a, b := pair(t, 516)
	w.connect(a, b)
	w.silent(a)
	o := a.send(b, "x")
	p := a.peerOf(b)
	p.mu.Lock()
	p.goAway(reason.NoRoute, a.t.at(w.now))
	p.mu.Unlock()
	if why := p.onRefusal(&a.batch, wire.AppendRefusalBody(nil, &wire.RefusalBody{ID: o.p.id, Reason: uint8(reason.NoHandler)}), a.t.at(w.now)); why != reason.None {
		t.Fatal(why)
	}
	if p.away.on.Load() {
		t.Error("still away")
	}
}

// Whatever reason a Hint gives, now or in a later version, it ends no message to a peer
// that is known.
func TestNoHintEndsAMessage(t *testing.T) {
	for why := reason.Malformed; int(why) <= reason.Count; why++ {
		for _, session := range []bool{true, false} {
			w, a, b := pair(t, 517)
			w.hops = 3
			w.connect(a, b)
			if !session {
				a.forget(b)
			}
			w.nowhere(a)
			w.why = why
			o := a.send(b, "x")
			before := w.frames
			w.run(20 * time.Second)
			if o.calls != 0 {
				t.Errorf("%v, session %v: ended with %v, want it tried on", why, session, o.Err)
				continue
			}
			if n := w.frames - before; n > 150 {
				t.Errorf("%v, session %v: got %d frames in 20 s, want a few", why, session, n)
			}
			w.heal()
			w.run(20 * time.Second)
			o.want(t, nil, Delivered)
		}
	}
}
