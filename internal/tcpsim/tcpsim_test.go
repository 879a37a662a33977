package tcpsim_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/line"
	"github.com/peermesh/peermesh/internal/tcpsim"
)

const (
	ms      = time.Millisecond
	megabit = 125_000 // bytes/s
)

// clock is a clock for one test.
type clock struct {
	now    time.Duration
	order  int
	events []event
}

type event struct {
	at    time.Duration
	order int
	e     tcpsim.Event
}

func (c *clock) Now() time.Duration { return c.now }
func (c *clock) At(at time.Duration, e tcpsim.Event) {
	c.order++
	heap.Push(c, event{at, c.order, e})
}
func (c *clock) Len() int { return len(c.events) }
func (c *clock) Less(i, j int) bool {
	a, b := &c.events[i], &c.events[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}
func (c *clock) Swap(i, j int) { c.events[i], c.events[j] = c.events[j], c.events[i] }
func (c *clock) Push(x any)    { c.events = append(c.events, x.(event)) }
func (c *clock) Pop() any {
	last := len(c.events) - 1
	e := c.events[last]
	c.events = c.events[:last]
	return e
}

func (c *clock) run(until time.Duration) {
	for len(c.events) > 0 && c.events[0].at <= until {
		e := heap.Pop(c).(event)
		c.now = e.at
		e.e.Happen()
	}
	c.now = until
}

// call is an event that calls a function.
type call func()

func (f call) Happen() { f() }

// duplex is a connection over lines that are alike both ways.
type duplex struct {
	clock       *clock
	there, back *line.Line
	cut         bool
	a, b        *tcpsim.End
}

func connect(cfg line.Config, tcp tcpsim.Config, seed uint64) *duplex {
	d := &duplex{clock: &clock{}}
	d.there = line.New(cfg, rand.New(rand.NewPCG(seed, 1)))
	d.back = line.New(cfg, rand.New(rand.NewPCG(seed, 2)))
	cut := func() bool { return d.cut }
	d.a, d.b = tcpsim.Connect(d.clock, &tcpsim.Path{Lines: []*line.Line{d.there}, Cut: cut},
		&tcpsim.Path{Lines: []*line.Line{d.back}, Cut: cut}, tcp, tcp)
	return d
}

// pour keeps an end writing and counts the bytes that arrive.
func (d *duplex) pour(n int) (arrived *int) {
	arrived = new(int)
	next := 0
	d.b.Arrived = func(m any) {
		if m.(int) != next {
			panic(fmt.Sprintf("got message %v, want %d", m, next))
		}
		next++
		*arrived += n
	}
	written := 0
	d.a.Room = func() {
		for !d.a.Full() {
			d.a.Write(n, written)
			written++
		}
	}
	d.a.Room()
	return arrived
}

// share is the part of a line's rate that arrived from one moment to another.
func (d *duplex) share(rate float64, from, to time.Duration) float64 {
	arrived := d.pour(8_000)
	d.clock.run(from)
	before := *arrived
	d.clock.run(to)
	return float64(*arrived-before) / (to - from).Seconds() / rate
}

func TestOneMessageTakesOneWay(t *testing.T) {
	d := connect(line.Config{Rate: megabit, Delay: 20 * ms}, tcpsim.Config{}, 1)
	var at time.Duration
	d.b.Arrived = func(any) { at = d.clock.now }
	d.a.Write(100, nil)
	d.clock.run(time.Second)
	if want := 20*ms + 152*8*time.Microsecond; at != want {
		t.Errorf("got it after %v, want %v", at, want)
	}
	if d.a.Held() != 0 {
		t.Errorf("got %d bytes held, want none", d.a.Held())
	}
	if rtt := d.a.RTT(); rtt < 80*ms || rtt > 85*ms {
		t.Errorf("got a round trip of %v, want 40 ms and a delayed ack", rtt)
	}
}

func TestShareOfALine(t *testing.T) {
	for _, c := range []struct {
		name     string
		line     line.Config
		control  tcpsim.Algorithm
		from, to time.Duration
		least    float64
		most     float64
	}{
		{"1 Mbit/s CUBIC", line.Config{Rate: megabit, Delay: 10 * ms, Packets: 50}, tcpsim.CUBIC, time.Second, 20 * time.Second, .95, .97},
		{"1 Mbit/s BBR", line.Config{Rate: megabit, Delay: 10 * ms, Packets: 50}, tcpsim.BBR, time.Second, 20 * time.Second, .93, .97},
		{"64 kbit/s CUBIC", line.Config{Rate: 8_000, Delay: 25 * ms, Packets: 50}, tcpsim.CUBIC, 2 * time.Second, 60 * time.Second, .93, .97},
		{"100 Mbit/s, 80 ms CUBIC", line.Config{Rate: 100 * megabit, Delay: 40 * ms, Packets: 500}, tcpsim.CUBIC, 5 * time.Second, 15 * time.Second, .75, .97},
		{"100 Mbit/s, 80 ms BBR", line.Config{Rate: 100 * megabit, Delay: 40 * ms, Packets: 500}, tcpsim.BBR, 5 * time.Second, 15 * time.Second, .85, .97},
		{"the same, 0.1 % loss, CUBIC", line.Config{Rate: 100 * megabit, Delay: 40 * ms, Packets: 500, Loss: .001}, tcpsim.CUBIC, 5 * time.Second, 15 * time.Second, .03, .12},
		{"the same, 0.1 % loss, BBR", line.Config{Rate: 100 * megabit, Delay: 40 * ms, Packets: 500, Loss: .001}, tcpsim.BBR, 5 * time.Second, 15 * time.Second, .8, .97},
		{"the same, 1 % loss, CUBIC", line.Config{Rate: 100 * megabit, Delay: 40 * ms, Packets: 500, Loss: .01}, tcpsim.CUBIC, 5 * time.Second, 15 * time.Second, .01, .04},
		{"the same, 1 % loss, BBR", line.Config{Rate: 100 * megabit, Delay: 40 * ms, Packets: 500, Loss: .01}, tcpsim.BBR, 5 * time.Second, 15 * time.Second, .75, .97},
		{"10 Mbit/s, jitter", line.Config{Rate: 10 * megabit, Delay: 10 * ms, Jitter: 5 * ms, Packets: 100}, tcpsim.CUBIC, 2 * time.Second, 12 * time.Second, .9, .97},
		{"10 Mbit/s, reordering", line.Config{Rate: 10 * megabit, Delay: 10 * ms, Reorder: .01, Lag: 4 * ms, Packets: 100}, tcpsim.CUBIC, 2 * time.Second, 12 * time.Second, .9, .97},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := connect(c.line, tcpsim.Config{Control: c.control}, 1)
			got := d.share(float64(c.line.Rate), c.from, c.to)
			s := d.there.Stats()
			t.Logf("%.3f of the line, %d packets found no room, %d lost, rtt %v", got, s.Full, s.Lost, d.a.RTT())
			if got < c.least || got > c.most {
				t.Errorf("got %.3f of the line, want %.2f to %.2f", got, c.least, c.most)
			}
		})
	}
}
