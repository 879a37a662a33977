package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/bench/systems/peermesh"
	"github.com/peermesh/peermesh/bench/systems/pion"
)

// connectPairs is how many pairs of nodes are linked through each number of
// relays.
const connectPairs = 40

// connectRelays are those numbers. Through none nodes cannot signal; what is
// measured there is the carrier alone.
var connectRelays = []int{0, 1, 3}

// connectHow says what is measured through so many relays.
func connectHow(relays int) string {
	if relays == 0 {
		return "the carrier alone: descriptions handed over by hand, no signalling, no Hello"
	}
	return "Connect of a node"
}

// rtcSystems are the ends of one link over WebRTC: the node's and the library's.
func rtcSystems() []harness.System {
	return []harness.System{peermesh.Direct{}, pion.System{}, pion.System{Gather: true}}
}

// rtcLinks is how many links the memory of one is measured by.
const rtcLinks = 10

// rtc is what was measured of links over WebRTC.
type rtc struct {
	connect map[int][]time.Duration // by the number of relays
	rates   map[result][]harness.Rate
	trips   map[result][]harness.RTT
	idle    []idle
}

func newRTC() rtc {
	return rtc{
		connect: make(map[int][]time.Duration),
		rates:   make(map[result][]harness.Rate), trips: make(map[result][]harness.RTT),
	}
}

// rtcCells are a flood with the link's own flow control and a ping-pong of each
// size.
func (p *plan) rtcCells() []cell {
	var cells []cell
	for _, size := range p.sizes {
		cells = append(cells, cell{"own", size, 0}, cell{"echo", size, 0})
	}
	return cells
}

func (p *plan) wantsOurs(mode string) bool {
	_, ours := p.system(peermesh.System{}.Name())
	return ours && p.wants(mode)
}

func (p *plan) expectedRTC() (total time.Duration) {
	const once = 10 * time.Second // pairs, or the memory of links
	if p.wantsOurs("connect") {
		total += once
	}
	if p.wantsOurs("rtc") {
		total += once
		for _, c := range p.rtcCells() {
			total += time.Duration(p.rounds*len(rtcSystems())) * (p.measured(c) + p.warm(c) + 2*opening)
		}
	}
	return total
}

// onceRTC makes the measurements that need no interleaving.
func (p *plan) onceRTC(ctx context.Context) {
	for _, relays := range connectRelays {
		if p.wantsOurs("connect") {
			times, err := connectTimes(ctx, relays)
			p.note(err)
			p.rtc.connect[relays] = times
		}
	}
	for _, s := range rtcSystems() {
		if idler, ok := s.(harness.Idler); ok && p.wantsOurs("rtc") {
			m, err := harness.Idle(idler, min(p.links, rtcLinks))
			p.note(err)
			p.rtc.idle = append(p.rtc.idle, idle{s.Name(), m})
		}
	}
}

func connectTimes(ctx context.Context, relays int) ([]time.Duration, error) {
	if relays == 0 {
		return peermesh.HandOver(ctx, connectPairs)
	}
	return peermesh.Connect(ctx, relays, connectPairs)
}

// measureRTC makes one round, each time begun by another system.
func (p *plan) measureRTC(ctx context.Context, round int) {
	if !p.wantsOurs("rtc") {
		return
	}
	systems := rtcSystems()
	for _, c := range p.rtcCells() {
		for i := range systems {
			s := systems[(i+round)%len(systems)]
			at := result{s.Name(), c}
			if c.mode == "echo" {
				trip, err := harness.Echo(ctx, s, harness.EchoOptions{Size: c.size, Warm: p.warm(c), Run: p.measured(c)})
				p.rtc.trips[at] = append(p.rtc.trips[at], noted(p, trip, err))
				continue
			}
			rate, err := harness.Flood(ctx, s, harness.FloodOptions{Size: c.size, Warm: p.warm(c), Run: p.measured(c)})
			p.rtc.rates[at] = append(p.rtc.rates[at], noted(p, rate, err))
		}
	}
}

// connectTime is the time of a Connect until the link is up, in milliseconds.
type connectTime struct {
	Relays int       `json:"relays"`
	How    string    `json:"how"` // see connectHow
	Median float64   `json:"median_ms"`
	P99    float64   `json:"p99_ms"`
	Runs   []float64 `json:"runs_ms"`
}

func (p *plan) connectReport() (out []connectTime) {
	for _, relays := range connectRelays {
		if times := p.rtc.connect[relays]; len(times) > 0 {
			ms := each(times, func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 })
			sorted := slices.Sorted(slices.Values(ms))
			out = append(out, connectTime{relays, connectHow(relays), finite(harness.Median(ms)), sorted[(len(sorted)*99-1)/100], ms})
		}
	}
	return out
}

// rtcReport is one link over WebRTC beside the library alone; ratios are the
// node's, to each of the others.
type rtcReport struct {
	Throughput []throughput `json:"throughput"`
	Echo       []echo       `json:"echo"`
	Idle       []idle       `json:"idle"`
}

func (p *plan) rtcReport() *rtcReport {
	if !p.wantsOurs("rtc") {
		return nil
	}
	r := &rtcReport{Idle: p.rtc.idle}
	bare, gathered := pion.System{}.Name(), pion.System{Gather: true}.Name()
	for _, c := range p.rtcCells() {
		for _, s := range rtcSystems() {
			at := result{s.Name(), c}
			if c.mode == "echo" {
				p50 := func(t harness.RTT) float64 { return t.P50 }
				r.Echo = append(r.Echo, echo{
					System: s.Name(), Size: c.size, Rounds: p.rtc.trips[at],
					Ratios: compare(at, p.rtc.trips, p50, bare, gathered),
					Median: harness.RTT{P50: median(p.rtc.trips[at], p50), P99: median(p.rtc.trips[at], func(t harness.RTT) float64 { return t.P99 })},
				})
				continue
			}
			rate := func(t harness.Rate) float64 { return t.PerSecond }
			r.Throughput = append(r.Throughput, throughputOf(at, p.rtc.rates[at], compare(at, p.rtc.rates, rate, bare, gathered)))
		}
	}
	return r
}

// rtcTargets adds those of the node's links, each by at.
func (r report) rtcTargets(at func(what string, measured float64, digits int, unit, sign string, want float64)) {
	for _, c := range r.Connect {
		if c.Relays == 1 {
			at("Connect over WebRTC through one relay, median", c.Median, 1, " ms", "<=", connectMs)
		}
	}
	if r.RTC == nil {
		return
	}
	bare := pion.System{}.Name()
	for _, t := range r.RTC.Throughput {
		if x, ok := t.Ratios[bare]; ok && t.System == (peermesh.Direct{}).Name() {
			at(fmt.Sprintf("messages of %d B over one link over WebRTC, against pion alone", t.Size), x, 2, "x", ">=", rtcRate)
		}
	}
	for _, e := range r.RTC.Echo {
		if x, ok := e.Ratios[bare]; ok && e.System == (peermesh.Direct{}).Name() {
			at(fmt.Sprintf("round trip of %d B over one link over WebRTC, against pion alone", e.Size), x, 2, "x", "<=", rtcTrips)
		}
	}
}

func (r report) rtcTables(b *strings.Builder) {
	var rows [][]string
	for _, c := range r.Connect {
		rows = append(rows, []string{fmt.Sprint(c.Relays), c.How, number(c.Median, 1), number(c.P99, 1), fmt.Sprint(len(c.Runs))})
	}
	table(b, "Connect over WebRTC until the link is up", []string{"relays", "what", "median ms", "p99 ms", "pairs"}, rows)
	if r.RTC == nil {
		return
	}
	bare, gathered := pion.System{}.Name(), pion.System{Gather: true}.Name()
	rows = nil
	for _, t := range r.RTC.Throughput {
		m := t.Median
		rows = append(rows, []string{
			fmt.Sprintf("%d B", t.Size), t.System, number(m.PerSecond/1e3, 1), number(t.MB, 1),
			number(100*m.Loss, 1), number(m.CPU, 2), t.Ratios.of(bare), t.Ratios.of(gathered),
		})
	}
	table(b, "One link over WebRTC", []string{"size", "system", "kmsg/s", "MB/s", "loss %", "CPU us/msg", "x pion", "x gathered"}, rows)
	rows = nil
	for _, e := range r.RTC.Echo {
		rows = append(rows, []string{fmt.Sprintf("%d B", e.Size), e.System, number(e.Median.P50, 1), number(e.Median.P99, 0), e.Ratios.of(bare)})
	}
	table(b, "Round trip over one link over WebRTC", []string{"size", "system", "p50 us", "p99 us", "x pion"}, rows)
	report{Idle: r.RTC.Idle}.idleTable(b)
}
