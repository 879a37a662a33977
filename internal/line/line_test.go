package line_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/line"
)

const (
	ms      = time.Millisecond
	megabit = 125_000 // bytes/s
)

func random() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// burst offers n packets of size bytes at once and returns when those that pass arrive.
func burst(l *line.Line, now time.Duration, n, size int) (arrivals []time.Duration, full, lost int) {
	for range n {
		at, fate := l.Offer(now, size)
		switch fate {
		case line.Passed:
			arrivals = append(arrivals, at)
		case line.Full:
			full++
		case line.Lost:
			lost++
		}
	}
	return arrivals, full, lost
}

func TestALineWithoutPropertiesPassesAtOnce(t *testing.T) {
	l := line.New(line.Config{}, nil)
	got, full, lost := burst(l, 5*ms, 3, 1_500)
	if want := []time.Duration{5 * ms, 5 * ms, 5 * ms}; !slices.Equal(got, want) || full+lost > 0 {
		t.Errorf("got %v, %d full, %d lost, want %v", got, full, lost, want)
	}
}

func TestPacketsAreSentOneAfterAnother(t *testing.T) {
	l := line.New(line.Config{Rate: megabit, Delay: 20 * ms}, nil)
	got, _, _ := burst(l, 0, 3, 1_250) // 10 ms each
	if want := []time.Duration{30 * ms, 40 * ms, 50 * ms}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if at, _ := l.Offer(100*ms, 1_250); at != 130*ms {
		t.Errorf("on an idle line: got %v, want 130ms", at)
	}
}

func TestABufferOfPacketsDropsTheTail(t *testing.T) {
	l := line.New(line.Config{Rate: megabit, Packets: 50}, nil)
	got, full, _ := burst(l, 0, 60, 1_250)
	if len(got) != 51 || full != 9 { // one is being sent
		t.Errorf("got %d passed, %d found no room, want 51 and 9", len(got), full)
	}
	if _, fate := l.Offer(10*ms, 1_250); fate != line.Passed {
		t.Error("after one was sent: got no room, want some")
	}
	if _, fate := l.Offer(10*ms, 1); fate != line.Full {
		t.Error("a small packet in a buffer of packets: got room, want none")
	}
}

func TestABufferOfBytes(t *testing.T) {
	l := line.New(line.Config{Rate: megabit, Bytes: 5_000}, nil)
	got, full, _ := burst(l, 0, 10, 1_250)
	if len(got) != 5 || full != 5 { // four wait
		t.Errorf("got %d passed, %d found no room, want 5 of each", len(got), full)
	}
	l = line.New(line.Config{Rate: megabit, Bytes: 100}, nil)
	if _, fate := l.Offer(0, 1_250); fate != line.Passed {
		t.Error("longer than the buffer on an idle line: got no room, want some")
	}
}

// Room says what Offer does.
func TestRoomIsWhenAPacketPasses(t *testing.T) {
	for _, cfg := range []line.Config{
		{Rate: megabit}, {Rate: megabit, Packets: 3}, {Rate: megabit, Bytes: 4_000}, {Rate: megabit, Bytes: 100}, {},
	} {
		l, r, now := line.New(cfg, nil), random(), time.Duration(0)
		for range 1_000 {
			size := 40 + r.IntN(1_460)
			at := l.Room(now, size)
			if at > now {
				if _, fate := l.Offer(at-1, size); fate != line.Full {
					t.Fatalf("%+v: got room before %v, want none", cfg, at)
				}
			}
			if _, fate := l.Offer(at, size); fate != line.Passed {
				t.Fatalf("%+v: got no room at %v, want some", cfg, at)
			}
			now = at + time.Duration(r.Int64N(int64(12*ms)))
		}
	}
}

func TestRatesByTurns(t *testing.T) {
	cfg := line.Config{Steps: []line.Step{{time.Second, 100 * megabit}, {time.Second, 8_000}}}
	l := line.New(cfg, nil)
	for _, c := range []struct{ at, want time.Duration }{
		{0, 100 * time.Microsecond},
		{time.Second, time.Second + 156_250*time.Microsecond},
		{1990 * ms, 2*time.Second + (1_250-80)*80*time.Nanosecond}, // 80 bytes in the slow step, the others in the fast one
		{3 * time.Second, 3*time.Second + 156_250*time.Microsecond},
	} {
		if got, _ := l.Offer(c.at, 1_250); got != c.want {
			t.Errorf("at %v: got %v, want %v", c.at, got, c.want)
		}
	}
	l = line.New(line.Config{Steps: []line.Step{{time.Second, 0}, {time.Second, 1_000}}}, nil)
	if got, _ := l.Offer(0, 1_500); got != 3*time.Second+500*ms {
		t.Errorf("a line that stops each second: got %v, want 3.5s", got)
	}
}

func TestLossIsOfTheShareAndTakesTheLine(t *testing.T) {
	l := line.New(line.Config{Rate: megabit, Loss: .1}, random())
	got, _, lost := burst(l, 0, 10_000, 125)
	if lost < 900 || lost > 1_100 {
		t.Errorf("got %d of 10000 lost, want about 1000", lost)
	}
	if last := got[len(got)-1]; last < 9_990*ms {
		t.Errorf("got the last at %v, want about 10s: what is lost was sent, too", last)
	}
	if s := l.Stats(); s.Sent != 1_250_000 || s.Packets != 10_000 || s.Lost != uint64(lost) {
		t.Errorf("got %+v, want all bytes and %d lost", s, lost)
	}
}

func TestJitterKeepsOrderAndReorderingDoesNot(t *testing.T) {
	l := line.New(line.Config{Rate: megabit, Delay: 10 * ms, Jitter: 50 * ms}, random())
	got, _, _ := burst(l, 0, 1_000, 125)
	if !slices.IsSorted(got) {
		t.Error("jitter alone: got packets overtaken, want none")
	}
	longest := time.Duration(0)
	for i, at := range got {
		longest = max(longest, at-time.Duration(i+1)*ms)
	}
	if longest < 50*ms || longest > 60*ms {
		t.Errorf("got a longest delay of %v, want 50ms to 60ms", longest)
	}
	l = line.New(line.Config{Rate: megabit, Reorder: .2, Lag: 5 * ms}, random())
	got, _, _ = burst(l, 0, 1_000, 125)
	overtaken := 0
	for i, at := range got {
		if at == time.Duration(i+1)*ms+5*ms {
			overtaken++
		}
	}
	if overtaken < 150 || overtaken > 250 {
		t.Errorf("got %d of 1000 overtaken, want about 200", overtaken)
	}
}

func TestTheSameRandomnessGivesTheSame(t *testing.T) {
	run := func() []time.Duration {
		l := line.New(line.Config{Rate: megabit, Jitter: 9 * ms, Loss: .1, Reorder: .1, Lag: ms, Packets: 100}, random())
		got, _, _ := burst(l, 0, 500, 700)
		return got
	}
	if a, b := run(), run(); !slices.Equal(a, b) {
		t.Errorf("got two runs that differ: %v and %v", a, b)
	}
}

// Who changes a line moves what comes, not what waits.
func TestChange(t *testing.T) {
	l := line.New(line.Config{Rate: megabit}, nil)
	burst(l, 0, 10, 1_250)
	l.Change(line.Config{Rate: 10 * megabit, Delay: 7 * ms})
	if got, _ := l.Offer(0, 1_250); got != 108*ms {
		t.Errorf("got %v, want 108ms: behind ten that take 10 ms each, 1 ms to be sent, and the delay", got)
	}
}

func TestNothingIsKeptOfWhatWasSent(t *testing.T) {
	l := line.New(line.Config{Rate: megabit, Packets: 4}, nil)
	for i := range 10_000 {
		l.Offer(time.Duration(i)*10*ms, 1_250)
	}
	if packets, bytes := l.Queued(time.Hour); packets != 0 || bytes != 0 {
		t.Errorf("got %d packets, %d bytes, want none", packets, bytes)
	}
}

func TestCheckTellsAllMistakes(t *testing.T) {
	good := line.Config{Rate: 1, Delay: 1, Jitter: 1, Packets: 1, Bytes: 1, Loss: 1, Reorder: 1, Lag: 1, Steps: []line.Step{{1, 1}}}
	if err := good.Check(); err != nil {
		t.Errorf("got %v, want none", err)
	}
	bad := line.Config{Rate: -1, Delay: -1, Jitter: -1, Packets: -1, Bytes: -1, Loss: 2, Reorder: -1, Lag: -1, Steps: []line.Step{{0, 0}}}
	err := bad.Check()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 10 {
		t.Errorf("got %v, want ten mistakes", err)
	}
}
