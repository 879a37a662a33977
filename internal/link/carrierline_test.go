package link

import (
	"math"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// model is a carrier over a line, and a neighbour that reads what comes, in steps of a
// millisecond. Something always waits unless idle says otherwise.
type model struct {
	t    *testing.T
	line carrierLine
	now  time.Duration

	rate   func(at time.Duration) float64       // bytes/s of the line
	base   func(at time.Duration) time.Duration // round trip of an empty line
	read   func(at time.Duration) float64       // bytes/s that the neighbour reads; nil: at once
	buffer int                                  // bytes that a proxy on the way takes at once
	smooth bool                                 // the carrier tells a mean round trip, as TCP does
	idle   func(at time.Duration) bool
	lie    func(l Line) Line // what the carrier tells

	handed, acked, taken uint64
	sent, arrived        float64 // bytes that the line has sent, and that have arrived
	trips                []sentAt
	acks                 []sentAt // that are on their way back
	unread               float64
	rtt                  time.Duration
	looks                int
	wake                 time.Duration
	most, mostUnread     int // bytes held and unread at most since reset
	moved                uint64
	told                 uint64 // what the last link ack told
}

func steady[T any](v T) func(time.Duration) T { return func(time.Duration) T { return v } }

func newWorld(t *testing.T, rate float64, base time.Duration) *model {
	w := &model{t: t, rate: steady(rate), base: steady(base)}
	w.rtt = base // of the handshakes
	w.line = newLine(w.ask, drivenStart)
	return w
}

func (w *model) clock() time.Time { return drivenStart.Add(w.now) }

func (w *model) ask() (Line, bool) {
	w.looks++
	l := Line{Held: int(w.handed - w.acked), RTT: w.rtt, Segment: 1448}
	if w.lie != nil {
		l = w.lie(l)
	}
	return l, true
}

// run lets time pass.
func (w *model) run(d time.Duration) {
	for end := w.now + d; w.now < end; w.now += time.Millisecond {
		w.arrive()
		w.hand()
		w.send()
		w.most = max(w.most, int(w.handed-w.acked))
		w.mostUnread = max(w.mostUnread, int(w.handed-w.taken))
	}
}

// reset begins to count anew.
func (w *model) reset() { w.most, w.mostUnread, w.moved, w.looks = 0, 0, w.taken, 0 }

// use is the share of a rate that has got through since reset, in a time.
func (w *model) use(rate float64, d time.Duration) float64 {
	return float64(w.taken-w.moved) / (rate * d.Seconds())
}

func (w *model) hand() {
	for w.now >= w.wake && (w.idle == nil || !w.idle(w.now)) {
		if !w.line.room(w.clock(), w.handed, w.taken) {
			w.wake = w.now + w.line.pause()
			return
		}
		n := uint64(w.line.flush(int(w.handed - w.taken)))
		w.line.handed(w.clock(), w.handed, w.handed+n, w.taken, true)
		w.handed += n
		w.trips = append(w.trips, sentAt{w.handed, w.now})
		if !w.line.slow {
			return // a flush a millisecond
		}
	}
	if w.idle != nil && w.idle(w.now) {
		w.line.limited = w.handed
	}
}

// send has the line send for a millisecond; a proxy takes what fits into its buffer.
func (w *model) send() {
	before := w.sent
	w.sent = min(float64(w.handed), w.sent+w.rate(w.now)/1000)
	if w.buffer > 0 {
		w.acked = max(w.acked, min(w.handed, uint64(w.sent)+uint64(w.buffer)))
	}
	if w.sent > before {
		back := w.now + max(w.base(w.now), time.Millisecond)
		w.acks = append(w.acks, sentAt{uint64(w.sent), back})
	}
}

// arrive takes the acknowledgements that have come back, and has the neighbour read.
func (w *model) arrive() {
	for len(w.acks) > 0 && w.acks[0].at <= w.now {
		w.arrived = float64(w.acks[0].bytes)
		w.acked = max(w.acked, w.acks[0].bytes)
		w.acks = w.acks[1:]
	}
	for len(w.trips) > 0 && w.trips[0].bytes <= w.acked {
		w.measured(w.now - w.trips[0].at)
		w.trips = w.trips[1:]
	}
	w.unread = w.arrived - float64(w.taken)
	n := w.unread
	if w.read != nil {
		n = min(n, w.read(w.now)/1000)
	}
	w.taken += uint64(n)
	rate := w.rate(w.now)
	if w.read != nil {
		rate = min(rate, w.read(w.now))
	}
	if step := max(limits.AckBytesMin, uint64(rate*limits.AckSpan.Seconds())); w.taken >= w.told+step || w.taken == w.handed && w.taken > w.told {
		w.told = w.taken
		w.line.took(w.clock(), w.taken)
		w.wake = 0
	}
}

func (w *model) measured(trip time.Duration) {
	if trip = max(trip, time.Microsecond); w.smooth && w.rtt > 0 {
		w.rtt += (trip - w.rtt) / 8
	} else {
		w.rtt = trip
	}
}

// What the carrier holds is what the line needs and a little more, and the line is
// used. A light flow waits for no more than that.
func TestLineKeepsTheCarrierShort(t *testing.T) {
	for _, test := range []struct {
		rate   float64
		base   time.Duration
		smooth bool
		least  float64 // of the line that has to be used
	}{
		{64e3 / 8, 50 * time.Millisecond, false, 0.97},
		{mbit, time.Millisecond, false, 0.97},
		{mbit, 40 * time.Millisecond, false, 0.97},
		{mbit, 40 * time.Millisecond, true, 0.96},
		{mbit, 300 * time.Millisecond, true, 0.9},
		{10 * mbit, 20 * time.Millisecond, true, 0.97},
		{100 * mbit, 80 * time.Millisecond, false, 0.97},
		{100 * mbit, 80 * time.Millisecond, true, 0.95},
	} {
		w := newWorld(t, test.rate, test.base)
		w.smooth = test.smooth
		w.run(10 * time.Second)
		w.reset()
		const span = 40 * time.Second
		w.run(span)
		packets := time.Duration(3 * limits.SlowBatchMin / test.rate * float64(time.Second)) // what a flush adds
		base := test.base + packets + max(test.base/6, 8*time.Millisecond)
		limit := max(test.rate*(base+max(limits.LineTarget, base-limits.LineTarget)).Seconds(), 2*limits.LineSegment)
		if held := float64(w.most); held > limit+float64(w.line.flush(int(w.handed-w.taken))) {
			t.Errorf("%v: held %.0f bytes at most, want %.0f", test, held, limit)
		}
		if got := w.use(test.rate, span); got < test.least {
			t.Errorf("%v: %.3f of the line was used, want %v", test, got, test.least)
		}
		if got := float64(w.line.rate()); math.Abs(got/test.rate-1) > 0.1 {
			t.Errorf("%v: the rate is said to be %.0f", test, got)
		}
		if got := w.line.base(); got < test.base || got > base {
			t.Errorf("%v: the base is said to be %v, want at most %v", test, got, base)
		}
	}
}

// The rate of a line that alternates is followed: what stands when it falls is what
// the line had use for before, and after a second of it no more than it has use for now.
func TestLineFollowsARateThatAlternates(t *testing.T) {
	const fast, slow = 100 * mbit, 64e3 / 8
	w := newWorld(t, fast, 20*time.Millisecond)
	w.rate = func(at time.Duration) float64 {
		if at/(4*time.Second)%2 == 1 {
			return slow
		}
		return fast
	}
	for round := range 4 {
		w.reset()
		w.run(4 * time.Second)
		if got := w.use(fast, 4*time.Second); got < 0.85 {
			t.Errorf("round %d, fast: %.2f of the line was used", round, got)
		}
		w.reset()
		w.run(4 * time.Second)
		if most := int(fast * 45e-3); w.most > most+limits.SlowBatch {
			t.Errorf("round %d, slow: %d bytes held, want at most %d", round, w.most, most)
		}
	}
}

// A way that gets longer is found out within 20 s, and one that gets shorter at once.
func TestLineFollowsTheRoundTrip(t *testing.T) {
	w := newWorld(t, 10*mbit, 10*time.Millisecond)
	w.base = func(at time.Duration) time.Duration {
		if at >= 15*time.Second && at < 75*time.Second {
			return 300 * time.Millisecond
		}
		return 10 * time.Millisecond
	}
	w.run(35 * time.Second)
	if got := w.line.base(); got < 300*time.Millisecond {
		t.Errorf("20 s after it got longer: the base is said to be %v", got)
	}
	w.run(5 * time.Second)
	w.reset()
	w.run(30 * time.Second)
	if got := w.use(10*mbit, 30*time.Second); got < 0.9 {
		t.Errorf("longer: %.2f of the line was used", got)
	}
	w.run(17 * time.Second)
	if got := w.line.base(); got > 20*time.Millisecond {
		t.Errorf("12 s after it got shorter: the base is said to be %v", got)
	}
}

// A neighbour that reads slowly, or a proxy that takes all at once, does not hide what
// has not arrived.
func TestLineBoundsWhatIsNotRead(t *testing.T) {
	for name, change := range map[string]func(w *model){
		"a slow reader": func(w *model) { w.rate, w.read = steady[float64](1000*mbit), steady[float64](mbit) },
		"a proxy":       func(w *model) { w.buffer = 4 << 20 },
	} {
		w := newWorld(t, mbit, 40*time.Millisecond)
		change(w)
		w.rtt = time.Millisecond
		w.run(5 * time.Second)
		w.reset()
		w.run(30 * time.Second)
		if most := int(mbit * 0.35); w.mostUnread > most {
			t.Errorf("%s: %d bytes were not read, want at most %d", name, w.mostUnread, most)
		}
		if got := w.use(mbit, 30*time.Second); got < 0.85 {
			t.Errorf("%s: %.2f of what it reads was used", name, got)
		}
	}
}

// A link is slow until its neighbour has taken much in little time; from then on
// nobody asks its carrier.
func TestAFastLineIsLeftAlone(t *testing.T) {
	w := newWorld(t, 4000*mbit, 100*time.Microsecond)
	w.run(50 * time.Millisecond)
	if w.line.slow || w.line.m != nil {
		t.Fatalf("after %v it is slow, at %d bytes/s", w.now, w.line.rate())
	}
	w.reset()
	w.run(time.Second)
	if w.looks > 0 {
		t.Errorf("got %d looks at a fast line, want none", w.looks)
	}
}

// While little is under way the carrier is not asked, and nothing is measured.
func TestALightFlowAsksNothing(t *testing.T) {
	w := newWorld(t, 10*mbit, 20*time.Millisecond)
	w.looks = 0
	w.idle = func(at time.Duration) bool { return at%(50*time.Millisecond) != 0 || w.handed > w.taken }
	w.run(10 * time.Second)
	if w.looks > 0 || w.line.m != nil || w.handed == 0 {
		t.Errorf("got %d looks for %d bytes, want none", w.looks, w.handed)
	}
}

// A rate that is low because little was sent is no rate of the line; a rate that is
// high is.
func TestLineKeepsItsRateWhileLittleIsSent(t *testing.T) {
	w := newWorld(t, 10*mbit, 20*time.Millisecond)
	w.run(5 * time.Second)
	before := w.line.rate()
	w.idle = func(at time.Duration) bool { return at%(20*time.Millisecond) != 0 }
	w.run(30 * time.Second)
	if got := w.line.rate(); got < before*9/10 {
		t.Errorf("the rate is said to be %d, and was %d while the line was full", got, before)
	}
}

// What a carrier says against all reason does no harm: no panic, no limit beyond
// bounds, and the line is still used.
func TestLineDoesNotBelieveEverything(t *testing.T) {
	for name, lie := range map[string]func(l Line) Line{
		"nothing":               func(Line) Line { return Line{} },
		"all is held":           func(l Line) Line { l.Held = math.MaxInt; return l },
		"less than nothing":     func(l Line) Line { l.Held, l.Lost = math.MinInt, math.MinInt; return l },
		"all is lost":           func(l Line) Line { l.Lost = math.MaxInt; return l },
		"round trips of a year": func(l Line) Line { l.RTT = 8760 * time.Hour; return l },
		"negative ones":         func(l Line) Line { l.RTT = -time.Hour; return l },
		"huge segments":         func(l Line) Line { l.Segment = math.MaxInt; return l },
		"negative segments":     func(l Line) Line { l.Segment = math.MinInt; return l },
	} {
		w := newWorld(t, mbit, 40*time.Millisecond)
		w.lie = lie
		w.run(30 * time.Second)
		w.reset()
		w.run(10 * time.Second)
		if got := w.use(mbit, 10*time.Second); got < 0.5 {
			t.Errorf("%s: %.2f of the line was used", name, got)
		}
		if w.mostUnread > int(3*mbit) {
			t.Errorf("%s: %d bytes under way", name, w.mostUnread)
		}
	}
}

// A clock that jumps costs some round trips, no more.
func TestLineSurvivesAClockThatJumps(t *testing.T) {
	for name, jump := range map[string]time.Duration{"an hour on": time.Hour, "back": -3 * time.Second, "back before the beginning": -time.Hour} {
		w := newWorld(t, mbit, 40*time.Millisecond)
		w.run(10 * time.Second)
		w.line.start = w.line.start.Add(-jump)
		w.run(5 * time.Second)
		w.reset()
		w.run(20 * time.Second)
		if got := w.use(mbit, 20*time.Second); got < 0.9 {
			t.Errorf("%s: %.2f of the line was used", name, got)
		}
		if w.most > int(0.2*mbit) {
			t.Errorf("%s: %d bytes held", name, w.most)
		}
	}
}

// A neighbour that takes nothing while something is held back for it is stuck.
func TestLineThatTakesNothingIsStuck(t *testing.T) {
	w := newWorld(t, mbit, 40*time.Millisecond)
	w.run(10 * time.Second)
	w.rate = steady[float64](0)
	w.run(limits.WriteStall - 100*time.Millisecond)
	if w.line.stuck(w.clock()) {
		t.Error("stuck too soon")
	}
	w.run(time.Second)
	if !w.line.stuck(w.clock()) {
		t.Error("not stuck")
	}
	w.rate = steady[float64](mbit)
	w.run(time.Second)
	if w.line.stuck(w.clock()) {
		t.Error("stuck although something gets through")
	}
}

// A link that was fast is found out to be slow within two ticks.
func TestLineThatTurnsSlowIsFoundOut(t *testing.T) {
	n := newLine(func() (Line, bool) { return Line{}, true }, drivenStart)
	n.leave()
	now := drivenStart
	for tick, test := range []struct {
		handed, taken uint64
		slow          bool
	}{
		{1 << 20, 1 << 20, false},
		{3 << 20, 3<<20 - 10_000, false}, // an ack may leave that much out
		{4 << 20, 3<<20 + 10_000, false}, // what is not read yet was not there at the last tick
		{4 << 20, 3<<20 + 20_000, true},
	} {
		now = now.Add(limits.LinkTick)
		if n.tick(now, test.handed, test.taken); n.slow != test.slow {
			t.Fatalf("tick %d: got slow %v, want %v", tick, n.slow, test.slow)
		}
	}
	if got := n.rate(); got != 400_000 {
		t.Errorf("got a rate of %d, want that of the last tick", got)
	}
}

// A link on which no time passes begins fast, so that a window of small messages pays
// for no flows. It can still turn slow.
func TestALinkOfAMachineBeginsFast(t *testing.T) {
	for _, test := range []struct {
		trip time.Duration
		slow bool
	}{
		{50 * time.Microsecond, false},
		{limits.LineBaseNear, true},
		{0, true}, // not known
	} {
		trip := test.trip
		n := newLine(func() (Line, bool) { return Line{RTT: trip}, true }, drivenStart)
		if n.slow != test.slow {
			t.Errorf("a first round trip of %v: got slow %v, want %v", trip, n.slow, test.slow)
		}
		trip = limits.LineTarget
		if n.enter(drivenStart.Add(time.Second), 1<<10, 0); !n.slow {
			t.Errorf("a first round trip of %v, then little gets through: got fast, want slow", test.trip)
		}
	}
}
