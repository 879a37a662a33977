package main

import (
	"encoding/json"
	"io"
	"math"
	"os"
	"slices"
	"time"

	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/bench/trials"
)

// report is everything that a run found. Ratios are medians of per-round ratios
// to the named system and absent where that system did not run.
type report struct {
	Version     int           `json:"v"`
	Started     time.Time     `json:"started"`
	Seconds     float64       `json:"seconds"`
	Environment environment   `json:"environment"`
	Rounds      int           `json:"rounds"`
	Throughput  []throughput  `json:"throughput"`
	Echo        []echo        `json:"echo"`
	Hop         []hop         `json:"hop"`
	Idle        []idle        `json:"idle"`
	Overhead    []overhead    `json:"overhead"`
	Start       *start        `json:"start,omitempty"`
	First       []firstTime   `json:"first"`
	Light       *trials.Light `json:"light,omitempty"`
	Loss        *trials.Loss  `json:"loss,omitempty"`
	Relay       *trials.Relay `json:"relay,omitempty"`
	QUIC        *quicStream   `json:"quic,omitempty"`
	Connect     []connectTime `json:"connect,omitempty"`
	RTC         *rtcReport    `json:"rtc,omitempty"`
	Targets     []target      `json:"targets"`
	Besides     []beside      `json:"besides"`
	Failures    []string      `json:"failures"`
}

// ratios go from the name of a baseline to the ratio.
type ratios map[string]float64

type throughput struct {
	System string         `json:"system"`
	Mode   string         `json:"mode"`
	Size   int            `json:"size"`
	Relays int            `json:"relays"`
	Median harness.Rate   `json:"median"`   // of each figure by itself
	MB     float64        `json:"mb_per_s"` // of payload, in 10^6 bytes: the median of messages times Size
	Ratios ratios         `json:"ratios"`
	Rounds []harness.Rate `json:"rounds"`
}

type echo struct {
	System string        `json:"system"`
	Size   int           `json:"size"`
	Median harness.RTT   `json:"median"`
	Ratios ratios        `json:"ratios"`
	Rounds []harness.RTT `json:"rounds"`
}

// hop is the CPU time that the second relay adds to a message, median of the
// per-round differences, in microseconds.
type hop struct {
	System string  `json:"system"`
	Size   int     `json:"size"`
	Win    float64 `json:"win_us"`
	Own    float64 `json:"own_us"`
	// Allocs are those that the second relay adds to a message, EndAllocs what
	// then is left of those over one relay; both of the win mode.
	Allocs    float64 `json:"relay_allocs"`
	EndAllocs float64 `json:"end_allocs"`
}

type idle struct {
	System string `json:"system"`
	harness.Memory
}

type overhead struct {
	System string `json:"system"`
	harness.Wire
}

// start is the time from the last process's readiness to the first acknowledged
// message, in milliseconds: a process more is started, joins and sends.
type start struct {
	Median float64   `json:"median_ms"`
	Max    float64   `json:"max_ms"`
	Runs   []float64 `json:"runs_ms"`
}

// firstTime is the time from the start of all nodes to the first message each
// way, in milliseconds.
type firstTime struct {
	System string    `json:"system"`
	Relays int       `json:"relays"`
	Median float64   `json:"median_ms"`
	Max    float64   `json:"max_ms"`
	Runs   []float64 `json:"runs_ms"`
}

func (p *plan) startReport() *start {
	if len(p.start) == 0 {
		return nil
	}
	s := &start{Runs: each(p.start, func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 })}
	s.Median, s.Max = finite(harness.Median(s.Runs)), slices.Max(s.Runs)
	return s
}

func (p *plan) report() report {
	r := report{
		Version: 1, Started: p.started.UTC(), Seconds: time.Since(p.started).Seconds(),
		Environment: describe(p.load), Rounds: p.rounds, Start: p.startReport(), Failures: p.failures,
	}
	for _, c := range p.cells {
		for _, s := range p.systems {
			at := result{s.Name(), c}
			if !p.runs(s, c, 0) {
				continue
			}
			if c.mode == "echo" {
				r.Echo = append(r.Echo, p.echo(at))
			} else {
				r.Throughput = append(r.Throughput, p.throughput(at))
			}
		}
	}
	for _, s := range p.systems {
		p.addOnce(&r, s.Name())
	}
	r.Light, r.Loss, r.Relay = p.light, p.loss, p.relay
	r.QUIC, r.Connect, r.RTC = p.quicReport(), p.connectReport(), p.rtcReport()
	r.Targets, r.Besides = r.targets(), r.besides()
	return r
}

func (p *plan) addOnce(r *report, system string) {
	if len(p.rates[result{system, cell{"win", hopSize, 2}}]) > 0 && p.wants("hop") {
		relay, ends := p.allocs(system)
		r.Hop = append(r.Hop, hop{system, hopSize, p.hop(system, "win"), p.hop(system, "own"), relay, ends})
	}
	if f, ok := p.first[system]; ok && len(f.times) > 0 {
		ms := each(f.times, func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 })
		r.First = append(r.First, firstTime{system, f.relays, finite(harness.Median(ms)), slices.Max(ms), ms})
	}
	if m, ok := p.idle[system]; ok {
		r.Idle = append(r.Idle, idle{system, m})
	}
	if w, ok := p.wire[system]; ok {
		r.Overhead = append(r.Overhead, overhead{system, w})
	}
}

func (p *plan) throughput(at result) throughput {
	rounds := p.rates[at]
	perSecond := func(r harness.Rate) float64 { return r.PerSecond }
	return throughputOf(at, rounds, compare(at, p.rates, perSecond, append([]string{baselineWire, baselineSeal}, peers...)...))
}

func (p *plan) echo(at result) echo {
	p50 := func(r harness.RTT) float64 { return r.P50 }
	rounds := p.trips[at]
	return echo{
		System: at.system, Size: at.cell.size, Rounds: rounds,
		Ratios: compare(at, p.trips, p50, baselineEcho, baselineSeal, baselinePeer),
		Median: harness.RTT{
			Trips: int(median(rounds, func(r harness.RTT) float64 { return float64(r.Trips) })),
			P50:   median(rounds, p50),
			P99:   median(rounds, func(r harness.RTT) float64 { return r.P99 }),
		},
	}
}

func (p *plan) hop(system, mode string) float64 {
	cpu := func(r harness.Rate) float64 { return r.CPU }
	one := p.rates[result{system, cell{mode, hopSize, 1}}]
	two := p.rates[result{system, cell{mode, hopSize, 2}}]
	return finite(harness.MedianDifference(each(two, cpu), each(one, cpu)))
}

// quicStream is one QUIC stream through a relay, and its share of the same over
// loopback UDP.
type quicStream struct {
	Median trials.QUIC   `json:"median"`
	Ratio  float64       `json:"ratio"`
	Rounds []trials.QUIC `json:"rounds"`
}

func (p *plan) quicReport() *quicStream {
	if len(p.quic) == 0 {
		return nil
	}
	mesh := each(p.quic, func(q trials.QUIC) float64 { return q.Mesh })
	udp := each(p.quic, func(q trials.QUIC) float64 { return q.UDP })
	return &quicStream{
		Median: trials.QUIC{Mesh: harness.Median(mesh), UDP: harness.Median(udp)},
		Ratio:  finite(harness.MedianRatio(mesh, udp)), Rounds: p.quic,
	}
}

// allocs are the allocations per message that the second relay adds, and those
// of the ends.
func (p *plan) allocs(system string) (relay, ends float64) {
	of := func(r harness.Rate) float64 { return r.Allocs }
	one := each(p.rates[result{system, cell{"win", hopSize, 1}}], of)
	two := each(p.rates[result{system, cell{"win", hopSize, 2}}], of)
	relay = finite(harness.MedianDifference(two, one))
	return relay, finite(harness.Median(one)) - relay
}

// medianLight is the median of each figure by itself, with the least share delivered.
func medianLight(runs []trials.Light) *trials.Light {
	m := runs[0]
	for _, l := range runs {
		m.Delivered = min(m.Delivered, l.Delivered)
	}
	m.P50 = median(runs, func(l trials.Light) float64 { return l.P50 })
	m.P99 = median(runs, func(l trials.Light) float64 { return l.P99 })
	m.Flood = median(runs, func(l trials.Light) float64 { return l.Flood })
	return &m
}

// compare returns the ratios of one series to the same cell of the baselines.
func compare[T any](at result, all map[result][]T, of func(T) float64, baselines ...string) ratios {
	out := make(ratios)
	for _, b := range baselines {
		base := each(all[result{b, at.cell}], of)
		if ratio := harness.MedianRatio(each(all[at], of), base); !math.IsNaN(ratio) {
			out[b] = ratio
		}
	}
	return out
}

func throughputOf(at result, rounds []harness.Rate, x ratios) throughput {
	m := medianRate(rounds)
	return throughput{
		System: at.system, Mode: at.cell.mode, Size: at.cell.size, Relays: at.cell.relays,
		Median: m, MB: m.PerSecond * float64(at.cell.size) / 1e6, Ratios: x, Rounds: rounds,
	}
}

func medianRate(rounds []harness.Rate) harness.Rate {
	return harness.Rate{
		Sent:      uint64(median(rounds, func(r harness.Rate) float64 { return float64(r.Sent) })),
		Delivered: uint64(median(rounds, func(r harness.Rate) float64 { return float64(r.Delivered) })),
		Loss:      median(rounds, func(r harness.Rate) float64 { return r.Loss }),
		PerSecond: median(rounds, func(r harness.Rate) float64 { return r.PerSecond }),
		CPU:       median(rounds, func(r harness.Rate) float64 { return r.CPU }),
		Allocs:    median(rounds, func(r harness.Rate) float64 { return r.Allocs }),
	}
}

func median[T any](rounds []T, of func(T) float64) float64 {
	return finite(harness.Median(each(rounds, of)))
}

// finite makes 0 of the NaN of an empty series, which JSON cannot say.
func finite(f float64) float64 {
	if math.IsNaN(f) {
		return 0
	}
	return f
}

func each[T any](rounds []T, of func(T) float64) []float64 {
	out := make([]float64, len(rounds))
	for i, r := range rounds {
		out[i] = of(r)
	}
	return out
}

// write prints the tables, and the JSON where file says.
func write(r report, file string, stdout io.Writer) error {
	if file == "-" {
		return writeJSON(stdout, r)
	}
	if _, err := io.WriteString(stdout, r.markdown()); err != nil || file == "" {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := writeJSON(f, r); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func writeJSON(w io.Writer, r report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}
