package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/routing"
)

// doneWord is what is counted in each mode.
var doneWord = map[string]string{"send": "acknowledged", "request": "answered", "dgram": "taken by the first link"}

// benchResult is what a run came to.
type benchResult struct {
	mode     string
	to       routing.ID
	size     int
	clients  int
	took     time.Duration
	done     uint64
	failures uint64
	failed   map[string]uint64 // by cause
	times    histogram         // of what is done; of datagrams the time to be taken, which is not told
	last     error             // of those that failed
	lost     bool              // every client's last message failed
}

func (r *benchResult) perSecond() float64 { return float64(r.done) / r.took.Seconds() }

// timed says whether the times are those of messages.
func (r *benchResult) timed() bool { return r.mode != "dgram" && r.done > 0 }

// benchQuantiles are those told.
var benchQuantiles = []struct {
	name  string
	share float64
}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}}

func (r *benchResult) print(c *cli.Context, w io.Writer) error {
	switch {
	case c.Bool("json"):
		return printJSON(w, r.line())
	case c.Bool("csv"):
		return r.printCSV(w)
	}
	return r.printText(w)
}

func (r *benchResult) printText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s to %s: %d bytes, %d clients, %.1f s\n", r.mode, r.to.Short(), r.size, r.clients, r.took.Seconds())
	fmt.Fprintf(&b, "%s  %d  %.1f msgs/s  %.2f MiB/s\n", doneWord[r.mode], r.done, r.perSecond(), r.perSecond()*float64(r.size)/(1<<20))
	fmt.Fprintf(&b, "failed  %d", r.failures)
	for _, why := range slices.Sorted(maps.Keys(r.failed)) {
		fmt.Fprintf(&b, "  %s %d", why, r.failed[why])
	}
	b.WriteString("\n")
	if r.timed() {
		b.WriteString("latency")
		for _, q := range benchQuantiles {
			fmt.Fprintf(&b, "  %s %.3f ms", q.name, millis(r.times.quantile(q.share)))
		}
		b.WriteString("\n")
	}
	if r.mode == "dgram" {
		b.WriteString("nobody answers a datagram: what was lost behind the first link is not known here\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *benchResult) printCSV(w io.Writer) error {
	names := []string{"mode", "to", "bytes", "clients", "seconds", "done", "failed", "msgsPerSecond", "bytesPerSecond"}
	float := func(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }
	figures := []string{
		r.mode, r.to.String(), strconv.Itoa(r.size), strconv.Itoa(r.clients), float(r.took.Seconds()),
		strconv.FormatUint(r.done, 10), strconv.FormatUint(r.failures, 10), float(r.perSecond()), float(r.perSecond() * float64(r.size)),
	}
	for _, q := range benchQuantiles {
		names = append(names, q.name+"Ms")
		text := ""
		if r.timed() {
			text = float(millis(r.times.quantile(q.share)))
		}
		figures = append(figures, text)
	}
	return csv.NewWriter(w).WriteAll([][]string{names, figures})
}

func (r *benchResult) line() benchLine {
	line := benchLine{
		V: jsonVersion, Mode: r.mode, To: r.to, Bytes: r.size, Clients: r.clients, Seconds: r.took.Seconds(),
		Done: r.done, Counted: doneWord[r.mode], Failed: r.failed, MsgsPerSecond: r.perSecond(), BytesPerSecond: r.perSecond() * float64(r.size),
	}
	if r.timed() {
		line.LatencyMs = make(map[string]float64)
		for _, q := range benchQuantiles {
			line.LatencyMs[q.name] = millis(r.times.quantile(q.share))
		}
		r.times.buckets(func(upper time.Duration, n uint64) {
			line.Histogram = append(line.Histogram, bucketLine{UpToMs: millis(min(upper, r.times.max)), Count: n})
		})
	}
	return line
}
