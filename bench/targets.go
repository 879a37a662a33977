package main

import (
	"fmt"
	"strings"

	"github.com/peermesh/peermesh/bench/systems/peermesh"
)

// target is one thing that the node has to reach.
type target struct {
	What     string `json:"what"`
	Measured string `json:"measured"`
	Target   string `json:"target"`
	Met      bool   `json:"met"`
}

const (
	// nothing is what a mean of no allocations may come to: the harness's own
	// and those of pools that a collection emptied.
	nothing       = 0.05
	trips         = 1.3 // times the round trip of the bare WebSocket relay
	hopCPU        = 1.5 // us that a second relay may add
	endAllocs     = 1   // per message, both ends together
	endKiB        = 26  // of an idle link end
	endGoroutines = 3   // of one
	firstMs       = 100 // start of four nodes in a line to the first message
	lightMs       = 15  // p99 of a light flow beside a flood
	relayMiB      = 32  // of a relay's process with idle links, above the empty process
	quicShare     = 0.4 // of QUIC over loopback UDP
	everything    = 1.0 // share of a light flow
	connectMs     = 50  // median of a Connect over WebRTC through one relay
	rtcRate       = 0.9 // times the messages of pion alone over a link
	rtcTrips      = 1.2 // times its round trip
	mebibyte      = 1 << 20
)

// targets are those whose measurements were made.
func (r report) targets() []target {
	var out []target
	at := func(what string, measured float64, digits int, unit, sign string, want float64) {
		met := measured <= want
		if sign == ">=" {
			met = measured >= want
		}
		if want == 0 {
			met = measured < nothing
		}
		goal := fmt.Sprintf("%s %v%s", sign, want, unit)
		if want == 0 {
			goal = "0"
		}
		out = append(out, target{what, number(measured, digits) + unit, goal, met})
	}
	name := peermesh.System{}.Name()
	for _, e := range r.Echo {
		if x, ok := e.Ratios[baselineEcho]; ok && e.System == name {
			at(fmt.Sprintf("round trip of %d B, against a bare WebSocket relay", e.Size), x, 2, "x", "<=", trips)
		}
	}
	for _, h := range r.Hop {
		if h.System == name {
			at(fmt.Sprintf("CPU that a second relay adds to %d B, win", h.Size), h.Win, 2, " us", "<=", hopCPU)
			at(fmt.Sprintf("CPU that a second relay adds to %d B, own", h.Size), h.Own, 2, " us", "<=", hopCPU)
			at("allocations of a relay per message", max(0, h.Allocs), 2, "", "<=", 0)
			at("allocations of both ends per message", max(0, h.EndAllocs), 2, "", "<=", endAllocs)
		}
	}
	for _, i := range r.Idle {
		if i.System == name {
			at("an idle link end", i.Total()/1024, 1, " KiB", "<=", endKiB)
			at("goroutines of an idle link end", i.Goroutines, 1, "", "<=", endGoroutines)
		}
	}
	for _, f := range r.First {
		if f.System == name {
			at(fmt.Sprintf("first message after the start of %d nodes in a line", f.Relays+2), f.Median, 0, " ms", "<=", firstMs)
		}
	}
	if l := r.Light; l != nil {
		at("500 msg/s beside a flood from another link, out by 20 MB/s: delivered", 100*l.Delivered, 1, " %", ">=", 100*everything)
		at("the same: latency p99", l.P99, 1, " ms", "<=", lightMs)
	}
	if l := r.Loss; l != nil {
		at(fmt.Sprintf("acknowledged messages lost or failed of %d that nobody paced", l.Sent), float64(l.Failed+l.Lost), 0, "", "<=", 0)
		at(fmt.Sprintf("datagrams lost and not counted, of %d of which %d were dropped", l.Datagrams, l.Drops), abs(float64(l.Unaccounted)), 0, "", "<=", 0)
		at(fmt.Sprintf("small datagrams lost beyond what the %d frames dropped can hold, of %d", l.Small.Frames, l.Small.Datagrams), float64(l.Small.Unaccounted), 0, "", "<=", 0)
	}
	if m := r.Relay; m != nil {
		at(fmt.Sprintf("resident memory of a relay with %d idle links, above the empty process", m.Links), float64(m.Linked-m.Empty)/mebibyte, 1, " MiB", "<=", relayMiB)
		at("the same after a garbage collection", float64(m.Tidied-m.Empty)/mebibyte, 1, " MiB", "<=", relayMiB)
	}
	if q := r.QUIC; q != nil {
		at(fmt.Sprintf("QUIC through a relay (%.0f MB/s), against QUIC over loopback UDP", q.Median.Mesh/1e6), q.Ratio, 2, "x", ">=", quicShare)
	}
	r.rtcTargets(at)
	return out
}

func abs(f float64) float64 { return max(f, -f) }

func mark(met bool) string {
	if met {
		return "yes"
	}
	return "**no**"
}

func (r report) targetTable(b *strings.Builder) {
	var rows [][]string
	for _, t := range r.targets() {
		rows = append(rows, []string{t.What, t.Measured, t.Target, mark(t.Met)})
	}
	table(b, "Targets of the node", []string{"what", "measured", "target", "met"}, rows)
}

func (r report) firstTable(b *strings.Builder) {
	var rows [][]string
	for _, f := range r.First {
		rows = append(rows, []string{f.System, fmt.Sprint(f.Relays), number(f.Median, 1), number(f.Max, 1)})
	}
	table(b, "From the start of everything to the first message both ways", []string{"system", "relays", "median ms", "most ms"}, rows)
}
