package testnet

import (
	"errors"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/tcpsim"
)

var slowLine = Line{Rate: mbit, Delay: 20 * time.Millisecond, Buffer: 50}

// burst: 300 messages of 4 KiB in 4 s, which the line needs 10 s for.
func burst(t testing.TB, seed uint64, first bool) []figure {
	from, to := 0, 2
	lab := newLineLab(t, Options{Seed: seed}, 1, []int{0}, func(lab *lineLab) {
		if first {
			from, to = 1, 0
		}
		lab.duplexLine(from, to, slowLine)
	})
	f := lab.flow(lineFlow{
		from: lab.nodes[1], size: 4_096, every: 4 * time.Second / 300, most: 300, deadline: 30 * time.Second, end: 8 * time.Second,
	})
	wire := lab.wireFrom(from, to)
	lab.run()
	last := f.messages[0].began
	for _, m := range f.messages {
		last = max(last, m.arrived)
	}
	return []figure{
		{"arrive", float64(f.arrived()) / float64(len(f.messages))}, {"wire", wire()},
		{"goodput", float64(f.arrived()*f.size) / (last - lab.began).Seconds() / mbit},
		{"duplicates", lab.duplicates()}, {"unknown", float64(f.unknown)}, {"p50 ms", f.delay(.5)}, {"max ms", f.delay(1)},
	}
}

// overload: 1.5 times the line for 60 s, 5 s each.
func overload(t testing.TB, seed uint64) []figure {
	lab := newLineLab(t, Options{Seed: seed}, 1, []int{0}, func(lab *lineLab) { lab.duplexLine(0, 2, slowLine) })
	f := lab.flow(lineFlow{
		from: lab.nodes[1], size: 4_096, every: time.Second * 4_096 * 2 / (mbit * 3), deadline: 5 * time.Second, end: 60 * time.Second,
	})
	wire := lab.wireFrom(0, 2)
	lab.run()
	return []figure{
		{"goodput", f.goodput(0, 60*time.Second) / mbit}, {"unknown", float64(f.unknown)}, {"undelivered", float64(f.failed)},
		{"p50 ms", f.delayOfDelivered(.5)}, {"wire", wire()}, {"duplicates", lab.duplicates()},
	}
}

// light: 500 B, 20/s, beside a flood of another sender.
func light(t testing.TB, seed uint64, size, window int) []figure {
	lab := newLineLab(t, Options{Seed: seed}, 1, []int{0, 0}, func(lab *lineLab) { lab.duplexLine(0, 3, slowLine) })
	flood := lab.flow(lineFlow{from: lab.nodes[1], size: size, window: window, deadline: 60 * time.Second, end: 40 * time.Second})
	f := lab.flow(lineFlow{
		from: lab.nodes[2], size: 500, every: 50 * time.Millisecond, deadline: 30 * time.Second, most: 700, start: 3 * time.Second, end: 50 * time.Second,
	})
	lab.run()
	return []figure{
		{"arrive", float64(f.arrived()) / float64(len(f.messages))}, {"p50 ms", f.delay(.5)}, {"p99 ms", f.delay(.99)},
		{"flood", flood.goodput(3*time.Second, 38*time.Second) / mbit},
	}
}

// fair: four senders over one line of 10 Mbit/s, started 3 s apart.
func fair(t testing.TB, seed uint64, oneIngress, tcp bool) []figure {
	relays, at := 1, []int{0, 0, 0, 0}
	if oneIngress {
		relays = 2
	}
	l := Line{Rate: 10 * mbit, Delay: 10 * time.Millisecond, Buffer: 100}
	var last, receiver int
	lab := newLineLab(t, Options{Seed: seed}, relays, at, func(lab *lineLab) {
		last, receiver = relays-1, lab.receiver
		lab.duplexLine(last, receiver, l)
	})
	for i, from := range lab.senders {
		lab.flow(lineFlow{
			from: lab.nodes[from], size: 4_096, window: 64, deadline: 60 * time.Second, start: time.Duration(i) * 3 * time.Second, end: 31 * time.Second,
		})
	}
	from, to := 11*time.Second, 31*time.Second
	var bare *bareTCP
	before := 0
	if tcp {
		bare = lab.bareTCP(last, receiver, tcpsim.Config{})
	}
	if tcp {
		lab.heap.push(lab.began+from, lineCall(func() { before = bare.arrived }), 0)
	}
	after := 0
	lab.heap.push(lab.began+to, lineCall(func() {
		if tcp {
			after = bare.arrived
			bare.from.Abort()
		}
	}), 0)
	lab.run()
	shares, sum := []float64(nil), 0.0
	p99 := 0.0
	for _, f := range lab.flows {
		shares = append(shares, f.goodput(from, to))
		sum += f.goodput(from, to)
		p99 = max(p99, f.delay(.99))
	}
	figures := []figure{{"Jain", jain(shares)}, {"ours", sum / 10 / mbit}, {"p99 ms", p99}}
	if tcp {
		figures = append(figures, figure{"TCP", float64(after-before) / (to - from).Seconds() / 10 / mbit})
	}
	return figures
}

// lineCall is an event that calls a function.
type lineCall func()

func (f lineCall) happen(*Simulation, simKind) { f() }

// many: 20 senders at 1.5 times a line of 64 kbit/s for 120 s, 1 kB each, 20 s.
func many(t testing.TB, seed uint64) []figure {
	l := Line{Rate: 64 * kbit, Delay: 20 * time.Millisecond, Buffer: 50}
	lab := newLineLab(t, Options{Seed: seed}, 1, make([]int, 20), func(lab *lineLab) { lab.duplexLine(0, lab.receiver, l) })
	for i, from := range lab.senders {
		every := time.Second * 1_000 * 20 * 2 / (64 * kbit * 3)
		lab.flow(lineFlow{
			from: lab.nodes[from], size: 1_000, every: every, start: every * time.Duration(i) / 20, deadline: 20 * time.Second, end: 120 * time.Second,
		})
	}
	wire := lab.wireFrom(0, lab.receiver)
	lab.run()
	shares, sum, unknown := []float64(nil), 0.0, 0
	for _, f := range lab.flows {
		shares = append(shares, f.goodput(0, 120*time.Second))
		sum += f.goodput(0, 120*time.Second)
		unknown += f.unknown
	}
	return []figure{{"goodput", sum / 64 / kbit}, {"Jain", jain(shares)}, {"wire", wire()}, {"unknown", float64(unknown)}, {"duplicates", lab.duplicates()}}
}

// frameHeaders is what a message takes more in the batch of a link.
const frameHeaders = 95

// long: 1 KiB messages on 100 Mbit/s with a round trip of 80 ms, beside what the
// same carrier moves bare.
func long(t testing.TB, seed uint64, loss float64, bbr bool) []figure {
	l := Line{Rate: 100 * mbit, Delay: 40 * time.Millisecond, Buffer: 500, Loss: loss}
	lab := newLineLab(t, Options{Seed: seed, BBR: bbr}, 1, []int{0}, func(lab *lineLab) { lab.duplexLine(0, 2, l) })
	from, to, runs := 5*time.Second, 15*time.Second, 1
	if loss > 0 && !bbr { // what CUBIC moves then is as its luck is
		to, runs = 65*time.Second, 5
	}
	f := lab.flow(lineFlow{from: lab.nodes[1], size: 1_024, window: 4_096, deadline: 60 * time.Second, end: to})
	control := tcpsim.CUBIC
	if bbr {
		control = tcpsim.BBR
	}
	var carried [2]uint64
	for i, at := range []time.Duration{from, to} {
		lab.heap.push(lab.began+at, lineCall(func() {
			for _, k := range lab.nodes[0].links {
				if k.link.Carrier.(*simEnd).other.node.index == 2 {
					carried[i] = k.link.Stats().TxBytes
				}
			}
		}), 0)
	}
	lab.run()
	bare, moved := bareShare(t, l, control, runs, from, to), float64(carried[1]-carried[0])/(to-from).Seconds()
	useful := f.goodput(from, to) * (1_024 + frameHeaders) / 1_024
	return []figure{
		{"of bare", moved / bare}, {"useful", useful / bare}, {"goodput", f.goodput(from, to) / 100 / mbit},
		{"bare", bare / 100 / mbit}, {"duplicates", lab.duplicates()}, {"p50 ms", f.delay(.5)}, {"p99 ms", f.delay(.99)},
	}
}

// alternate: the line has 100 Mbit/s and 64 kbit/s by turns, 4 Mbit/s are offered.
func alternate(t testing.TB, seed uint64) []figure {
	l := Line{Delay: 20 * time.Millisecond, Buffer: 50, Rates: []RateFor{{time.Second, 100 * mbit}, {time.Second, 64 * kbit}}}
	lab := newLineLab(t, Options{Seed: seed}, 1, []int{0}, func(lab *lineLab) { lab.duplexLine(0, 2, l) })
	f := lab.flow(lineFlow{
		from: lab.nodes[1], size: 1_024, every: time.Second * 1_024 / (4 * mbit), deadline: 10 * time.Second, end: 20 * time.Second,
	})
	wire := lab.wireFrom(0, 2)
	lab.run()
	return []figure{
		{"arrive", float64(f.arrived()) / float64(len(f.messages))}, {"p50 ms", f.delay(.5)}, {"p99 ms", f.delay(.99)}, {"max ms", f.delay(1)},
		{"wire", wire()}, {"unknown", float64(f.unknown)},
	}
}

// slow64k: 20 messages of 4 kB in 5 s on 64 kbit/s, 60 s each.
func slow64k(t testing.TB, seed uint64) []figure {
	l := Line{Rate: 64 * kbit, Delay: 25 * time.Millisecond, Buffer: 50}
	lab := newLineLab(t, Options{Seed: seed}, 1, []int{0}, func(lab *lineLab) { lab.duplexLine(0, 2, l) })
	f := lab.flow(lineFlow{from: lab.nodes[1], size: 4_000, every: 250 * time.Millisecond, most: 20, deadline: 60 * time.Second, end: 10 * time.Second})
	wire := lab.wireFrom(0, 2)
	lab.run()
	copies := 0
	for _, m := range f.messages {
		copies += m.copies
	}
	return []figure{
		{"arrive", float64(f.arrived()) / float64(len(f.messages))}, {"wire", wire()}, {"copies", float64(copies) / float64(len(f.messages))},
		{"p99 ms", f.delay(.99)}, {"duplicates", lab.duplicates()},
	}
}

// peers: one message of 1 KiB for each of many receivers, all at once, on 1 Mbit/s.
func peers(t testing.TB, seed uint64, n int) []figure {
	s, err := Sim(Options{Seed: seed, LatencyMin: lineLatency, LatencyMax: lineLatency, Homes: 1, MaxLeaves: n + 1})
	if err != nil {
		t.Fatal(err)
	}
	lab := &lineLab{Simulation: s, senders: []int{1}}
	lab.duplexLine(1, 0, slowLine)
	s.add(s.draw(), false)
	for i := 1; i <= n+1; i++ {
		s.add(s.draw(), true)
		s.Join(i, 0)
		s.Advance(min(startPace, 60*time.Second/time.Duration(n)))
	}
	s.Settle()
	lab.began = s.now
	before := heapBytes()
	for i := range n {
		lab.receiver = i + 2
		lab.flow(lineFlow{from: s.nodes[1], to: i + 2, size: 1_024, every: time.Hour, most: 1, deadline: 10 * time.Minute, end: time.Second})
	}
	most := uint64(0)
	for _, at := range []time.Duration{time.Second, 5 * time.Second, 20 * time.Second} {
		s.heap.push(lab.began+at, lineCall(func() { most = max(most, heapBytes()-min(before, heapBytes())) }), 0)
	}
	lab.run()
	all := &lineFlow{deadline: 10 * time.Minute}
	for _, f := range lab.flows {
		all.messages = append(all.messages, f.messages...)
		all.unknown += f.unknown
	}
	untyped := 0
	for _, m := range all.messages {
		var why reason.Reason
		if m.err != nil && m.err != errImpatient && !errors.As(m.err, &why) {
			untyped++
		}
	}
	return []figure{
		{"arrive", float64(all.arrived()) / float64(n)}, {"untyped", float64(untyped)}, {"p50 ms", all.delay(.5)}, {"max ms", all.delayOfDelivered(1)},
		{"KiB a peer", float64(most) / 1024 / float64(n)}, {"unknown", float64(all.unknown)},
	}
}
