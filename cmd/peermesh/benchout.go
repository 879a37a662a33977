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
	arrived  *tally            // of datagrams, what the target has counted; nil: it has not told
	gone     bool              // every client's last message failed
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
		r.times.draw(&b)
	}
	if r.mode == "dgram" {
		b.WriteString(r.arrivedText())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// arrivedText is what became of datagrams behind the first link.
func (r *benchResult) arrivedText() string {
	if r.arrived == nil {
		return "what was lost behind the first link is not known: the target keeps no tally, as peermesh listen does\n"
	}
	text := fmt.Sprintf("arrived  %d  %.1f %%", r.arrived.Datagrams, 100*float64(r.arrived.Datagrams)/float64(max(r.done, 1)))
	if why := countsText(r.arrived.Drops); why != "" {
		text += "  dropped by the target: " + why
	}
	return fmt.Sprintf("%s  lost on the way  %d\n", text, r.lost())
}

// lost is how many datagrams neither arrived nor were dropped by the target.
func (r *benchResult) lost() uint64 {
	return r.done - min(r.done, r.arrived.Datagrams+r.arrived.dropped())
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
	names = append(names, "arrived", "histogram")
	figures = append(figures, r.arrivedField(), r.histogramField())
	return csv.NewWriter(w).WriteAll([][]string{names, figures})
}

// arrivedField is empty where that is not known, and of what is acknowledged.
func (r *benchResult) arrivedField() string {
	if r.arrived == nil {
		return ""
	}
	return strconv.FormatUint(r.arrived.Datagrams, 10)
}

// histogramField is the buckets as "upToMs:count", with spaces between.
func (r *benchResult) histogramField() string {
	var pairs []string
	for _, b := range r.buckets() {
		pairs = append(pairs, fmt.Sprintf("%.3f:%d", b.UpToMs, b.Count))
	}
	return strings.Join(pairs, " ")
}

// buckets are those of the times that hold something, the shortest first; none
// of datagrams.
func (r *benchResult) buckets() (all []bucketLine) {
	if r.timed() {
		r.times.buckets(func(upper time.Duration, n uint64) {
			all = append(all, bucketLine{UpToMs: millis(min(upper, r.times.max)), Count: n})
		})
	}
	return all
}

func (r *benchResult) line() benchLine {
	line := benchLine{
		V: jsonVersion, Mode: r.mode, To: r.to, Bytes: r.size, Clients: r.clients, Seconds: r.took.Seconds(),
		Done: r.done, Counted: doneWord[r.mode], Failed: r.failed, MsgsPerSecond: r.perSecond(), BytesPerSecond: r.perSecond() * float64(r.size),
		Histogram: r.buckets(),
	}
	if r.timed() {
		line.LatencyMs = make(map[string]float64)
		for _, q := range benchQuantiles {
			line.LatencyMs[q.name] = millis(r.times.quantile(q.share))
		}
	}
	if r.arrived != nil {
		line.Arrived, line.TargetDrops = &r.arrived.Datagrams, r.arrived.Drops
	}
	return line
}
