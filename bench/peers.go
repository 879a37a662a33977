package main

import (
	"fmt"
	"strings"

	"github.com/peermesh/peermesh/bench/systems/peermesh"
)

// beside is one cell of the node set beside a peer: the ratio of the messages
// that both deliver, and what it has to be (0: only reported).
type beside struct {
	Peer   string  `json:"peer"`
	Mode   string  `json:"mode"`
	Size   int     `json:"size"`
	Relays int     `json:"relays"`
	Ratio  float64 `json:"ratio"`
	Target float64 `json:"target,omitempty"`
	Met    bool    `json:"met"`
}

// peerTarget is what the node has to reach beside a peer. What carries plaintext
// is compared below one where sealing twice costs more than a message does, and
// not at all from 16 KiB on beside NATS: AES-256-GCM bounds the node there.
func peerTarget(peer, mode string, size, relays int) float64 {
	win := mode == "win"
	switch {
	case peer == "nats" && relays > 1 && win:
		return 1.1
	case peer == "nats" && relays > 1 || peer == "nats" && size >= 16<<10:
		return 0
	case peer == "nats" && size < 1<<10:
		return 1
	case peer == "nats" && win:
		return 0.95
	case peer == "nats":
		return 0.8
	case peer == "libp2p":
		return 1.5
	case peer == "derp":
		return 2
	case peer == "ironwood" && win:
		return 8
	}
	return 0
}

// beside sets one cell of the node beside a peer; false: not measured.
func (t throughput) beside(peer string) (beside, bool) {
	x, ok := t.Ratios[peer]
	want := peerTarget(peer, t.Mode, t.Size, t.Relays)
	return beside{peer, t.Mode, t.Size, t.Relays, x, want, x >= want}, ok && t.System == (peermesh.System{}).Name()
}

// besides are the cells that were measured of the node and a peer.
func (r report) besides() []beside {
	var out []beside
	for _, t := range r.Throughput {
		for _, p := range peers {
			if c, ok := t.beside(p); ok {
				out = append(out, c)
			}
		}
	}
	return out
}

// String is the ratio, bold if it is too low, and the target in brackets.
func (c beside) String() string {
	x := number(c.Ratio, 2)
	if !c.Met {
		x = "**" + x + "**"
	}
	if c.Target > 0 {
		x += fmt.Sprintf(" (%v)", c.Target)
	}
	return x
}

// peerTable sets the node beside its peers.
func (r report) peerTable(b *strings.Builder) {
	var rows [][]string
	for _, t := range r.Throughput {
		row, measured := []string{fmt.Sprintf("%d B", t.Size), fmt.Sprint(t.Relays), t.Mode}, false
		for _, p := range peers {
			cell := "-"
			if c, ok := t.beside(p); ok {
				cell, measured = c.String(), true
			}
			row = append(row, cell)
		}
		if measured {
			rows = append(rows, row)
		}
	}
	columns := []string{"size", "relays", "mode"}
	for _, p := range peers {
		columns = append(columns, "x "+p)
	}
	table(b, "Messages that the node delivers, against peers (in brackets the target; bold: below it)", columns, rows)
}
