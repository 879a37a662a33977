package session

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// driven is a control whose copies are remembered as a flight does.
type driven struct {
	control
	now time.Duration
	out []copySent
}

type copySent struct {
	bytes int
	at    time.Duration
	left  snapshot
}

func newDriven() *driven { return &driven{control: newControl(), now: time.Hour} }

// leave sends copies of that size while there is room, at most most of them.
func (d *driven) leave(bytes, most int) (n int) {
	for ; n < most && d.room(bytes); n++ {
		d.out = append(d.out, copySent{bytes, d.now, d.depart(bytes, d.now, time.Second)})
	}
	d.look(true, n < most)
	return n
}

// land acks the n oldest copies with one ack.
func (d *driven) land(n int, marked bool) {
	a := progress{at: d.now, marked: marked}
	for _, c := range d.out[:n] {
		a.bytes += c.bytes
		a.left, a.rtt = c.left, d.now-c.at
	}
	d.out = d.out[n:]
	if a.rtt > 0 {
		d.base.add(a.rtt, d.now)
	}
	d.control.land(a.bytes)
	d.ack(&a)
}

// round sends a window and acks all of it a round trip later.
func (d *driven) round(bytes int, rtt time.Duration, marked bool) {
	d.leave(bytes, math.MaxInt)
	d.now += rtt
	d.land(len(d.out), marked)
}

// steady is a driven that has left slow start, at a window that it was cut to.
func steady(window int) *driven {
	d := newDriven()
	d.round(1_000, 20*time.Millisecond, false)
	d.slowStart, d.window = false, window
	return d
}

func TestWindowStart(t *testing.T) {
	d := newDriven()
	if n := d.leave(1_024, 100); n != 16 {
		t.Errorf("the first window: got %d messages of 1 KiB, want 16", n)
	}
}

// A message larger than the window leaves when nothing else is under way.
func TestWindowTakesOneAlways(t *testing.T) {
	d := newDriven()
	if n := d.leave(60_000, 10); n != 2 { // the floor is two messages
		t.Errorf("got %d messages, want 2", n)
	}
	d = newDriven()
	d.used, d.floored, d.window = d.now, floorLeast, 1
	if n := d.leave(60_000, 10); n != 1 {
		t.Errorf("one at a time: got %d messages, want 1", n)
	}
}

func TestWindowSlowStartDoubles(t *testing.T) {
	d := newDriven()
	for want := 2 * windowStart; want <= 1<<20; want *= 2 {
		d.round(1_024, 20*time.Millisecond, false)
		if d.window != want {
			t.Fatalf("got %d, want %d", d.window, want)
		}
	}
	d.leave(1_024, 10) // far below the window
	d.now += 20 * time.Millisecond
	before := d.window
	d.land(10, false)
	if d.window != before {
		t.Errorf("a window that held nothing back grew from %d to %d", before, d.window)
	}
}

func TestWindowEndsAtItsMost(t *testing.T) {
	d := newDriven()
	for range 40 {
		d.round(60_000, time.Millisecond, false)
	}
	if d.window != windowMost {
		t.Errorf("got %d, want %d", d.window, windowMost)
	}
}

func TestMarkEndsSlowStart(t *testing.T) {
	d := newDriven()
	for range 4 {
		d.round(1_024, 20*time.Millisecond, false)
	}
	d.rate = 0 // nothing was measured: half is left
	before := d.window
	d.leave(1_024, math.MaxInt)
	d.now += 20 * time.Millisecond
	d.out[0].left.deliveredAt = d.now
	d.land(1, true)
	if d.slowStart || d.window != before/2 {
		t.Errorf("got slow start %v, window %d, want %d", d.slowStart, d.window, before/2)
	}
}

// Two marked rounds: the first leaves 0.85, the second a half. Marks count once a round.
func TestMarksCutOnceARound(t *testing.T) {
	d := steady(100_000)
	d.rate = 0
	d.leave(1_000, math.MaxInt)
	d.now += 20 * time.Millisecond
	for range 10 { // ten acks with marks in the middle of a round
		d.rate = 0
		d.roundEnd = d.sent
		d.land(1, true)
	}
	if d.window != 100_000 {
		t.Errorf("within the round: got %d, want 100000", d.window)
	}
	for _, want := range []int{85_000, 42_500, 21_250} {
		d.rate, d.roundEnd = 0, d.out[0].left.number-1
		d.out[0].left.deliveredAt = d.now // no sample of the rate
		d.land(1, true)
		if d.window != want {
			t.Errorf("end of a marked round: got %d, want %d", d.window, want)
		}
	}
}

// A cut stops at what the way carries in its least round trip.
func TestCutStopsAtTheProduct(t *testing.T) {
	d := steady(100_000)
	d.base = leastTrip{since: d.now, now: 100 * time.Millisecond}
	d.rate = 800_000
	d.cut(cutAgain, cutLeast)
	if want := 80_000 + quantumLeast; d.window != want {
		t.Errorf("got %d, want the product %d", d.window, want)
	}
	d.cut(cutAgain, cutLeast)
	if want := (80_000 + quantumLeast) * 9 / 10; d.window != want {
		t.Errorf("a cut takes a tenth always: got %d, want %d", d.window, want)
	}
}

// Loopback: the least round trip is 50 us, the pipeline needs more. 10 ms of the
// rate stay.
func TestCutKeepsLoopbackBusy(t *testing.T) {
	d := steady(64 << 20)
	d.base = leastTrip{since: d.now, now: 50 * time.Microsecond}
	d.rate = 500e6
	for range 100 {
		d.cut(cutAgain, cutLeast)
		if d.window < 4_500_000 {
			break
		}
	}
	for range 20 {
		before := d.window
		d.cut(cutAgain, cutLeast)
		if d.window < before*9/10-1 {
			t.Errorf("below 10 ms of the rate a cut took more than a tenth: %d to %d", before, d.window)
		}
	}
}

func TestFloorAndOneAtATime(t *testing.T) {
	d := steady(3_000)
	d.rate = 1
	for i, want := range []int{3_000, 3_000, 1_500} {
		d.roundEnd, d.rate = 0, 1
		d.atFloor = d.window <= d.floor()
		d.round(1_500, time.Second, true)
		if got := d.floor(); i < 1 && got != want {
			t.Errorf("round %d: floor %d, want %d", i, got, want)
		}
	}
	if got := d.floor(); got != 1_500 {
		t.Errorf("after marked rounds at the floor: got %d, want one message", got)
	}
	d.round(1_500, time.Second, false)
	if got := d.floor(); got != 3_000 {
		t.Errorf("after a calm round: got floor %d, want 3000", got)
	}
}

func TestQuantumFollowsMessages(t *testing.T) {
	d := newDriven()
	d.leave(60_000, 1)
	if d.quantum != 60_000 {
		t.Errorf("got %d, want 60000", d.quantum)
	}
	for range 200 {
		d.depart(100, d.now, time.Second)
	}
	if d.quantum > quantumLeast+16 {
		t.Errorf("after small messages: got %d, want %d", d.quantum, quantumLeast)
	}
}

func TestGrowthBySharesOfTheWindow(t *testing.T) {
	d := steady(160_000)
	d.calm = 0
	want := 160_000
	for i := range 6 {
		if i < calmSlow {
			want += want / 16
		} else {
			want += want / 4
		}
		d.round(1_000, 20*time.Millisecond, false)
		if d.window != want {
			t.Errorf("calm round %d: got %d, want %d", i, d.window, want)
		}
	}
	for range 5 { // the window holds nothing back
		d.leave(1_000, 1)
		d.look(false, false)
		d.now += 20 * time.Millisecond
		d.land(1, false)
	}
	if d.window != want {
		t.Errorf("not full: got %d, want %d", d.window, want)
	}
	d = steady(3_000)
	d.round(1_000, 20*time.Millisecond, false)
	if d.window != 4_500 {
		t.Errorf("a small window grows by a message: got %d, want 4500", d.window)
	}
}

// A queue that nobody marks is seen in two late rounds that were full.
func TestLateRounds(t *testing.T) {
	d := steady(100_000)
	d.round(1_000, 20*time.Millisecond, false)
	at := d.window
	d.round(1_000, 600*time.Millisecond, false)
	if d.window < at {
		t.Errorf("one late round cut: %d to %d", at, d.window)
	}
	at = d.window
	d.round(1_000, 600*time.Millisecond, false)
	if d.window >= at {
		t.Errorf("two late rounds did not cut: %d to %d", at, d.window)
	}
	d = steady(100_000)
	for range 6 {
		d.leave(1_000, 3)
		d.look(false, false)
		d.now += 600 * time.Millisecond
		d.land(3, false)
	}
	if d.window != 100_000 {
		t.Errorf("a light flow was cut for delay that others cause: got %d", d.window)
	}
}

// What one overflow of a queue takes cuts once.
func TestLossCutsOncePerFlight(t *testing.T) {
	d := steady(100_000)
	d.rate = 0
	d.leave(1_000, math.MaxInt)
	for _, c := range d.out[:50] {
		d.control.land(c.bytes)
		d.lose(c.left.number)
	}
	if d.window != 50_000 || d.inflight != 50_000 {
		t.Errorf("got window %d, in flight %d, want 50000 of both", d.window, d.inflight)
	}
	d.out = d.out[50:]
	d.leave(1_000, 1)
	d.inflight = 0
	d.lose(d.depart(1_000, d.now, time.Second).number)
	if d.window != 25_000 {
		t.Errorf("what left after the cut was lost: got %d, want 25000", d.window)
	}
}

func TestExpiryHalves(t *testing.T) {
	d := newDriven()
	d.leave(1_000, 16)
	d.control.land(1_000)
	d.expire()
	if d.slowStart || d.window != windowStart/2 || d.inflight != 15_000 {
		t.Errorf("got slow start %v, window %d, in flight %d", d.slowStart, d.window, d.inflight)
	}
	d.expire()
	d.expire()
	d.expire()
	if d.window != d.floor() {
		t.Errorf("got %d, want the floor %d", d.window, d.floor())
	}
}

// After a pause nothing of before holds: neither a large window nor a small floor.
func TestIdleBeginsAnew(t *testing.T) {
	d := newDriven()
	for range 8 {
		d.round(1_024, 20*time.Millisecond, false)
	}
	d.now += 999 * time.Millisecond
	d.leave(1_024, 1)
	if d.window <= windowStart {
		t.Error("a pause below a second took the window")
	}
	d.now += 20 * time.Millisecond
	d.land(1, false)
	d.now += time.Second
	d.slowStart, d.floored = false, 5
	d.leave(1_024, 1)
	if d.window != windowStart || !d.slowStart || d.floored != 0 {
		t.Errorf("got window %d, slow start %v, floored %d", d.window, d.slowStart, d.floored)
	}
	small := steady(4_000)
	small.now += time.Minute
	small.leave(1_000, 1)
	if small.window != 4_000 {
		t.Errorf("a pause is no reason for a larger window: got %d, want 4000", small.window)
	}
}

// A line of 1 MB/s and 50 ms, acks of each message: the rate is that of the line
// when the window is larger than the product, and not below it where the sender
// itself sends little.
func TestRateSamples(t *testing.T) {
	d := steady(200_000)
	line := d.now
	step := func(most int) {
		d.leave(1_000, most)
		line = max(line, d.now) + time.Millisecond
		d.now = max(d.now, line)
		if d.now < d.out[0].at+50*time.Millisecond {
			d.now = d.out[0].at + 50*time.Millisecond
		}
		d.land(1, false)
	}
	for range 2_000 {
		step(math.MaxInt)
	}
	if math.Abs(d.rate-1e6) > 50e3 {
		t.Errorf("got %.0f B/s, want 1,000,000", d.rate)
	}
	if d.pace() != d.rate {
		t.Error("the rate of a full window is not told")
	}
	for len(d.out) > 0 {
		d.now += time.Millisecond
		d.look(false, false)
		d.land(1, false)
	}
	full := d.rate
	for range 500 { // one message each 50 ms
		d.leave(1_000, 1)
		d.look(false, false)
		d.now += 50 * time.Millisecond
		d.land(1, false)
	}
	if d.rate < full/2 {
		t.Errorf("a light flow took the rate down: %.0f to %.0f", full, d.rate)
	}
}

// In slow start the rate is that of the window: it tells nothing of what can be met.
func TestRateOfSlowStartIsNotTold(t *testing.T) {
	d := newDriven()
	d.round(1_024, 20*time.Millisecond, false)
	d.round(1_024, 20*time.Millisecond, false)
	if d.rate == 0 || d.pace() != 0 {
		t.Errorf("got rate %.0f, told %.0f, want some and 0", d.rate, d.pace())
	}
}

// Messages with less time than a round trip end before they are acked. What is on
// the line counts until something that left later has landed.
func TestAbandonedBytesCount(t *testing.T) {
	d := newDriven()
	d.leave(1_024, 16)
	for _, c := range d.out {
		d.control.land(c.bytes)
		d.abandon(c.bytes, c.left.number, d.now)
	}
	if d.room(1_024) {
		t.Fatal("the window is open although everything is on the line")
	}
	a := progress{at: d.now + 20*time.Millisecond, left: d.out[15].left}
	d.ack(&a)
	d.ack(&a)
	if d.inflight != 0 {
		t.Errorf("all has landed: got %d in flight", d.inflight)
	}
}

// Even a steady stream of messages that end early is let go of: a generation in
// each round trip.
func TestAbandonedBytesLandInAStream(t *testing.T) {
	d := newDriven()
	for i := range 10_000 {
		d.now += time.Millisecond
		d.leave(100, 1)
		if len(d.out) > 20 {
			c := d.out[len(d.out)-20]
			d.ack(&progress{at: d.now, left: c.left})
			d.out = d.out[1:]
		}
		last := d.out[len(d.out)-1]
		d.control.land(last.bytes)
		d.abandon(last.bytes, last.left.number, d.now)
		if d.inflight > 64*100 {
			t.Fatalf("message %d: got %d bytes in flight, want 2,000 to 6,400", i, d.inflight)
		}
	}
	d.control.land(d.inflight - d.ghosts[0].bytes - d.ghosts[1].bytes)
	d.expire()
	if d.inflight != 0 {
		t.Errorf("after an expiry: got %d in flight", d.inflight)
	}
}

// Whatever a peer acks, claims and marks: numbers stay in their bounds, and one
// message may always leave when nothing is under way.
func TestControlAgainstAbsurdInput(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		d := newDriven()
		for range 2_000 {
			absurd(d, r)
			checkControl(t, d, seed)
			if t.Failed() {
				return
			}
		}
	}
}

// absurd does one thing to d, within what its callers promise: counters grow.
func absurd(d *driven, r *rand.Rand) {
	jumps := [...]time.Duration{0, 1, time.Millisecond, time.Second, time.Hour, 1000 * time.Hour, -time.Second, -time.Hour}
	d.now = max(d.now+jumps[r.IntN(len(jumps))], 1)
	switch r.IntN(8) {
	case 0, 1, 2:
		d.leave(1+r.IntN(65_000), 1+r.IntN(20))
	case 3:
		d.land(r.IntN(len(d.out)+1), r.IntN(2) == 0)
	case 4: // of what was never under way, at any time, with any round trip
		d.ack(&progress{
			at: d.now, bytes: r.IntN(1 << 20), marked: r.IntN(2) == 0, rtt: time.Duration(r.Int64()),
			left: snapshot{r.Uint64(), r.Uint64(), time.Duration(r.Int64()), r.Uint32(), r.IntN(2) == 0},
		})
	case 5:
		d.lose(r.Uint64())
	case 6:
		d.control.land(r.IntN(1 << 20))
		d.expire()
	case 7:
		n := min(d.inflight, r.IntN(65_000))
		d.control.land(n)
		d.abandon(n, d.sent, d.now)
	}
}

func checkControl(t *testing.T, d *driven, seed uint64) {
	t.Helper()
	switch {
	case d.window < quantumLeast, d.window > windowMost, d.floor() < d.quantum:
		t.Errorf("seed %d: window %d, floor %d", seed, d.window, d.floor())
	case d.inflight == 0 && !d.room(65_000):
		t.Errorf("seed %d: nothing is under way and nothing may leave", seed)
	case d.inflight < 0, d.inflight > 4*windowMost:
		t.Errorf("seed %d: in flight %d", seed, d.inflight)
	case d.quantum < quantumLeast, d.quantum > 65_000:
		t.Errorf("seed %d: quantum %d", seed, d.quantum)
	case math.IsNaN(d.rate), d.rate < 0, math.IsInf(d.rate, 0):
		t.Errorf("seed %d: rate %v", seed, d.rate)
	}
}

func BenchmarkControlAck(b *testing.B) {
	d := newDriven()
	d.window, d.slowStart = 1<<20, false
	d.leave(1_024, 1_000)
	a := progress{bytes: 1_024, rtt: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		d.now += time.Microsecond
		a.at = d.now
		d.control.land(1_024)
		d.ack(&a)
		a.left = d.depart(1_024, d.now, time.Second)
		a.left.number -= 900
	}
}

// What was taken for lost and arrives all the same gives the window back, once.
func TestUndo(t *testing.T) {
	d := newDriven()
	d.leave(1_000, 16)
	d.expire()
	d.expire()
	d.undo()
	if d.window != windowStart || !d.slowStart {
		t.Errorf("after two expiries: got %d, slow start %v, want %d", d.window, d.slowStart, windowStart)
	}
	d.lose(d.sent + 1)
	before := d.window
	d.undo()
	d.undo()
	if before >= windowStart || d.window != windowStart {
		t.Errorf("after a loss: got %d, then %d, want less and %d", before, d.window, windowStart)
	}
	d.expire()
	d.slowStart, d.marks, d.rate = false, true, 0
	d.roundEnd, d.out[15].left.deliveredAt = 0, d.now
	d.land(16, false)
	cut := d.window
	if d.undo(); d.window != cut {
		t.Errorf("marks have cut it since: got %d, want %d", d.window, cut)
	}
}

func TestGhostsFade(t *testing.T) {
	d := newDriven()
	d.leave(1_000, 2)
	for _, c := range d.out {
		d.control.land(c.bytes)
		d.abandon(c.bytes, c.left.number, d.now)
		d.now += 100 * time.Millisecond
	}
	if next := d.fade(d.now, time.Second); next != d.now+800*time.Millisecond || d.inflight != 2_000 {
		t.Errorf("got the next at %v, %d in flight", next-d.now, d.inflight)
	}
	if next := d.fade(d.now+800*time.Millisecond, time.Second); next != d.now+900*time.Millisecond || d.inflight != 1_000 {
		t.Errorf("got the next at %v, %d in flight", next-d.now, d.inflight)
	}
	if next := d.fade(d.now+900*time.Millisecond, time.Second); next != 0 || d.inflight != 0 {
		t.Errorf("got the next at %v, %d in flight", next, d.inflight)
	}
}
