package session

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

func TestWaitingIsBounded(t *testing.T) {
	w, a, b := pair(t, 60)
	w.cut = func(from, to *testNode) bool { return true }
	for i := range limits.WaitingMessages - 1 {
		if err := a.datagram(b, "x"); err != nil {
			t.Fatalf("datagram %d: got %v", i, err)
		}
	}
	a.send(b, "x")
	if err := a.datagram(b, "x"); err != reason.SessionLimit {
		t.Errorf("one more datagram: got %v, want %v", err, reason.SessionLimit)
	}
	if _, err := a.t.Send(w.now, Message{To: b.self, Kind: wire.PlainMessage}, nil); err != reason.QueueFull {
		t.Errorf("one more message: got %v, want %v", err, reason.QueueFull)
	}
	if _, err := a.t.Send(w.now, Message{To: b.self, Kind: wire.PlainMessage, Patient: true}, nil); err != nil {
		t.Errorf("one more patient message: got %v", err)
	}
	w.run(limits.DatagramPatience)
	other := w.add(nil)
	big := make([]byte, 30_000)
	for range 2 {
		if err := a.t.Datagram(w.now, other.self, 1, 1, wire.ClassBulk, big); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.t.Datagram(w.now, other.self, 1, 1, wire.ClassBulk, big); err != reason.SessionLimit {
		t.Errorf("beyond %d bytes: got %v, want %v", limits.WaitingBytes, err, reason.SessionLimit)
	}
}

func TestUnackedIsBounded(t *testing.T) {
	w, a, b := pair(t, 61)
	w.connect(a, b)
	a.widen(b)
	w.cut = func(from, to *testNode) bool { return true }
	big := make([]byte, limits.MaxMessage)
	n := 0
	for ; n < 1000; n++ {
		if _, err := a.t.Send(w.now, Message{To: b.self, Kind: wire.PlainMessage, Data: big}, func(Result) {}); err != nil {
			if err != reason.QueueFull {
				t.Errorf("got %v, want %v", err, reason.QueueFull)
			}
			break
		}
	}
	if want := limits.UnackedBytes / limits.MaxMessage; n != want {
		t.Errorf("messages of %d bytes: got %d, want %d", limits.MaxMessage, n, want)
	}
	other := w.add(nil)
	w.cut = nil
	w.connect(a, other)
	a.widen(other)
	w.cut = func(from, to *testNode) bool { return true }
	for n = 0; n <= limits.MessageWindow; n++ {
		if _, err := a.t.Send(w.now, Message{To: other.self, Kind: wire.PlainMessage}, func(Result) {}); err != nil {
			break
		}
	}
	if n != limits.MessageWindow {
		t.Errorf("empty messages: got %d, want %d", n, limits.MessageWindow)
	}
}

func TestSendRefuses(t *testing.T) {
	w, a, b := pair(t, 62)
	big := make([]byte, limits.MaxMessage+1)
	for name, test := range map[string]struct {
		m    Message
		want error
	}{
		"too large": {Message{To: b.self, Kind: wire.PlainMessage, Data: big}, reason.TooLarge},
		"own ID":    {Message{To: a.self, Kind: wire.PlainMessage}, reason.OwnID},
		"kind":      {Message{To: b.self, Kind: wire.PlainAck}, reason.Unsupported},
	} {
		if _, err := a.t.Send(w.now, test.m, nil); err != test.want {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
	if err := a.t.Datagram(w.now, b.self, 1, 1, wire.ClassBulk, big); err != reason.TooLarge {
		t.Errorf("datagram too large: got %v, want %v", err, reason.TooLarge)
	}
	w.connect(a, b)
	if _, ok := a.t.AppendDatagram(nil, w.now, b.self, 1, 1, wire.ClassBulk, big); ok {
		t.Error("AppendDatagram too large: got ok")
	}
	largest := a.sendMessage(Message{To: b.self, Kind: wire.PlainRequest, Data: big[1:]})
	w.run(time.Second)
	if len(b.got) != 1 || len(b.got[0].data) != limits.MaxMessage {
		t.Errorf("largest message: not delivered (%+v)", largest.Result)
	}
}

func TestBudgetsAreBounded(t *testing.T) {
	var b budgets[uint64]
	taken := 0
	for key := range uint64(5000) {
		if b.take(key, 1) {
			taken++
		}
	}
	if len(b.m) != limits.HandshakeBuckets || taken != limits.HandshakeBuckets {
		t.Errorf("keys: got %d kept and %d taken, want %d", len(b.m), taken, limits.HandshakeBuckets)
	}
	if !b.take(5000, time.Second) || len(b.m) > limits.HandshakeBuckets {
		t.Errorf("after a second: no room for a new key (%d kept)", len(b.m))
	}
}

func TestBudgetRate(t *testing.T) {
	var b budgets[int]
	taken := 0
	for at := range 10_000 {
		if b.take(1, time.Duration(at+1)*time.Millisecond) {
			taken++
		}
	}
	if want := limits.HandshakeBurst + 10*limits.HandshakeRate; taken < want-1 || taken > want {
		t.Errorf("in 10 s: got %d, want %d", taken, want)
	}
}

// Answers under way are bounded, and a flood by one link displaces itself.
func TestAnswersAreBounded(t *testing.T) {
	w, a, b := pair(t, 63)
	first := func(i uint32, c cookie) []byte {
		var src wire.ID
		binary.BigEndian.PutUint32(src[:], i+1)
		body := wire.HandshakeBody{Kind: wire.HandshakeFirst, Sender: i, Cookie: c, Noise: make([]byte, wire.FirstFrameLen)}
		f := wire.Frame{Type: wire.TypeHandshake, HopLimit: 60, Dst: b.self, Src: src, Body: wire.AppendHandshakeBody(nil, &body)}
		return wire.AppendFrame(nil, &f)
	}
	var got cookie
	w.tap = func(_ *testNode, frame []byte) {
		if isKind(frame, wire.HandshakeCookie) {
			f, _ := wire.ParseFrame(frame)
			body, _ := wire.ParseHandshakeBody(f.Body)
			got = body.Cookie
		}
	}
	b.start(func(n *testNode, c *Config) { c.Null, c.Credentials = true, nil })
	a.start(func(n *testNode, c *Config) { c.Null, c.Credentials = true, nil })
	// An honest one begins and is slow with message 3.
	w.tamper = func(to *testNode, frame []byte) bool { return !isKind(frame, wire.HandshakeThird) }
	o := a.send(b, "x")
	w.run(15 * time.Millisecond)
	flood := uint32(0)
	for ; b.t.answers.underWay < limits.HandshakesInFlight && flood < 10_000; flood++ {
		b.t.HandleHandshake(w.now, first(flood, cookie{}), Ingress{Link: 2})
		b.t.HandleHandshake(w.now, first(flood, got), Ingress{Link: 2})
	}
	if b.t.answers.underWay != limits.HandshakesInFlight {
		t.Fatalf("under way: got %d, want %d", b.t.answers.underWay, limits.HandshakesInFlight)
	}
	for range 2000 {
		flood++
		b.t.HandleHandshake(w.now, first(flood, cookie{}), Ingress{Link: 2})
		b.t.HandleHandshake(w.now, first(flood, got), Ingress{Link: 2})
		if n := b.t.answers.underWay; n > limits.HandshakesInFlight {
			t.Fatalf("under way: got %d", n)
		}
		if n := len(b.t.answers.m); n > limits.HandshakeAnswers || n != len(b.t.answers.order) {
			t.Fatalf("kept: got %d, listed %d", n, len(b.t.answers.order))
		}
	}
	if b.t.index.used > limits.HandshakesInFlight+1 {
		t.Errorf("indices: got %d", b.t.index.used)
	}
	w.tamper = nil
	w.until(2*time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
	w.run(2 * limits.HandshakeAnswerKept)
	if n := len(b.t.answers.m); n != 0 || b.t.answers.underWay != 0 {
		t.Errorf("at the end: got %d kept, %d under way", n, b.t.answers.underWay)
	}
}

func TestIndexTable(t *testing.T) {
	w, a, _ := pair(t, 64)
	_ = w
	x := &a.t.index
	var all []*slot
	for range 3000 {
		s := &slot{session: &session{}}
		if i := x.add(a.t, s); i == 0 || i != s.index {
			t.Fatalf("index: got %d, slot says %d", i, s.index)
		}
		all = append(all, s)
	}
	for _, s := range all {
		if x.find(s.index) != s {
			t.Fatalf("index %d: not found after the table grew", s.index)
		}
		if got := x.find(s.index ^ 1<<31); got != nil && got != s && got.index != s.index^1<<31 {
			t.Fatal("another index fits")
		}
	}
	if size := len(*x.table.Load()); size > 8192 {
		t.Errorf("places for 3,000: got %d", size)
	}
	other := &slot{}
	x.replace(all[0].index, other)
	if x.find(all[0].index) != other {
		t.Error("replace: not found")
	}
	for _, s := range all {
		x.remove(s.index)
		x.remove(s.index)
	}
	if x.used != 0 {
		t.Errorf("in use at the end: got %d", x.used)
	}
}

func TestPathsAreBounded(t *testing.T) {
	w, a, b := pair(t, 66)
	w.connect(a, b)
	w.hops = 300
	w.cut = func(from, to *testNode) bool { return true }
	a.send(b, "x")
	w.run(30 * time.Minute)
	if got := len(a.peerOf(b).out.paths); got > limits.Paths {
		t.Errorf("hops kept for one message: got %d", got)
	}
}

func TestTimers(t *testing.T) {
	var told []time.Duration
	h := timers{arm: func(at time.Duration) { told = append(told, at) }}
	w := newWorld(t, 71)
	all := make([]timer, 200)
	for i := range all {
		h.set(&all[i], time.Duration(1+w.rand.IntN(1000)))
	}
	for i := range told[1:] {
		if told[i+1] >= told[i] {
			t.Fatalf("told %v, want ever earlier times", told)
		}
	}
	for range 1000 {
		x := &all[w.rand.IntN(len(all))]
		switch w.rand.IntN(3) {
		case 0:
			h.remove(x)
		case 1:
			h.set(x, time.Duration(1+w.rand.IntN(1000)))
		case 2:
			h.earlier(x, time.Duration(1+w.rand.IntN(1000)))
		}
	}
	left := len(h.heap)
	last := time.Duration(0)
	for x := h.due(1000); x != nil; x = h.due(1000) {
		if x.at < last {
			t.Fatalf("got %v after %v", x.at, last)
		}
		last = x.at
		left--
	}
	if left != 0 || h.next() != 0 {
		t.Errorf("left: got %d", left)
	}
}
