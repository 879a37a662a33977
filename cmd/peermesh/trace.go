package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/node"
)

func traceCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:      "trace",
		Usage:     "show each node on the way to another",
		ArgsUsage: "ID",
		Description: describe("Prints a line for each hop: its number, the node's ID, the kind of link that leads there,\n"+
			"the time from here to it and back, and the share of it that this hop added. A hop that did\n"+
			"not answer is a line with a star. Fails if the node at the end does not answer.",
			"peermesh trace 3f9a07c1d2b84e5f60718293a4b5c6d7e8f90a1b --bootstrap ws://127.0.0.1:8080"),
		Flags:  actFlags(),
		Action: func(c *cli.Context) error { return trace(c, std) },
	}
}

func trace(c *cli.Context, std streams) error {
	if err := wantWords(c, "ID"); err != nil {
		return err
	}
	to, err := targetOf(c)
	if err != nil {
		return err
	}
	return asLeaf(c, std, func(ctx context.Context, n *node.Node) error {
		hops, err := n.Trace(ctx, to)
		show := hopsText
		if c.Bool("json") {
			show = hopsJSON
		}
		return errors.Join(show(std.out, hops), err)
	})
}

// shares are what each hop added to the time: the difference to the hop before
// that answered, and nothing when it answered faster.
func shares(hops []node.Hop) []time.Duration {
	all := make([]time.Duration, len(hops))
	var before time.Duration
	for i, h := range hops {
		if h.ID.IsZero() {
			continue
		}
		all[i] = max(0, h.RTT-before)
		before = max(before, h.RTT)
	}
	return all
}

func hopsText(w io.Writer, hops []node.Hop) error {
	share := shares(hops)
	for i, h := range hops {
		line := fmt.Sprintf("%2d  *", i+1)
		if !h.ID.IsZero() {
			line = fmt.Sprintf("%2d  %s  %-6s  %9.3f ms  +%.3f ms", i+1, h.ID, h.Transport, millis(h.RTT), millis(share[i]))
		}
		if h.Queued > 0 {
			line += fmt.Sprintf("  %d bytes queued", h.Queued)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

func hopsJSON(w io.Writer, hops []node.Hop) error {
	share := shares(hops)
	for i, h := range hops {
		var line any = silentLine{V: jsonVersion, Hop: i + 1, Error: "no answer", Reason: "no-answer"}
		if !h.ID.IsZero() {
			line = hopLine{
				V: jsonVersion, Hop: i + 1, ID: h.ID, Transport: h.Transport,
				RTTMs: millis(h.RTT), ShareMs: millis(share[i]), QueuedBytes: h.Queued,
			}
		}
		if err := printJSON(w, line); err != nil {
			return err
		}
	}
	return nil
}
