package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/admin"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

func peersCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:  "peers",
		Usage: "list the peers of a running node of this machine",
		Description: describe("Prints a line for each link: the peer's ID, carrier, direction, role, the bucket it is in (CPL:\n"+
			"leading bits of the Keys in common), round trip, age, bytes in and out, how full the outgoing queue\n"+
			"is, and whether its acks are late or its line is slow. Then one for each bootstrap URL that is not linked. In columns on\n"+
			"a terminal, separated by tabs elsewhere.",
			"peermesh peers",
			"peermesh peers --sort rtt --watch 1s",
			"peermesh peers --full | cut -f 1",
			"peermesh peers --json"),
		Flags: lookFlags(
			watchFlag(),
			valueFlag("sort", "by `WHAT`: id, rtt (the fastest first), bytes (the most first) or age (the oldest first)", choice("id", "rtt", "bytes", "age")),
			boolFlag("full", "print whole IDs"),
		),
		Action: func(c *cli.Context) error { return peers(c, std) },
	}
}

func peers(c *cli.Context, std streams) error {
	order, full := peerOrders[get[string](c, "sort")], c.Bool("full")
	return showStatus(c, std,
		func(s *admin.Status) error {
			slices.SortStableFunc(s.Peers, order)
			return printJSON(std.out, peersLine{V: jsonVersion, ID: s.ID, Peers: s.Peers, Bootstraps: s.Bootstraps})
		},
		func(w io.Writer, s *admin.Status) error {
			slices.SortStableFunc(s.Peers, order)
			return peerTable(s, full).write(w)
		})
}

// peerOrders are the orders by the name that --sort gives them.
var peerOrders = map[string]func(a, b node.PeerInfo) int{
	"id":    func(a, b node.PeerInfo) int { return bytes.Compare(a.ID[:], b.ID[:]) },
	"rtt":   func(a, b node.PeerInfo) int { return cmp.Compare(knownRTT(a), knownRTT(b)) },
	"bytes": func(a, b node.PeerInfo) int { return cmp.Compare(b.RxBytes+b.TxBytes, a.RxBytes+a.TxBytes) },
	"age":   func(a, b node.PeerInfo) int { return a.Since.Compare(b.Since) },
}

// knownRTT puts what is not measured last.
func knownRTT(p node.PeerInfo) time.Duration {
	if p.RTT == 0 {
		return math.MaxInt64
	}
	return p.RTT
}

func peerTable(s *admin.Status, full bool) *table {
	t := &table{}
	t.row("PEER", "VIA", "DIR", "ROLE", "CPL", "RTT", "UP", "RX", "TX", "QUEUE", "STATE")
	for _, p := range s.Peers {
		t.row(idText(p.ID, full), via(p), direction(p.Outbound), roleOf(p.Leaf), strconv.Itoa(p.Bucket), shortTime(p.RTT),
			shortTime(p.Age), humanBytes(p.RxBytes), humanBytes(p.TxBytes), share(p.QueueFill), linkState(p))
	}
	for _, b := range s.Bootstraps {
		if !b.Linked {
			t.row("-", "-", "out", "-", "-", "-", "-", "-", "-", "-", b.URL.String()+" "+bootstrapState(b))
		}
	}
	return t
}

// via is what carries a link, and over WebRTC between what kinds of addresses.
func via(p node.PeerInfo) string {
	if p.Path == "" {
		return p.Transport
	}
	return p.Transport + " " + p.Path
}

func idText(id routing.ID, full bool) string {
	if full {
		return id.String()
	}
	return id.Short()
}

func share(v float64) string { return fmt.Sprintf("%.0f%%", 100*v) }

func linkState(p node.PeerInfo) string {
	if p.Suspect {
		return "late"
	}
	if p.Slow {
		return "slow"
	}
	return "ok"
}
