package session

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// pathOf returns what a knows of its first hop to b.
func (w *world) pathOf(a, b *testNode, hop int) *path {
	w.t.Helper()
	id := hopID(hop)
	f := a.peerOf(b).out.pathOf(&id)
	if f == nil {
		w.t.Fatalf("nothing is known of first hop %d", hop)
	}
	return f
}

// near fails the test unless got is within a tenth of want.
func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got < want*9/10 || got > want*11/10 {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// The acks of first copies that come when second ones have left measure the first.
func TestRoundTripIsThatOfTheCopyThatArrived(t *testing.T) {
	w, a, b := pair(t, 401)
	w.connect(a, b)
	w.delay = 200 * time.Millisecond
	slow := a.send(b, "slow")
	w.until(5*time.Second, func() bool { return slow.calls == 1 })
	slow.wantBy(t, 2, 1)
	near(t, "round trip of the first hop", w.pathOf(a, b, 0).srtt, 68*time.Millisecond) // 21 ms before, and an eighth of 401
	if f := w.pathOf(a, b, 1); f.srtt != 0 {
		t.Errorf("got a round trip of %v for the second hop before its copy was acked", f.srtt)
	}
	w.run(time.Second)
	near(t, "round trip of the second hop", w.pathOf(a, b, 1).srtt, 400*time.Millisecond)
}

// Every message is sent twice, and each time the ack is that of the first copy.
func TestRoundTripOfWhatIsSentTwice(t *testing.T) {
	w, a, b := pair(t, 402)
	w.hops = 1
	w.connect(a, b)
	w.delay = 200 * time.Millisecond
	p := a.peerOf(b)
	for i := range 60 {
		a.send(b, text(i))
		p.mu.Lock()
		f := p.out.paths[0]
		p.timedOut(f, f.flight.tail)
		p.flush(p.table.at(w.now))
		p.mu.Unlock()
		w.run(time.Second)
	}
	near(t, "round trip", w.pathOf(a, b, 0).srtt, 400*time.Millisecond)
	b.once(texts(60)...)
}

// ackBody changes the body of each ack that b sends on its way to a.
func (w *world) ackBody(a, b *testNode, change func(*wire.AckBody)) {
	p := b.peerOf(a)
	p.table.cfg.Emit = func(frame []byte, c Choice) (wire.ID, bool) {
		if !isAck(frame) {
			return b.emit(frame, c)
		}
		f, err := wire.ParseFrame(frame)
		s := p.current.Load()
		head := (*[NonceLen]byte)(make([]byte, NonceLen))
		plain, bad := s.send.OpenAt(head, be64(f.Body[4:]), nil, f.Body[wire.DataHeaderLen:], s.sendAD[wire.ClassAck][:])
		if err != nil || bad != nil {
			w.t.Fatal(err, bad)
		}
		ack, err := wire.ParseAckBody(nil, plain[wire.PlainHeaderLen:])
		if err != nil {
			w.t.Fatal(err)
		}
		change(&ack)
		out := p.appendRoute(nil, wire.ClassAck, &way{})
		from := len(out) + wire.DataHeaderLen
		out = append(out, make([]byte, wire.DataHeaderLen)...)
		out = wire.AppendAckBody(wire.AppendPlainHeader(out, wire.PlainHeader{Kind: wire.PlainAck}), &ack)
		out, _, _ = s.seal(out, from, wire.ClassAck)
		return b.emit(out, c)
	}
}

// A receiver that says anything of its delay makes no round trip shorter than the
// shortest that was seen, and none that is worth less than it says.
func TestAckDelays(t *testing.T) {
	for _, tt := range []struct {
		name  string
		delay uint16
		held  time.Duration // until the ack leaves, beyond the first messages
		want  time.Duration
	}{
		{"none told", 0, 0, 20 * time.Millisecond},
		{"the truth of one that waits", wire.AckDelay(100 * time.Millisecond), 100 * time.Millisecond, 21 * time.Millisecond},
		{"none told of one that waits", 0, 100 * time.Millisecond, 121 * time.Millisecond},
		{"longer than the round trip", wire.AckDelay(time.Second), 0, 20 * time.Millisecond},
		{"saturated", 0xFFFF, 100 * time.Millisecond, 21 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, a, b := pair(t, 403)
			w.connect(a, b)
			a.sendThrough(b, "sees the shortest round trip")
			w.ackBody(a, b, func(ack *wire.AckBody) { ack.Delay = tt.delay })
			w.tamper = func(to *testNode, frame []byte) bool {
				if tt.held == 0 || to != a || !isAck(frame) {
					return true
				}
				late := append([]byte(nil), frame...)
				w.after(tt.held, func() {
					wire.SetFrameHopLimit(late, wire.FrameHopLimit(late)-2)
					a.data(late)
				})
				return false
			}
			for i := range 60 {
				o := a.send(b, text(i))
				w.run(200 * time.Millisecond)
				o.want(t, nil, Delivered)
			}
			near(t, "round trip", w.pathOf(a, b, 0).srtt, tt.want)
		})
	}
}

func TestAckDelayIsWhatTheReceiverWaited(t *testing.T) {
	w, a, b := pair(t, 404)
	w.connect(a, b)
	var got []wire.AckBody
	w.ackBody(a, b, func(ack *wire.AckBody) { got = append(got, *ack) })
	a.send(b, "x")
	w.run(50 * time.Millisecond)
	if len(got) != 1 || got[0].Delay != wire.AckDelay(time.Millisecond) || got[0].Marked != 0 {
		t.Fatalf("got the acks %+v, want one after the millisecond of a batch", got)
	}
	if sent := a.peerOf(b).current.Load().sent.Load(); got[0].Newest != sent-1 {
		t.Errorf("got the counter %d, want that of the message, %d", got[0].Newest, sent-1)
	}
}

// A counter that was never used is against the rules, and such an ack acks nothing.
func TestAckOfACounterNeverSent(t *testing.T) {
	for _, tt := range []struct {
		name string
		off  uint64 // from the next counter
		want reason.Reason
	}{
		{"the next", 0, reason.Malformed},
		{"far away", 1 << 30, reason.Malformed},
		{"of an ack of ours or nothing we know", 1<<64 - 2, reason.None},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, a, b := pair(t, 405)
			w.connect(a, b)
			w.ackBody(a, b, func(ack *wire.AckBody) { ack.Newest = a.peerOf(b).current.Load().sent.Load() + tt.off })
			before := a.drops.Get(reason.Malformed)
			srtt := w.pathOf(a, b, 0).srtt
			o := a.send(b, "x")
			w.run(200 * time.Millisecond)
			malformed := a.drops.Get(reason.Malformed) > before
			if malformed != (tt.want == reason.Malformed) || (o.calls == 1) == malformed {
				t.Errorf("got malformed %v and %d results", malformed, o.calls)
			}
			if got := w.pathOf(a, b, 0).srtt; got != srtt {
				t.Errorf("got a round trip of %v from it, want it to stay %v", got, srtt)
			}
		})
	}
}

// What an ack says of marks counts once, and only if it can be so.
func TestMarks(t *testing.T) {
	w, a, b := pair(t, 406)
	w.connect(a, b)
	var marked uint32
	w.ackBody(a, b, func(ack *wire.AckBody) { ack.Marked = marked })
	send := func(count uint32, want uint64) {
		t.Helper()
		marked = count
		a.sendThrough(b, "x")
		if got := w.pathOf(a, b, 0).marks; got != want {
			t.Errorf("a count of %d: got %d marks, want %d", count, got, want)
		}
	}
	send(1, 1)
	send(1, 1)
	send(3, 3)
	send(2, 3)     // it falls
	send(1000, 3)  // more than left
	send(1<<31, 3) // the same
	send(4, 4)
}

// What relays mark is counted at the other end, duplicates too, and nothing but messages.
func TestMarksAreCounted(t *testing.T) {
	w, a, b := pair(t, 416)
	w.connect(a, b)
	mark := true
	w.tamper = func(to *testNode, frame []byte) bool {
		if mark && to == b && isMessage(frame) {
			frame[1] |= byte(wire.FlagMarked)
		}
		return true
	}
	told := func(want uint64) {
		t.Helper()
		a.sendThrough(b, "x")
		got := uint64(0)
		for _, f := range a.peerOf(b).out.paths {
			got += f.marks
		}
		if got != want {
			t.Errorf("got %d marks, want %d", got, want)
		}
	}
	told(1)
	told(2)
	mark = false
	told(2)
	mark = true
	lost := false
	w.dead = func(from *testNode, _ int) bool { // an ack
		l := from == b && !lost
		lost = lost || l
		return l
	}
	o := a.send(b, "twice")
	w.run(time.Second)
	o.want(t, nil, Delivered)
	w.dead = nil
	mark = false
	told(2 + 2)
	mark = true
	frame, ok := a.t.AppendDatagram(nil, w.now, b.self, 7, 8, wire.ClassInteractive, []byte("datagram"))
	if !ok {
		t.Fatal("no session")
	}
	a.emit(frame, Choice{})
	w.run(100 * time.Millisecond)
	mark = false
	told(2 + 2)
}

// A counter belongs to a session: after a renewal the old numbers mean nothing, and
// round trips go on.
func TestRoundTripAcrossRekey(t *testing.T) {
	w, a, b := pair(t, 407)
	w.connect(a, b)
	for i := range 20 {
		a.sendThrough(b, text(i))
	}
	p := a.peerOf(b)
	old := p.current.Load()
	before := a.send(b, "before")
	p.mu.Lock()
	p.renewAt = p.table.at(w.now)
	p.arm(p.renewAt)
	p.mu.Unlock()
	w.until(5*time.Second, func() bool { return p.current.Load() != old })
	w.delay = 60 * time.Millisecond
	for i := range 60 {
		a.sendThrough(b, "after "+text(i))
	}
	before.want(t, nil, Delivered)
	near(t, "round trip", w.pathOf(a, b, 0).srtt, 120*time.Millisecond)
	if got := a.drops.Get(reason.Malformed); got != 0 {
		t.Errorf("got %d malformed acks of honest peers", got)
	}
}

// slowly makes what a sends to b wait in a queue that takes that long for each message.
func (w *world) slowly(a, b *testNode, each time.Duration) {
	free := w.now
	w.tamper = func(to *testNode, frame []byte) bool {
		if to != b || !isMessage(frame) {
			return true
		}
		if free.Before(w.now) {
			free = w.now
		}
		free = free.Add(each)
		late := append([]byte(nil), frame...)
		w.push(free, func() {
			wire.SetFrameHopLimit(late, wire.FrameHopLimit(late)-2)
			b.data(late)
		})
		return false
	}
}

// A queue that grows to 20 s behind the first hop makes the timeout grow beyond it:
// each message leaves once.
func TestTimeoutGrowsWithTheQueue(t *testing.T) {
	w, a, b := pair(t, 408)
	w.connect(a, b)
	w.slowly(a, b, 200*time.Millisecond) // and twice as many come
	var all []*outcome
	for i := range 220 {
		all = append(all, a.send(b, text(i)))
		w.run(100 * time.Millisecond)
	}
	p := a.peerOf(b)
	if got := p.rto(w.pathOf(a, b, 0)); got < 11*time.Second {
		t.Errorf("behind a queue of 11 s: got a timeout of %v", got)
	}
	last := a.send(b, "the last")
	w.run(time.Minute)
	copies := 0
	for _, o := range append(all, last) {
		o.want(t, nil, Delivered)
		copies += o.Sent
	}
	if copies != len(all)+1 {
		t.Errorf("got %d copies of %d messages, want one of each", copies, len(all)+1)
	}
	if last.Sent != 1 || last.RTT < 20*time.Second {
		t.Errorf("the last: got %d copies and %v, want one that took 20 s", last.Sent, last.RTT)
	}
}

// When the timer of a first hop ends, its oldest copy alone goes by another; when it
// ends again, all do.
func TestProbeThenAll(t *testing.T) {
	w, a, b := pair(t, 409)
	w.connect(a, b)
	w.dropper(a, 0)
	copies := w.copiesOf(a)
	for i := range 10 {
		a.send(b, text(i))
	}
	w.at([]moment{{249, 10}, {251, 11}, {749, 11}, {751, 20}, {5000, 20}}, copies)
	b.once(texts(10)...)
}

// moment is how many copies have left so many milliseconds after the beginning.
type moment struct {
	at   time.Duration
	want int
}

func (w *world) at(moments []moment, copies func() int) {
	w.t.Helper()
	start := w.now
	for _, m := range moments {
		w.run(start.Add(m.at * time.Millisecond).Sub(w.now))
		if got := copies(); got != m.want {
			w.t.Errorf("after %d ms: got %d copies, want %d", m.at, got, m.want)
		}
	}
}

// copiesOf counts the copies of messages that leave a node.
func (w *world) copiesOf(from *testNode) func() int {
	copies := 0
	w.tap = func(n *testNode, frame []byte) {
		if n == from && isMessage(frame) {
			copies++
		}
	}
	return func() int { return copies }
}

// With a single first hop only the oldest goes again, each time later.
func TestProbesByTheOnlyHop(t *testing.T) {
	w, a, b := pair(t, 411)
	w.hops = 1
	w.connect(a, b)
	w.dropper(a, 0)
	copies := w.copiesOf(a)
	for i := range 10 {
		a.send(b, text(i))
	}
	w.at([]moment{{249, 10}, {251, 11}, {749, 11}, {751, 12}, {1749, 12}, {1751, 13}, {2751, 14}}, copies)
	w.dropper(a)
	w.run(20 * time.Second)
	b.once(texts(10)...)

	w.dropper(a, 0) // an ack has come meanwhile: the timer begins anew
	before := copies()
	a.send(b, "again")
	b.send(a, "and the other way")
	w.at([]moment{{249, before + 1}, {251, before + 2}}, copies)
}

// What was overtaken goes again by the same first hop, and the next time by another.
func TestOvertakenGoesByTheSameHopOnce(t *testing.T) {
	w, a, b := pair(t, 412)
	w.connect(a, b)
	for _, want := range []struct{ copies, hop int }{{2, 0}, {3, 1}} {
		o := a.sendLosing(b, "lost", want.copies-1)
		for range 20 {
			w.run(6 * time.Millisecond)
			a.send(b, "overtakes")
		}
		w.run(time.Second)
		o.want(t, nil, Delivered)
		o.wantBy(t, want.copies, want.hop)
		if w.pathOf(a, b, 0).timeouts != 0 {
			t.Error("got a timeout")
		}
		if f := w.pathOf(a, b, want.hop); f.control.deliveredAt < a.t.at(o.at) {
			t.Errorf("got the last arrival at %v, want that of the copy at %v", f.control.deliveredAt, a.t.at(o.at))
		}
	}
}

// sendLosing sends a message of which the first n copies are lost.
func (n *testNode) sendLosing(to *testNode, data string, lost int) *outcome {
	var o *outcome
	n.w.dead = func(from *testNode, _ int) bool {
		first := o == nil
		if from != n || lost == 0 || !first && o.p.list != &n.peerOf(to).out.again {
			return false
		}
		lost--
		return true
	}
	o = n.send(to, data)
	return o
}

// holder is what the own links say.
type holder struct {
	says  Holding
	asked int
}

func (h *holder) of(n *testNode) {
	n.t.cfg.Holds = func(hop *wire.ID, copy uint64, mark *uint64) Holding {
		h.asked++
		*mark++
		return h.says
	}
}

// What the own link still has to bring is not sent again, however long that takes, and
// the link is asked when the timer ends and at no other time.
func TestWhatTheOwnLinkHoldsIsNotLate(t *testing.T) {
	w, a, b := pair(t, 413)
	w.connect(a, b)
	h := holder{says: Moving}
	h.of(a)
	w.dropper(a, 0)
	copies := w.copiesOf(a)
	o := a.send(b, "x")
	w.at([]moment{{249, 1}, {10_100, 1}}, copies)
	if h.asked != 40 { // each 250 ms
		t.Errorf("asked %d times within 10 s, want 40", h.asked)
	}
	h.says = Gone
	w.run(400 * time.Millisecond)
	o.want(t, nil, Delivered)
	o.wantBy(t, 2, 1)
	asked := h.asked
	for i := range 100 {
		a.send(b, text(i))
		w.run(10 * time.Millisecond)
	}
	if h.asked != asked {
		t.Errorf("asked %d times though nothing was late", h.asked-asked)
	}
}

// When the timer ends and the own link is suspect, all it holds goes by another at once,
// and that is nobody's fault.
func TestWhatASuspectLinkHoldsGoesByAnother(t *testing.T) {
	for _, says := range []Holding{Waiting, Unacked} {
		w, a, b := pair(t, 414)
		w.connect(a, b)
		h := holder{says: says}
		h.of(a)
		w.dropper(a, 0)
		copies := w.copiesOf(a)
		for i := range 10 {
			a.send(b, text(i))
		}
		w.at([]moment{{249, 10}, {251, 20}, {5000, 20}}, copies)
		b.once(texts(10)...)
		if n := a.t.scores.blamed.Load(); n != 0 {
			t.Errorf("got %d hops blamed", n)
		}
	}
}

func TestYield(t *testing.T) {
	w, a, b := pair(t, 415)
	w.connect(a, b)
	h := holder{says: Waiting}
	h.of(a)
	w.dropper(a, 0)
	copies := w.copiesOf(a)
	for i := range 10 {
		a.send(b, text(i))
	}
	w.run(limits.LinkTick)
	a.t.Yield(w.now, hopID(1)) // another link
	h.says = Unacked
	a.t.Yield(w.now, hopID(0)) // the owner of what was sent gives that another way
	if got := copies(); got != 10 {
		t.Fatalf("got %d copies, want the first 10", got)
	}
	h.says = Waiting
	a.t.Yield(w.now, hopID(0))
	if got := copies(); got != 20 {
		t.Errorf("got %d copies, want each once more at once", got)
	}
	w.run(time.Second)
	b.once(texts(10)...)
	if got := copies(); got != 20 {
		t.Errorf("got %d copies in the end, want 20", got)
	}
}

func TestPathsAreForgotten(t *testing.T) {
	w, a, b := pair(t, 410)
	w.connect(a, b)
	w.hops = 12
	w.dropper(a, 0, 1, 2, 3, 4, 5, 6, 7)
	a.sendThrough(b, "past eight")
	if got := len(a.peerOf(b).out.paths); got > limits.Paths {
		t.Errorf("got %d paths, want at most %d", got, limits.Paths)
	}
	w.pathOf(a, b, 8).srtt = time.Hour
	w.run(limits.LeadLife)
	w.dropper(a)
	for hop := range 9 {
		id := hopID(hop)
		if f := a.peerOf(b).out.pathBy(&id, a.t.at(w.now)); f.srtt == time.Hour {
			t.Error("got what was known of a first hop before limits.LeadLife")
		}
	}
}

func TestLeastTrip(t *testing.T) {
	var l leastTrip
	for _, tt := range []struct{ at, trip, want time.Duration }{
		{1, 50, 50}, {2, 40, 40}, {9, 60, 40}, {12, 70, 40}, {19, 65, 40}, {21, 80, 40}, {22, 75, 65}, {33, 90, 75}, {60, 95, 95}, {10, 99, 99},
	} {
		if l.add(tt.trip, tt.at*time.Second); l.least() != tt.want {
			t.Errorf("at %d s: got %d, want %d", tt.at, l.least(), tt.want)
		}
	}
}

func TestArrivalBeginsTheTimerAnew(t *testing.T) {
	f := &path{since: 1, timeouts: 3, newest: 9}
	f.arrived(&departure{at: 5, snapshot: snapshot{number: 1, size: 100}}, 7)
	if f.since != 7 || f.timeouts != 0 || f.newest != 9 || !f.fresh || f.got != 100 || f.last.number != 1 {
		t.Errorf("got %+v", f)
	}
}

func TestSamples(t *testing.T) {
	f := &path{}
	f.sample(100, 0, 1)
	if f.srtt != 100 || f.rttvar != 50 {
		t.Errorf("first: got %d and %d, want 100 and 50", f.srtt, f.rttvar)
	}
	f.sample(180, 0, 2)
	if f.srtt != 110 || f.rttvar != 57 {
		t.Errorf("second: got %d and %d, want 110 and 57", f.srtt, f.rttvar)
	}
	for _, jump := range []time.Duration{0, -time.Hour, limits.LeadLife + 1, time.Hour} {
		if f.sample(jump, 0, 3); f.srtt != 110 {
			t.Errorf("a clock that jumped by %v: got %d", jump, f.srtt)
		}
	}
}
