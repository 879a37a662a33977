package main

import (
	"fmt"
	"slices"
	"strings"
)

// markdown is the report as tables for people.
func (r report) markdown() string {
	var b strings.Builder
	e := r.Environment
	fmt.Fprintf(&b, "%s %s/%s, %s, %d CPUs, GOMAXPROCS %d, load %s; %d rounds in %.0f s, %s.\n",
		e.Go, e.OS, e.Arch, e.Processor, e.CPUs, e.GOMAXPROCS, loads(e.Load), r.Rounds, r.Seconds,
		r.Started.Format("2006-01-02 15:04 MST"))
	b.WriteString("Figures are medians of the rounds; \"x name\" is the median of the per-round ratios to that system.\n")
	r.targetTable(&b)
	r.peerTable(&b)
	r.throughputTables(&b)
	r.echoTable(&b)
	r.hopTable(&b)
	r.idleTable(&b)
	r.overheadTable(&b)
	r.firstTable(&b)
	r.rtcTables(&b)
	r.startLine(&b)
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "\nFAILED: %s\n", f)
	}
	return b.String()
}

func loads(load []float64) string {
	words := make([]string, len(load))
	for i, l := range load {
		words[i] = fmt.Sprintf("%.1f", l)
	}
	return strings.Join(words, " ")
}

// table writes one table; nothing if it has no rows.
func table(b *strings.Builder, title string, columns []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### %s\n\n| %s |\n|%s\n", title, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
}

// throughputTables writes one table for each size and number of relays.
func (r report) throughputTables(b *strings.Builder) {
	type group struct{ relays, size int }
	var groups []group
	for _, t := range r.Throughput {
		if g := (group{t.Relays, t.Size}); !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	columns := []string{"system", "mode", "kmsg/s", "MB/s", "loss %", "CPU us/msg", "allocs/msg", "x tcp", "x sealed", "x nats"}
	for _, g := range groups {
		var rows [][]string
		for _, t := range r.Throughput {
			if g == (group{t.Relays, t.Size}) {
				rows = append(rows, t.row())
			}
		}
		table(b, fmt.Sprintf("Throughput, %d B, %d relay(s)", g.size, g.relays), columns, rows)
	}
}

func (t throughput) row() []string {
	m := t.Median
	return []string{
		t.System, t.Mode, number(m.PerSecond/1e3, 0), number(t.MB, 0),
		number(100*m.Loss, 1), number(m.CPU, 2), number(m.Allocs, 2),
		t.Ratios.of(baselineWire), t.Ratios.of(baselineSeal), t.Ratios.of(baselinePeer),
	}
}

func (r report) echoTable(b *strings.Builder) {
	var rows [][]string
	for _, e := range r.Echo {
		rows = append(rows, []string{
			fmt.Sprintf("%d B", e.Size), e.System, number(e.Median.P50, 1), number(e.Median.P99, 0),
			e.Ratios.of(baselineEcho), e.Ratios.of(baselineSeal), e.Ratios.of(baselinePeer),
		})
	}
	table(b, "Round trip over one relay", []string{"size", "system", "p50 us", "p99 us", "x ws", "x sealed", "x nats"}, rows)
}

func (r report) hopTable(b *strings.Builder) {
	var rows [][]string
	for _, h := range r.Hop {
		rows = append(rows, []string{h.System, number(h.Win, 2), number(h.Own, 2)})
	}
	table(b, fmt.Sprintf("CPU us that a second relay adds to a message of %d B", hopSize),
		[]string{"system", "win", "own"}, rows)
}

func (r report) idleTable(b *strings.Builder) {
	var rows [][]string
	for _, i := range r.Idle {
		rows = append(rows, []string{
			i.System, number(i.Total()/1024, 1), number(i.Heap/1024, 1), number(i.Stack/1024, 1),
			number(i.Goroutines, 1), fmt.Sprint(i.Ends),
		})
	}
	table(b, "One idle link end", []string{"system", "KiB", "heap KiB", "stack KiB", "goroutines", "ends measured"}, rows)
}

func (r report) overheadTable(b *strings.Builder) {
	var rows [][]string
	for _, o := range r.Overhead {
		rows = append(rows, []string{
			o.System, number(o.Alone, 0), number(o.Alone-float64(o.Size), 0),
			number(o.Batched, 1), number(o.Batched-float64(o.Size), 1),
		})
	}
	table(b, fmt.Sprintf("Bytes on the wire of a message of %d B, A to the first relay", overheadSize),
		[]string{"system", "alone", "of which overhead", "128 under way", "of which overhead"}, rows)
}

func (r report) startLine(b *strings.Builder) {
	if r.Start != nil {
		fmt.Fprintf(b, "\nFrom a listener's ready line to the end of a send to it by a new process, through a relay, %d runs: median %s ms, most %s ms.\n",
			len(r.Start.Runs), number(r.Start.Median, 1), number(r.Start.Max, 1))
	}
}

func (r ratios) of(baseline string) string {
	if ratio, ok := r[baseline]; ok {
		return number(ratio, 2)
	}
	return "-"
}

func number(f float64, digits int) string { return fmt.Sprintf("%.*f", digits, f) }
