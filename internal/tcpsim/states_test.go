package tcpsim_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/line"
	"github.com/peermesh/peermesh/internal/tcpsim"
)

// Who does not read stops the writer at the receive buffer and the send buffer, and
// all goes on when he reads again.
func TestAPausedReaderHoldsTheWriter(t *testing.T) {
	d := connect(line.Config{Rate: 100 * megabit, Delay: 5 * ms}, tcpsim.Config{Receive: 200_000, SendBuffer: 100_000}, 1)
	arrived := d.pour(1_000)
	d.b.Pause()
	d.clock.run(3 * time.Second)
	if held := d.a.Held(); *arrived != 0 || held > 17_000 { // the receiver's kernel has the others
		t.Errorf("got %d bytes read and %d held, want none and 16 KiB", *arrived, held)
	}
	if !d.a.Full() {
		t.Error("got room, want none")
	}
	d.b.Resume()
	d.clock.run(d.clock.now + time.Second)
	if *arrived < 8_000_000 {
		t.Errorf("got %d bytes in a second, want 8000000 and more", *arrived)
	}
}

// A lost ack that opens the window is asked for.
func TestALostWindowUpdateIsAskedFor(t *testing.T) {
	d := connect(line.Config{Rate: 100 * megabit, Delay: 5 * ms}, tcpsim.Config{Receive: 50_000, Patience: time.Minute}, 1)
	arrived := d.pour(1_000)
	d.b.Pause()
	d.clock.run(time.Second)
	d.cut = true
	d.b.Resume()
	d.clock.run(d.clock.now + 20*ms)
	d.cut = false
	before := *arrived
	d.clock.run(d.clock.now + 5*time.Second)
	if *arrived-before < 1_000_000 {
		t.Errorf("got %d more bytes, want it to go on", *arrived-before)
	}
}

func TestACutIsSatThrough(t *testing.T) {
	d := connect(line.Config{Rate: megabit, Delay: 10 * ms, Packets: 50}, tcpsim.Config{}, 1)
	arrived := d.pour(1_000)
	d.clock.run(2 * time.Second)
	d.cut = true
	d.clock.run(7 * time.Second)
	before := *arrived
	d.cut = false
	d.clock.run(17 * time.Second)
	if got := float64(*arrived-before) / 10 / megabit; got < .5 {
		t.Errorf("got %.2f of the line after the cut, want 0.5 and more", got)
	}
}

func TestSilenceBreaksTheConnection(t *testing.T) {
	d := connect(line.Config{Rate: megabit, Delay: 10 * ms}, tcpsim.Config{}, 1)
	d.pour(1_000)
	var broke time.Duration
	d.a.Broken = func() { broke = d.clock.now }
	d.clock.run(2 * time.Second)
	d.cut = true
	d.clock.run(time.Minute)
	if broke < 17*time.Second || broke > 45*time.Second { // a timer that doubles looks late
		t.Errorf("got the end after %v, want 17s to 45s", broke)
	}
	if d.a.Full() || d.clock.Len() > 0 {
		t.Errorf("got it full, or %d events, want nothing left of it", d.clock.Len())
	}
}

// A sudden long queue makes the timer go off in vain. That is seen, and costs few
// copies.
func TestATimeoutInVainIsUndone(t *testing.T) {
	d := connect(line.Config{Rate: 10 * megabit, Delay: 10 * ms, Packets: 100}, tcpsim.Config{}, 1)
	arrived := d.pour(1_000)
	d.clock.run(time.Second)
	d.there.Change(line.Config{Rate: 10 * megabit, Delay: 2 * time.Second, Packets: 100})
	sent, before := d.there.Stats().Sent, *arrived
	d.clock.run(21 * time.Second)
	sent = d.there.Stats().Sent - sent
	d.clock.run(23 * time.Second) // what is on its way arrives
	ratio := float64(sent) / float64(*arrived-before)
	if ratio > 1.2 {
		t.Errorf("got %.2f bytes sent for each that arrived, want 1.2 at most", ratio)
	}
}

func TestConnectionsShareALine(t *testing.T) {
	for _, control := range []tcpsim.Algorithm{tcpsim.CUBIC, tcpsim.BBR} {
		c := &clock{}
		cfg := line.Config{Rate: 10 * megabit, Delay: 10 * ms, Packets: 100}
		there, back := line.New(cfg, rand.New(rand.NewPCG(1, 1))), line.New(cfg, rand.New(rand.NewPCG(1, 2)))
		var got [4]float64
		for i := range got {
			d := &duplex{clock: c}
			d.a, d.b = tcpsim.Connect(c, &tcpsim.Path{Lines: []*line.Line{there}}, &tcpsim.Path{Lines: []*line.Line{back}},
				tcpsim.Config{Control: control}, tcpsim.Config{Control: control})
			arrived := d.pour(1_000)
			c.At(60*time.Second, call(func() { got[i] = float64(*arrived) }))
		}
		c.run(time.Minute)
		sum, squares := 0.0, 0.0
		for _, x := range got {
			sum += x
			squares += x * x
		}
		if jain := sum * sum / 4 / squares; jain < .8 || math.Abs(sum/60/10/megabit-.95) > .03 {
			t.Errorf("control %d: got fairness %.3f and %.3f of the line, want 0.8 and more, and about 0.95", control, jain, sum/60/10/megabit)
		}
	}
}

// What was written before Close arrives; what comes afterwards is not read.
func TestClose(t *testing.T) {
	d := connect(line.Config{Rate: megabit, Delay: 10 * ms}, tcpsim.Config{}, 1)
	got := 0
	d.a.Arrived = func(any) { t.Error("a closed end read a message") }
	d.b.Arrived = func(any) { got++ }
	d.a.Write(20_000, nil)
	d.b.Write(20_000, nil)
	d.a.Close()
	d.clock.run(time.Minute)
	if got != 1 || d.a.Held() != 0 || d.b.Held() != 0 || d.clock.Len() > 0 {
		t.Errorf("got %d messages, %d and %d bytes held, %d events, want one and nothing left", got, d.a.Held(), d.b.Held(), d.clock.Len())
	}
}

func TestTheSameSeedGivesTheSame(t *testing.T) {
	run := func() float64 {
		cfg := line.Config{Rate: 10 * megabit, Delay: 10 * ms, Jitter: ms, Packets: 50, Loss: .01, Reorder: .01, Lag: 3 * ms}
		return connect(cfg, tcpsim.Config{}, 7).share(1, 0, 5*time.Second)
	}
	if a, b := run(), run(); a != b {
		t.Errorf("got %v and %v, want the same", a, b)
	}
}
