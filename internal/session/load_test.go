package session

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// load is a flow of numbered messages with deadlines, each ended when its own is over.
type load struct {
	w        *world
	from, to *testNode
	size     int
	deadline time.Duration

	began    []time.Time
	took     []time.Duration // until it was delivered; 0: it was not
	order    []int           // as they were delivered
	outcomes map[Outcome]int
	copies   int
	refused  int // by Send
	open     int
}

var errLate = errors.New("its time is over")

func newLoad(w *world, from, to *testNode, size int, deadline time.Duration) *load {
	l := &load{w: w, from: from, to: to, size: size, deadline: deadline, outcomes: map[Outcome]int{}}
	next := to.deliver
	to.quiet = true
	to.deliver = func(d *Delivery) reason.Reason {
		if d.From != from.self {
			return next(d)
		}
		i := int(binary.BigEndian.Uint32(d.Data))
		l.took[i] = max(w.now.Sub(l.began[i]), 1)
		l.order = append(l.order, i)
		return reason.None
	}
	return l
}

// send sends one message.
func (l *load) send() {
	i := len(l.began)
	l.began, l.took = append(l.began, l.w.now), append(l.took, 0)
	data := make([]byte, l.size)
	binary.BigEndian.PutUint32(data, uint32(i))
	m := Message{To: l.to.self, Kind: wire.PlainMessage, Data: data, Patient: true, Deadline: l.w.now.Add(l.deadline)}
	l.open++
	p, err := l.from.t.Send(l.w.now, m, func(r Result) {
		l.open--
		l.outcomes[r.Outcome]++
		l.copies += r.Sent
	})
	if err != nil {
		l.open--
		l.refused++
		return
	}
	l.w.after(l.deadline, func() { p.Cancel(l.w.now, errLate) })
}

// offer sends messages of so many bytes a second for a time.
func (l *load) offer(rate float64, lasts time.Duration) {
	every := time.Duration(float64(l.size) / rate * 1e9)
	for at := time.Duration(0); at < lasts; at += every {
		l.w.after(at, l.send)
	}
}

// keep keeps so many messages open for a time.
func (l *load) keep(n int, lasts time.Duration) {
	end := l.w.now.Add(lasts)
	var look func()
	look = func() {
		if l.w.now.After(end) {
			return
		}
		for l.open < n {
			l.send()
		}
		l.w.after(5*time.Millisecond, look)
	}
	look()
}

// inTime is how many bytes arrived in time of those that were offered between two moments.
func (l *load) inTime(from, to time.Time) (bytes int) {
	for i, at := range l.began {
		if !at.Before(from) && at.Before(to) && l.took[i] > 0 && l.took[i] <= l.deadline {
			bytes += l.size
		}
	}
	return bytes
}

// arrivedBetween is how many bytes arrived between two moments.
func (l *load) arrivedBetween(from, to time.Time) (bytes int) {
	for i, took := range l.took {
		if at := l.began[i].Add(took); took > 0 && !at.Before(from) && at.Before(to) {
			bytes += l.size
		}
	}
	return bytes
}

// quantile is that of the times of those that were offered from a moment on and arrived.
func (l *load) quantile(q float64, from time.Time) time.Duration {
	var all []time.Duration
	for i, took := range l.took {
		if took > 0 && !l.began[i].Before(from) {
			all = append(all, took)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[int(q*float64(len(all)-1))]
}

// jain is Jain's index of fairness.
func jain(shares []float64) float64 {
	sum, squares := 0., 0.
	for _, v := range shares {
		sum += v
		squares += v * v
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// 1.5 times a line of 1 Mbit/s for a minute, 5 s each. Then a burst that the line can
// meet.
func TestOverloadDeliversTheNewest(t *testing.T) {
	const rate = 125_000
	for _, own := range []bool{false, true} {
		w, a, b := pair(t, 700)
		w.connect(a, b)
		line := newBottleneck(w, rate, 20*time.Millisecond)
		if own {
			line.ownOf(a)
		} else {
			line.between(b)
		}
		l := newLoad(w, a, b, 4_096, 5*time.Second)
		start := w.now
		l.offer(1.5*rate, time.Minute)
		w.run(time.Minute + 10*time.Second)
		share := float64(l.inTime(start, start.Add(time.Minute))) / (60 * rate)
		t.Logf("own link %v: %.2f of the line in time, p50 %v, p99 %v, %v, %d copies, %d marked, %d dropped, %d refused", own, share,
			l.quantile(.5, start), l.quantile(.99, start), l.outcomes, l.copies, line.marked, line.dropped, line.refused)
		if share < .85 {
			t.Errorf("own link %v: got %.2f of the line in time, want 0.85", own, share)
		}
		if p50 := l.quantile(.5, start); p50 > 500*time.Millisecond {
			t.Errorf("own link %v: got p50 %v, want at most 500ms", own, p50)
		}
		if l.outcomes[Unknown] != 0 || l.open != 0 {
			t.Errorf("own link %v: got %d messages of which nobody knows, %d without an end, want 0", own, l.outcomes[Unknown], l.open)
		}
		if got := a.t.Overload().Unsent; got == 0 || got != uint64(l.outcomes[Undelivered]) {
			t.Errorf("own link %v: told are %d unsent messages, want the %d undelivered ones", own, got, l.outcomes[Undelivered])
		}
	}
}

// relayed is a world of two nodes with a relay's line between.
func relayed(t *testing.T, seed uint64, rate float64) (w *world, a, b *testNode, line *bottleneck) {
	w, a, b = pair(t, seed)
	w.connect(a, b)
	line = newBottleneck(w, rate, 20*time.Millisecond)
	line.between(b)
	return w, a, b, line
}

// A burst that the line can meet in time keeps its order, however much waits.
func TestBurstThatCanBeMetKeepsItsOrder(t *testing.T) {
	w, a, b, line := relayed(t, 701, 125_000)
	l := newLoad(w, a, b, 4_096, 30*time.Second)
	l.offer(300_000, 4*time.Second) // 1.2 MB: 10 s
	w.run(40 * time.Second)
	if n := len(l.began); l.outcomes[Delivered] != n || l.copies != n || line.dropped != 0 {
		t.Errorf("got %v, %d copies, %d dropped, want %d delivered by one copy each", l.outcomes, l.copies, line.dropped, n)
	}
	if !slices.IsSorted(l.order) {
		t.Error("they were not delivered in their order")
	}
	if last := l.began[0].Add(11 * time.Second); l.began[len(l.began)-1].Add(l.took[len(l.took)-1]).After(last) {
		t.Errorf("the last arrived after %v, want at most 11s", l.began[len(l.began)-1].Add(l.took[len(l.took)-1]).Sub(l.began[0]))
	}
	if a.peerOf(b).out.order.overloaded {
		t.Error("got an overload")
	}
}

// An overload that ends leaves no trace: within 2 s another flow, and the same one,
// are as before, first come first served.
func TestOverloadThatEndsLeavesNoTrace(t *testing.T) {
	w, a, b, line := relayed(t, 702, 125_000)
	c := w.add(nil)
	w.connect(c, b)
	w.run(2 * time.Second)
	calm := newLoad(w, c, b, 500, 5*time.Second)
	flood := newLoad(w, a, b, 4_096, 5*time.Second)
	start := w.now
	calm.offer(10_000, 2*time.Second)
	w.run(3 * time.Second)
	alone := calm.quantile(.99, start)
	flood.offer(2.6*125_000, 20*time.Second)
	w.run(20 * time.Second)
	flood.offer(20_000, 20*time.Second) // what comes after
	calm.offer(10_000, 20*time.Second)
	w.run(5*time.Second + 2*time.Second) // the last deadlines of the overload
	after, first := w.now, len(flood.order)
	w.run(20 * time.Second)
	for _, l := range []*load{calm, flood} {
		if p99 := l.quantile(.99, after); p99 > alone+60*time.Millisecond {
			t.Errorf("messages of %d bytes after the overload: got p99 %v, alone %v", l.size, p99, alone)
		}
	}
	if !slices.IsSorted(flood.order[first:]) {
		t.Error("after the overload: not first come first served")
	}
	if a.peerOf(b).out.order.overloaded || line.held > 8_000 {
		t.Errorf("after the overload: overloaded %v, %d bytes in the relay", a.peerOf(b).out.order.overloaded, line.held)
	}
	bulk := newLoad(w, a, b, 4_096, 5*time.Second)
	w.run(3 * time.Second)
	start = w.now
	bulk.keep(16, 10*time.Second)
	w.run(12 * time.Second)
	if share := float64(bulk.arrivedBetween(start.Add(2*time.Second), start.Add(10*time.Second))) / (8 * 125_000); share < .9 {
		t.Errorf("a bulk flow after it: got %.2f of the line, want 0.9", share)
	}
}

// Four senders over one line of 10 Mbit/s, started 3 s apart, their round trips as 1
// to 8.
func TestFourSendersShareALine(t *testing.T) {
	w, b := newWorld(t, 703), (*testNode)(nil)
	b = w.add(nil)
	var senders []*testNode
	extra := map[wire.ID]time.Duration{}
	for i := range 4 {
		a := w.add(nil)
		senders = append(senders, a)
		extra[a.self] = time.Duration(1<<i-1) * 15 * time.Millisecond
		w.connect(a, b)
	}
	line := newBottleneck(w, 1_250_000, 5*time.Millisecond)
	line.between(b)
	line.deliver = func(frame []byte) { w.after(extra[*wire.FrameSrc(frame)], func() { b.arrive(frame) }) }
	start := w.now
	var flows []*load
	for i, a := range senders {
		l := newLoad(w, a, b, 4_096, 30*time.Second)
		flows = append(flows, l)
		w.after(time.Duration(i)*3*time.Second, func() { l.keep(64, 32*time.Second-time.Duration(i)*3*time.Second) })
	}
	w.run(35 * time.Second)
	var shares []float64
	sum := 0.
	for _, l := range flows {
		share := float64(l.arrivedBetween(start.Add(11*time.Second), start.Add(31*time.Second)))
		shares, sum = append(shares, share), sum+share
	}
	t.Logf("Jain %.4f, %.2f of the line, %d marked, %d dropped", jain(shares), sum/(20*1_250_000), line.marked, line.dropped)
	if got := jain(shares); got < .98 || sum < .9*20*1_250_000 || line.dropped > 0 {
		t.Errorf("got fairness %.3f, %.2f of the line, %d dropped, want 0.98, 0.9 and none", got, sum/(20*1_250_000), line.dropped)
	}
}

// A relay that marks nothing: what stands in its queue is bounded by delay all the same.
func TestRelayThatDoesNotMark(t *testing.T) {
	w, a, b, line := relayed(t, 704, 1_250_000)
	line.unsaid = true
	l := newLoad(w, a, b, 4_096, 30*time.Second)
	start := w.now
	l.keep(2_000, 30*time.Second)
	w.run(30 * time.Second)
	if share := float64(l.arrivedBetween(start.Add(5*time.Second), start.Add(30*time.Second))) / (25 * 1_250_000); share < .9 || line.held > 900_000 {
		t.Errorf("got %.2f of the line and %d bytes in the relay", share, line.held)
	}
}

// The line has 100 Mbit/s and 64 kbit/s by turns; 4 Mbit/s are offered.
func TestRateThatAlternates(t *testing.T) {
	w, a, b, line := relayed(t, 705, 0)
	start := w.now
	line.rate = func() float64 {
		if w.now.Sub(start)/time.Second%2 == 0 {
			return 12_500_000
		}
		return 8_000
	}
	l := newLoad(w, a, b, 1_024, 10*time.Second)
	l.offer(500_000, 20*time.Second)
	w.run(40 * time.Second)
	if n := len(l.began); l.outcomes[Delivered] != n {
		t.Errorf("got %v of %d", l.outcomes, n)
	}
	if p99 := l.quantile(.99, start); p99 > 1500*time.Millisecond {
		t.Errorf("got p99 %v, want at most 1.5s", p99)
	}
}

// The least round trip jumps from 10 to 300 ms and back, as where a way changes.
func TestBaseThatJumps(t *testing.T) {
	const rate = 1_250_000
	w, a, b, line := relayed(t, 706, rate)
	l := newLoad(w, a, b, 1_024, 30*time.Second)
	l.keep(2_000, 90*time.Second)
	at := w.now
	for _, step := range []struct {
		delay, settles time.Duration
	}{{5 * time.Millisecond, 5 * time.Second}, {150 * time.Millisecond, 20 * time.Second}, {5 * time.Millisecond, 2 * time.Second}} {
		line.delay = step.delay
		w.run(30 * time.Second)
		got := float64(l.arrivedBetween(at.Add(step.settles), at.Add(30*time.Second))) / (30*time.Second - step.settles).Seconds() / rate
		if got < .8 {
			t.Errorf("with %v: got %.2f of the line, want 0.8", step.delay, got)
		}
		at = at.Add(30 * time.Second)
	}
}

// Who does not wait for the result is refused once a second of the rate waits.
func TestBackPressure(t *testing.T) {
	w, a, b, line := relayed(t, 707, 125_000)
	l := newLoad(w, a, b, 4_096, 10*time.Second)
	l.keep(64, 5*time.Second)
	w.run(15 * time.Second)
	line.rate = func() float64 { return 125_000 }
	try := func() (bytes int) {
		for bytes = 0; bytes < 8<<20; bytes += 1_000 {
			_, err := a.t.Send(w.now, Message{To: b.self, Kind: wire.PlainMessage, Data: make([]byte, 1_000)}, nil)
			if err == reason.QueueFull {
				return bytes
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return bytes
	}
	b.deliver = func(*Delivery) reason.Reason { return reason.None }
	if got := try(); got < 64<<10 || got > 64<<10+2*windowStart {
		t.Errorf("after a pause: took %d bytes, want a window and 64 KiB", got)
	}
	w.run(20 * time.Second)
	f := a.peerOf(b).out.paths[0]
	f.control.rate, f.control.measured, f.control.window, f.control.used = 1e6, true, 10_000, a.t.at(w.now)
	if got := try(); got < 1_000_000 || got > 1_020_000 {
		t.Errorf("at 1 MB/s: took %d bytes, want a second of that", got)
	}
	p, err := a.t.Send(w.now, Message{To: b.self, Kind: wire.PlainMessage, Patient: true, Deadline: w.now.Add(time.Second)}, nil)
	if err != nil {
		t.Fatalf("a patient one: got %v", err)
	}
	p.Cancel(w.now, errLate)
}

// Many peers with one message each on one slow link: each waits for its turn, and none
// is refused twice.
func TestManyPeersTakeTurns(t *testing.T) {
	const peers = 500
	w := newWorld(t, 708)
	null := func(_ *testNode, c *Config) { c.Null = true }
	a := w.add(null)
	var others []*testNode
	for range peers {
		b := w.add(null)
		b.quiet = true
		others = append(others, b)
		w.connect(a, b)
	}
	line := newBottleneck(w, 8_000, 20*time.Millisecond)
	line.ownOf(a)
	var turn []int
	for i, b := range others {
		b.deliver = func(*Delivery) reason.Reason { turn = append(turn, i); return reason.None }
		if _, err := a.t.Send(w.now, Message{To: b.self, Kind: wire.PlainMessage, Data: make([]byte, 1_000), Patient: true, Deadline: w.now.Add(time.Hour)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	most := 0
	for range 80 {
		w.run(time.Second)
		most = max(most, line.held)
	}
	if len(turn) != peers || !slices.IsSorted(turn) {
		t.Errorf("served: got %d, in turn %v, want %d in turn", len(turn), slices.IsSorted(turn), peers)
	}
	if most > 20<<10 {
		t.Errorf("got %d bytes in the link", most)
	}
	if line.refused > 4*peers {
		t.Errorf("got %d refused for %d messages: all are asked whenever there is room for one", line.refused, peers)
	}
	if len(a.t.waits.byHop) != 0 {
		t.Error("somebody still waits")
	}
}

// What a peer says of acks: never, late, of everything at once, with absurd delays and
// marks. Nothing grows beyond its bounds, and messages end at their deadlines.
func TestPeerThatAcksAbsurdly(t *testing.T) {
	lost := map[string]float64{"never": 1, "half": .5}
	tests := map[string]func(ack *wire.AckBody, w *world){
		"never":           func(*wire.AckBody, *world) {},
		"half":            func(*wire.AckBody, *world) {},
		"absurd delays":   func(ack *wire.AckBody, w *world) { ack.Delay = uint16(w.rand.Uint32()) },
		"absurd marks":    func(ack *wire.AckBody, w *world) { ack.Marked = w.rand.Uint32() },
		"absurd counters": func(ack *wire.AckBody, w *world) { ack.Newest = uint64(w.rand.IntN(100)) },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			w, a, b := pair(t, 709)
			w.connect(a, b)
			absurd := true
			w.ackBody(a, b, func(ack *wire.AckBody) {
				if absurd {
					change(ack, w)
				}
			})
			w.tamper = func(to *testNode, frame []byte) bool {
				return !absurd || to != a || !isAck(frame) || w.rand.Float64() >= lost[name]
			}
			l := newLoad(w, a, b, 4_096, 5*time.Second)
			l.offer(1_000_000, 20*time.Second)
			for range 30 {
				w.run(time.Second)
				for _, f := range a.peerOf(b).out.paths {
					if c := &f.control; c.inflight < 0 || c.inflight > 2*max(c.window, c.floor(), 1<<20) || c.window > windowMost {
						t.Fatalf("got window %d, %d in flight", c.window, c.inflight)
					}
				}
			}
			if l.open != 0 {
				t.Errorf("%d messages have not ended", l.open)
			}
			absurd = false
			after := w.now
			l.offer(20_000, 20*time.Second)
			w.run(30 * time.Second)
			if p99 := l.quantile(.99, after.Add(10*time.Second)); p99 == 0 || p99 > time.Second {
				t.Errorf("once it acks well again: got p99 %v", p99)
			}
		})
	}
}

// A line that takes everything for ten seconds and brings nothing: the copies that
// timers send again leave whatever the window is, so that the end of it is noticed.
func TestWindowIsProbedThroughAnOutage(t *testing.T) {
	w, a, b, _ := relayed(t, 710, 125_000)
	w.hops = 1
	l := newLoad(w, a, b, 4_096, time.Minute)
	l.keep(16, 30*time.Second)
	w.run(5 * time.Second)
	w.tamper = func(*testNode, []byte) bool { return false }
	w.run(10 * time.Second)
	w.tamper = nil
	back := w.now
	w.run(40 * time.Second)
	if l.outcomes[Delivered] != len(l.began) {
		t.Errorf("got %v of %d", l.outcomes, len(l.began))
	}
	if got := l.arrivedBetween(back, back.Add(15*time.Second)); got < 3*125_000 {
		t.Errorf("in 15 s after it: got %d bytes, want 3 s of the line", got)
	}
}

// Messages that end sooner than a round trip takes are bound to the window too.
func TestShortDeadlinesKnowTheWindow(t *testing.T) {
	w, a, b, line := relayed(t, 711, 125_000)
	line.delay = 200 * time.Millisecond
	l := newLoad(w, a, b, 4_096, 300*time.Millisecond)
	l.offer(1_000_000, 20*time.Second)
	most := 0
	for range 250 {
		w.run(100 * time.Millisecond)
		most = max(most, line.held)
	}
	if l.open != 0 || line.dropped > 0 || most > 60_000 {
		t.Errorf("got %d open, %d dropped, %d bytes in the relay", l.open, line.dropped, most)
	}
	after := newLoad(w, a, b, 500, 5*time.Second)
	after.offer(10_000, 5*time.Second)
	w.run(10 * time.Second)
	if after.outcomes[Delivered] != len(after.began) {
		t.Errorf("afterwards: got %v of %d", after.outcomes, len(after.began))
	}
}

// A clock that jumps ahead amid a flow, and back between two, which no process sees
// whose clock is monotonic: messages go on and end.
func TestWindowSurvivesClockJumps(t *testing.T) {
	w, a, b, _ := relayed(t, 712, 125_000)
	l := newLoad(w, a, b, 4_096, 10*time.Second)
	for _, jump := range []time.Duration{time.Hour, -30 * time.Minute, 5 * time.Second, -5 * time.Second} {
		if jump < 0 {
			w.run(20 * time.Second)
		}
		w.now = w.now.Add(jump)
		l.offer(100_000, 2*time.Second)
		w.run(time.Second)
		f := a.peerOf(b).out.paths[0]
		if c := &f.control; c.window > windowMost || c.inflight < 0 || c.rate > 1e9 {
			t.Errorf("after %v: got window %d, %d in flight, rate %.0f", jump, c.window, c.inflight, c.rate)
		}
	}
	w.run(20 * time.Second)
	if l.open != 0 {
		t.Errorf("%d messages have not ended", l.open)
	}
	after := newLoad(w, a, b, 4_096, 10*time.Second)
	after.offer(60_000, 5*time.Second)
	w.run(20 * time.Second)
	if after.outcomes[Delivered] != len(after.began) {
		t.Errorf("afterwards: got %v of %d", after.outcomes, len(after.began))
	}
}

// What the timer sends again leaves although the window is full of what is lost.
func TestTimerSendsBeyondTheWindow(t *testing.T) {
	w, a, b := pair(t, 713)
	w.hops = 1
	w.connect(a, b)
	left := 0
	w.tap = func(from *testNode, frame []byte) {
		if from == a && isMessage(frame) {
			left++
		}
	}
	w.cut = func(_, _ *testNode) bool { return true }
	for range 40 {
		a.sendMessage(Message{To: b.self, Kind: wire.PlainMessage, Data: make([]byte, 1_000), Patient: true})
	}
	window := left
	w.run(600 * time.Millisecond)
	if window < 10 || window > 16 || left != window+1 {
		t.Errorf("got %d copies at first and %d after a timeout, want a window and one more", window, left)
	}
}

// A copy that is overtaken is lost: the window is cut, once for all of one flight.
func TestLossesCutTheWindow(t *testing.T) {
	w, a, b := pair(t, 714)
	w.connect(a, b)
	n := 0
	w.tamper = func(to *testNode, frame []byte) bool {
		if to == b && isMessage(frame) {
			n++
			return n > 5
		}
		return true
	}
	for range 14 {
		a.sendMessage(Message{To: b.self, Kind: wire.PlainMessage, Data: make([]byte, 1_000), Patient: true})
		w.run(2 * time.Millisecond)
	}
	w.run(100 * time.Millisecond)
	if c := &a.peerOf(b).out.paths[0].control; c.slowStart || c.window >= windowStart || c.window < windowStart/2 {
		t.Errorf("got window %d, slow start %v, want one cut of %d", c.window, c.slowStart, windowStart)
	}
}

// Where round trips become longer than the timer at once, nothing is lost: the window
// is what it was.
func TestSuddenDelayCutsNoWindow(t *testing.T) {
	w, a, b := pair(t, 715)
	w.hops = 1
	w.connect(a, b)
	w.delay = 400 * time.Millisecond
	for range 14 {
		a.sendMessage(Message{To: b.self, Kind: wire.PlainMessage, Data: make([]byte, 1_000), Patient: true})
		w.run(20 * time.Millisecond)
	}
	w.run(3 * time.Second)
	if c := &a.peerOf(b).out.paths[0].control; c.window < windowStart || !c.slowStart {
		t.Errorf("got window %d, slow start %v, want %d or more", c.window, c.slowStart, windowStart)
	}
}
