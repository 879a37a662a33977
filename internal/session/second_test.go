package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// responder returns a node that answers, with a number of first hops that drop all,
// and the acks or the copies of message 2 that it has sent.
func responder(w *world, dead int) (b *testNode, sent func(acks bool) []seen) {
	var ack []bool
	b, out := searcher(w, func(frame []byte) bool {
		if isAck(frame) || isKind(frame, wire.HandshakeSecond) {
			ack = append(ack, isAck(frame))
			return true
		}
		return false
	}, nil)
	w.dead = func(from *testNode, hop int) bool { return from == b && hop < dead }
	return b, func(acks bool) (list []seen) {
		for i, c := range *out {
			if ack[i] == acks {
				list = append(list, c)
			}
		}
		return list
	}
}

// TestAcksTakeTheWayOfMessage2 has the first ways of the responder drop all: those
// that message 2 was lost by are not tried again by acks and messages.
func TestAcksTakeTheWayOfMessage2(t *testing.T) {
	for dead := range 6 {
		w := newWorld(t, 420)
		w.hops = 8
		a := w.add(nil)
		b, sent := responder(w, dead)
		o := a.sendThrough(b, "x")
		if o.Sent != 1 {
			t.Errorf("%d ways dead: got %d copies of the message, want one", dead, o.Sent)
		}
		won, acks := sent(false)[dead], sent(true)
		if len(acks) == 0 {
			t.Fatalf("%d ways dead: got no ack", dead)
		}
		for _, ack := range acks {
			if ack.hop != won.hop || !bytes.Equal(ack.aim, won.aim) {
				t.Errorf("%d ways dead: got an ack by %x with the aim %x, want the way of message 2, %x and %x", dead, ack.hop[:2], ack.aim, won.hop[:2], won.aim)
			}
		}
		answer := b.sendThrough(a, "y")
		if answer.Sent != 1 {
			t.Errorf("%d ways dead: got %d copies of a message back, want one", dead, answer.Sent)
		}
		if got := b.peerOf(a).srtt; got < 2*w.delay || got > 3*w.delay {
			t.Errorf("%d ways dead: got a round trip of %v, want %v", dead, got, 2*w.delay)
		}
	}
}

// TestCopiesOfMessage2ShareNothing has one node ask for each again.
func TestCopiesOfMessage2ShareNothing(t *testing.T) {
	w := newWorld(t, 421)
	w.hops = 100
	a := w.add(nil)
	b, sent := responder(w, 100)
	a.send(b, "x")
	w.run(20 * time.Second)
	if n := len(sent(false)); n <= limits.SecondCopies {
		t.Fatalf("got %d copies of message 2, want more than are remembered", n)
	}
	hops, aims := map[wire.ID]bool{}, map[string]bool{}
	for k, c := range sent(false)[:limits.SecondCopies] {
		if greedy := k < 2 || k%3 == 1; greedy != (c.aim == nil) || c.aim != nil && aims[string(c.aim)] || hops[c.hop] {
			t.Errorf("copy %d: got the aim %x and first hop %x, want it greedily: %v, and both new", k, c.aim, c.hop[:2], greedy)
		}
		hops[c.hop], aims[string(c.aim)] = true, true
	}
	for _, x := range b.t.answers.m {
		if len(x.sent) != limits.SecondCopies {
			t.Errorf("got %d copies remembered, want %d", len(x.sent), limits.SecondCopies)
		}
	}
}

// TestUnknownTagOfMessage2 has somebody on the way change what message 3 echoes.
func TestUnknownTagOfMessage2(t *testing.T) {
	w := newWorld(t, 422)
	a := w.add(nil)
	b, _ := responder(w, 1)
	w.tamper = func(to *testNode, frame []byte) bool {
		if to == b && isKind(frame, wire.HandshakeThird) {
			f, _ := wire.ParseFrame(frame)
			f.Body[9] ^= 1 // the first byte of the cookie field
		}
		return true
	}
	a.sendThrough(b, "x")
	if l := b.peerOf(a).lead.hop(b.t.at(w.now)); l != (wire.ID{}) {
		t.Errorf("got the lead %x by a tag that no copy had", l[:2])
	}
}

// TestAcksThatAreLostScatter has a receiver whose first hops drop all, once a
// session stands.
func TestAcksThatAreLostScatter(t *testing.T) {
	w := newWorld(t, 423)
	w.hops = 8
	a := w.add(nil)
	b, sent := responder(w, 0)
	w.connect(a, b)
	w.run(limits.LeadLife)
	w.dead = func(from *testNode, hop int) bool { return from == b && hop < 3 }
	before := len(sent(true))
	a.sendThrough(b, "x")
	acks := sent(true)[before:]
	last := acks[len(acks)-1]
	if len(acks) != 4 || acks[0].aim != nil || last.aim == nil {
		t.Fatalf("got %d acks, the last with the aim %x, want 4, and a scatter frame", len(acks), last.aim)
	}
	a.peerOf(b).lead = lead{}
	a.sendThrough(b, "y")
	if got := sent(true)[before+4]; got.hop != last.hop || !bytes.Equal(got.aim, last.aim) {
		t.Errorf("got the next ack by %x with the aim %x, want the way that lost none, %x and %x", got.hop[:2], got.aim, last.hop[:2], last.aim)
	}
}

// TestLaterAcksOfMessage3Scatter has a receiver whose acks are all lost: only the
// copies of message 3 come again.
func TestLaterAcksOfMessage3Scatter(t *testing.T) {
	w := newWorld(t, 424)
	w.hops = 8
	a := w.add(nil)
	b, sent := responder(w, 0)
	if err := a.datagram(b, "x"); err != nil {
		t.Fatal(err)
	}
	w.tamper = func(to *testNode, frame []byte) bool { return to != a || !isAck(frame) }
	w.run(4 * time.Second)
	hops, aims := map[wire.ID]bool{}, 0
	for _, ack := range sent(true) {
		if hops[ack.hop] {
			t.Errorf("got a first hop once more: %x", ack.hop[:2])
		}
		if hops[ack.hop] = true; ack.aim != nil {
			aims++
		}
	}
	if len(sent(true)) < 4 || aims == 0 {
		t.Errorf("got %d acks, %d of them scatter frames, want 4 and some", len(sent(true)), aims)
	}
}

// TestALeafAnswersByTheLinkOfTheQuestion has the best relay of a leaf drop all.
func TestALeafAnswersByTheLinkOfTheQuestion(t *testing.T) {
	w := newWorld(t, 425)
	a := w.add(nil)
	b := w.add(func(n *testNode, c *Config) { c.Behind = func(uint64) wire.ID { return hopID(2) } })
	b.homes = []wire.ID{hopID(0), hopID(2)}
	w.dead = func(from *testNode, hop int) bool { return from == b && hop != 2 }
	if o := a.sendThrough(b, "x"); o.Sent != 1 || a.emitted[wire.HandshakeFirst] != 1 {
		t.Errorf("got %d copies of message 1 and %d of the message, want one of each", a.emitted[wire.HandshakeFirst], o.Sent)
	}
	if o := b.sendThrough(a, "y"); o.Sent != 1 {
		t.Errorf("got %d copies of a message back, want one", o.Sent)
	}
	b.homes = nil // a relay takes its best way
	w.dead = nil
	c := w.add(nil)
	c.sendThrough(b, "z")
	if l := b.peerOf(c).lead.hop(b.t.at(w.now)); l != (wire.ID{}) {
		t.Errorf("got the lead %x of a relay, want none", l[:2])
	}
}
