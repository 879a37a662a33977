package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// dropper makes these first hops of a swallow everything.
func (w *world) dropper(a *testNode, hops ...int) {
	w.dead = func(from *testNode, hop int) bool {
		for _, h := range hops {
			if from == a && h == hop {
				return true
			}
		}
		return false
	}
}

// sendThrough sends a message and waits until it has arrived.
func (n *testNode) sendThrough(to *testNode, data string) *outcome {
	n.w.t.Helper()
	o := n.send(to, data)
	n.w.until(30*time.Second, func() bool { return o.calls == 1 })
	o.want(n.w.t, nil, Delivered)
	return o
}

// wantBy fails the test unless that many copies left, the last by hop.
func (o *outcome) wantBy(t *testing.T, copies, hop int) {
	t.Helper()
	if o.Sent != copies || o.Hop != hopID(hop) {
		t.Errorf("message %q: got %d copies, the last by %x, want %d, by %x", o.data, o.Sent, o.Hop[:2], copies, hopID(hop))
	}
}

func TestLeadOfMessages(t *testing.T) {
	w, a, b := pair(t, 300)
	w.connect(a, b)
	w.dropper(a, 0, 1)
	a.sendThrough(b, "finds the lead").wantBy(t, 3, 2)
	a.sendThrough(b, "follows it").wantBy(t, 1, 2)

	w.dropper(a, 2)
	a.sendThrough(b, "by the best choice when the lead fails").wantBy(t, 2, 0)
	w.dropper(a, 0)
	a.sendThrough(b, "the lead is forgotten").wantBy(t, 2, 1)

	w.dropper(a)
	w.run(limits.LeadLife - time.Second)
	a.sendThrough(b, "while it lives").wantBy(t, 1, 1)
	w.run(time.Second)
	a.sendThrough(b, "when it is old").wantBy(t, 1, 0)
}

// A link with the peer is better than any way that was learnt before it.
func TestLinkEndsTheLead(t *testing.T) {
	w, a, b := pair(t, 302)
	w.connect(a, b)
	w.dropper(a, 0)
	a.sendThrough(b, "finds the lead").wantBy(t, 2, 1)
	w.dropper(a)
	a.sendThrough(b, "follows it").wantBy(t, 1, 1)
	a.t.Linked(w.now, b.id.ID())
	a.sendThrough(b, "by the best choice again").wantBy(t, 1, 0)
}

func TestLeadIsTriedOnceMoreAmongTheOthers(t *testing.T) {
	w, a, b := pair(t, 301)
	w.connect(a, b)
	w.dropper(a, 0)
	a.sendThrough(b, "finds the lead").wantBy(t, 2, 1)
	w.dropper(a, 0, 1, 2)
	a.sendThrough(b, "by the lead, and all in turn").wantBy(t, 5, 3)
}

// TestNoLeadFromALateAck lets the ack of the first copy come just after the
// second has left.
func TestNoLeadFromALateAck(t *testing.T) {
	w, a, b := pair(t, 302)
	w.connect(a, b)
	w.delay = limits.MessageRTOMin/2 + time.Millisecond
	a.sendThrough(b, "slow").wantBy(t, 2, 1)
	w.delay = 10 * time.Millisecond
	w.run(time.Second)
	a.sendThrough(b, "by the best choice").wantBy(t, 1, 0)
}

// TestNoLeadFromAnAckThatNamesTheFirstCopy lets that ack come when the second copy has
// been under way for longer than a round trip was.
func TestNoLeadFromAnAckThatNamesTheFirstCopy(t *testing.T) {
	w, a, b := pair(t, 311)
	w.connect(a, b)
	w.delay = limits.MessageRTOMin/2 + 40*time.Millisecond
	a.sendThrough(b, "slow").wantBy(t, 2, 1)
	w.delay = 10 * time.Millisecond
	w.run(time.Second)
	a.sendThrough(b, "by the best choice").wantBy(t, 1, 0)
}

// TestLeadOfAFasterHop has an ack that names the second copy sooner than any round trip
// was before.
func TestLeadOfAFasterHop(t *testing.T) {
	w, a, b := pair(t, 312)
	w.connect(a, b)
	w.delay = 100 * time.Millisecond
	for i := range 40 {
		a.sendThrough(b, text(i))
	}
	w.dropper(a, 0)
	o := a.send(b, "lost by the best choice")
	w.run(limits.MessageRTOMin / 2)
	w.delay = 5 * time.Millisecond
	w.run(time.Second)
	o.wantBy(t, 2, 1)
	a.sendThrough(b, "follows it").wantBy(t, 1, 1)
}

func TestLeadOfAHint(t *testing.T) {
	w, a, b := pair(t, 303)
	w.connect(a, b)
	w.noRoute = func(from *testNode, hop int) bool { return from == a && hop == 0 }
	a.sendThrough(b, "told so").wantBy(t, 2, 1)
	a.sendThrough(b, "follows").wantBy(t, 1, 1)
	if n := a.t.scores.blamed.Load(); n != 0 {
		t.Errorf("got %d hops blamed for what a hint said, want none", n)
	}
}

func TestLeadOfAHandshake(t *testing.T) {
	for _, tt := range []struct {
		dead    int           // the first so many first hops drop all
		delay   time.Duration // one way
		hop     int           // of the first message
		noRoute bool          // they say so
	}{
		{0, 10 * time.Millisecond, 0, false},
		{0, 400 * time.Millisecond, 0, false}, // several copies leave before the first answer comes
		{1, 10 * time.Millisecond, 1, false},
		{2, 10 * time.Millisecond, 2, false}, // it left together with one that was lost
		{3, 10 * time.Millisecond, 3, false},
		{5, 10 * time.Millisecond, 5, false},
		{2, 10 * time.Millisecond, 2, true},
	} {
		t.Run(fmt.Sprintf("%d dead, %v", tt.dead, tt.delay), func(t *testing.T) {
			w, a, b := pair(t, 304)
			w.hops, w.delay = 8, tt.delay
			fails := func(from *testNode, hop int) bool { return from == a && hop < tt.dead }
			if tt.noRoute {
				w.noRoute = fails
			} else {
				w.dead = fails
			}
			w.tap = func(from *testNode, frame []byte) {
				if from == a && isMessage(frame) {
					w.dead, w.noRoute = nil, nil
				}
			}
			o := a.send(b, "x")
			w.until(time.Minute, func() bool { return o.calls == 1 })
			o.want(t, nil, Delivered)
			if l := a.peerOf(b).lead.hop(a.t.at(w.now)); tt.hop > 0 && l != hopID(tt.hop) || tt.hop == 0 && l != (wire.ID{}) {
				t.Errorf("got the lead %x, want first hop %d", l[:2], tt.hop)
			}
			if tt.hop > 0 {
				o.wantBy(t, 1, tt.hop)
			}
		})
	}
}

// TestSixteenFirstHopsAreTriedSoon counts them for a handshake and a message.
func TestSixteenFirstHopsAreTriedSoon(t *testing.T) {
	w, a, b := pair(t, 305)
	w.hops = 40
	w.dead = func(from *testNode, hop int) bool { return from == a && hop < limits.FirstHopsTried-1 }
	start := w.now
	o := a.send(b, "first")
	w.until(time.Minute, func() bool { return len(b.events) > 0 || a.peerOf(b).current.Load() != nil })
	if took := w.now.Sub(start); took > 16*time.Second {
		t.Errorf("handshake: took %v, want at most 16 s", took)
	}
	w.until(time.Minute, func() bool { return o.calls == 1 })

	a.peerOf(b).lead = lead{}
	start = w.now
	a.sendThrough(b, "message").wantBy(t, limits.FirstHopsTried, limits.FirstHopsTried-1)
	if took := w.now.Sub(start); took > 16*time.Second {
		t.Errorf("message: took %v, want at most 16 s", took)
	}
	w.dead = func(*testNode, int) bool { return true }
	o = a.send(b, "lost")
	w.run(60 * time.Second)
	if sent := o.p.trail.sent; sent < 18 || sent > 22 { // 16 within 15 s, then after 2 s, 4 s and so on
		t.Errorf("got %d copies within a minute, want about 20", sent)
	}
}

// TestCookieIsShownByTheHopThatGotThrough has a destination that asks everybody
// for a cookie.
func TestCookieIsShownByTheHopThatGotThrough(t *testing.T) {
	for _, dead := range []int{1, 3} {
		w, a, b := pair(t, 306)
		w.hops = 8
		b.t.answers.underWay = limits.HandshakeLoad
		w.dead = func(from *testNode, hop int) bool { return from == a && hop < dead }
		var first, third int
		w.tap = func(from *testNode, frame []byte) {
			switch {
			case from == a && isKind(frame, wire.HandshakeFirst):
				first++
			case from == a && isKind(frame, wire.HandshakeThird):
				third++
			}
		}
		o := a.sendThrough(b, "x")
		if first != 5 || third != 1 { // one, three, and the one with the cookie
			t.Errorf("%d dead: got %d copies of message 1, %d of message 3, want 5 and 1", dead, first, third)
		}
		if o.Sent != 1 {
			t.Errorf("%d dead: got %d copies of the message, want one by the lead", dead, o.Sent)
		}
	}
}

// TestAcksKeepOffAWayThatLosesThem has a receiver whose best first hop drops all.
func TestAcksKeepOffAWayThatLosesThem(t *testing.T) {
	w, a, b := pair(t, 307)
	w.connect(a, b)
	w.dropper(b, 0)
	a.sendThrough(b, "acked by the second choice").wantBy(t, 2, 1)
	a.peerOf(b).lead = lead{}
	for range 3 {
		a.sendThrough(b, "at once").wantBy(t, 1, 0)
	}
	tried := false
	w.dead = func(from *testNode, hop int) bool { tried = tried || from == b && hop == 0; return false }
	a.sendThrough(b, "still")
	if tried {
		t.Error("the ack took the best choice at once, want it to stay off for a while")
	}
	w.run(limits.LeadLife)
	a.sendThrough(b, "later")
	if !tried {
		t.Error("the ack did not take the best choice when the other was old, want it to")
	}
}

// TestAcksOfEarlyCopiesComeBackToTheBestWay lets a copy overtake the ack.
func TestAcksOfEarlyCopiesComeBackToTheBestWay(t *testing.T) {
	w, a, b := pair(t, 308)
	w.connect(a, b)
	w.dup = 1
	best := 0
	w.dead = func(from *testNode, hop int) bool {
		if from == b && hop == 0 {
			best++
		}
		return false
	}
	for range 5 {
		a.sendThrough(b, "twice")
		w.run(50 * time.Millisecond)
	}
	if best < 5 {
		t.Errorf("got %d acks by the best choice of 5 messages, want one for each", best)
	}
}

func TestUnknownRoundTripIsWaitedFor(t *testing.T) {
	w, a, b := pair(t, 309)
	w.connect(a, b)
	a.peerOf(b).srtt, a.peerOf(b).out.paths = 0, nil
	w.delay = 400 * time.Millisecond
	if o := a.sendThrough(b, "slow"); o.Sent != 1 {
		t.Errorf("got %d copies within a round trip that was not known, want one", o.Sent)
	}
	if got := a.peerOf(b).srtt; got < 800*time.Millisecond {
		t.Errorf("got a round trip of %v, want it measured", got)
	}
}

// TestDatagramsFollowTheLead has the best first hop drop all.
func TestDatagramsFollowTheLead(t *testing.T) {
	w, a, b := pair(t, 310)
	w.connect(a, b)
	w.dropper(a, 0)
	a.sendThrough(b, "finds the lead").wantBy(t, 2, 1)
	b.got = nil
	for i := range 10 {
		if err := a.datagram(b, text(i)); err != nil {
			t.Fatal(err)
		}
	}
	w.run(100 * time.Millisecond)
	b.once(texts(10)...)
	var o Opening
	if !a.t.Open(&o, nil, w.now, &b.self, 1, 1) || o.Via != hopID(1) {
		t.Errorf("got the first hop %x for small datagrams, want %x", o.Via[:2], hopID(1))
	}
	w.run(limits.LeadLife)
	if hop := a.t.Via(w.now, &b.self); hop != (wire.ID{}) {
		t.Errorf("got the first hop %x when the lead is old, want none", hop[:2])
	}
}
