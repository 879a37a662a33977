package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/testnet"
)

const (
	// maxNodes is more than one process can hold.
	maxNodes = 1_000_000

	// settleTime bounds how long --keep waits before it says that the network is ready.
	settleTime = time.Minute

	// simGCPercent has a simulation collect its garbage a third as often as is usual:
	// most of what it keeps lives as long as it does, and looking through all of it
	// took a quarter of the time.
	simGCPercent = 300
)

func testnetCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:  "testnet",
		Usage: "run a whole mesh, send messages in it and report",
		Description: describe("Starts nodes in this process, each with the address of one random running node and nothing\n"+
			"else: real nodes on loopback sockets, or simulated ones in virtual time. Then sends acknowledged\n"+
			"messages between random pairs. The report is one line of JSON, the last on standard output.\n"+
			"Fails when a node has more links than its cap, a message arrives twice or is acknowledged and\n"+
			"not delivered; and, in a network that nothing was done to, when a message is not acknowledged\n"+
			"or, in virtual time, needs more than its first transmission. With --rate, --delay or --jitter each\n"+
			"direction of each link is a line of its own: what waits before it, fills its buffer.",
			"peermesh testnet --nodes 50 --messages 1000",
			"peermesh testnet --nodes 20 --keep --json",
			"peermesh testnet --nodes 50 --kill 30% --silent 50%",
			"peermesh testnet --nodes 10 --rate 1mbit --delay 20ms --buffer 50",
			"peermesh testnet --transport webrtc --nodes 20",
			"peermesh testnet --transport sim --nodes 1000 --latency 20ms-80ms --loss 1% --seed 7",
			"peermesh testnet --transport sim --nodes 1000 --leaves 80% --session 10m --duration 5m"),
		Flags:  testnetFlags(),
		Action: func(c *cli.Context) error { return runTestnet(c, std) },
	}
}

func testnetFlags() []cli.Flag {
	return []cli.Flag{
		valueFlag("nodes", "how many, `N`, leaves included", number(50, 1, maxNodes), "n"),
		valueFlag("transport", "`KIND`: ws, real nodes with sockets on loopback; webrtc, the same linked over WebRTC but for the first; mixed, half of them; or sim, simulated ones in virtual time", choice("ws", "webrtc", "mixed", "sim")),
		valueFlag("messages", "acknowledged messages to send, `N`; with --keep none unless given", number(1000, 0, maxCount), "m"),
		valueFlag("max-peers", "most links with relays of each node, `N`; 0: 24", number(0, 0, limits.MaxLinks)),
		valueFlag("max-leaves", "most links with leaves of each relay, `N`; 0: 256", number(0, 0, limits.MaxLinks)),
		valueFlag("leaves", "`SHARE` of the nodes that are leaves, such as 80%", percent()),
		valueFlag("duration", "`TIME` to live on before the messages", optional(duration(0))),
		valueFlag("kill", "`SHARE` of the nodes to kill at once before the messages", percent()),
		valueFlag("silent", "`SHARE` of the killed whose links stay open and say nothing", percent()),
		valueFlag("partition", "`SHARE:TIME`, such as 50%:60s: so many nodes are cut off for so long before the messages", cutOff()),
		valueFlag("latency", "sim: `TIME-TIME` one way between two nodes; without it 20ms-80ms", span()),
		valueFlag("rate", "`RATE` of each direction of each link, such as 64kbit or 1mbit", optional(bitRate())),
		valueFlag("delay", "`TIME` that a packet takes one way, such as 20ms; sim: in the place of --latency", optional(duration(0))),
		valueFlag("jitter", "`TIME` that a packet takes longer at most, at random", optional(duration(0))),
		valueFlag("buffer", "`SIZE` of what may wait before the line, with --rate: packets, such as 50, or bytes, such as 64KiB", optional(buffer())),
		valueFlag("loss", "`SHARE` of lost packets; sim without --rate, --delay and --jitter: of lost messages of the carriers", percent()),
		valueFlag("session", "sim: mean `TIME` that a node lives; who goes is replaced", optional(duration(0))),
		valueFlag("sybils", "sim: nodes that join last, with IDs ground next to a victim's, `N`", number(0, 0, maxNodes)),
		boolFlag("nearest", "sim: send to the node nearest by ID, a leaf to the nearest leaf, instead of to random ones"),
		boolFlag("plain-greedy", "sim: forward without looking at the neighbours of neighbours, to be compared with"),
		valueFlag("seed", "`NUMBER` that all randomness of the network is made of", seed()),
		boolFlag("keep", "keep the network running until interrupted and print its URLs"),
		boolFlag("json", "print nothing but JSON, one object on each line"),
	}
}

func runTestnet(c *cli.Context, std streams) error {
	if err := wantWords(c); err != nil {
		return err
	}
	warnOfVariables(std.err)
	opts := testnetOptions(c, std)
	if err := senseless(c, &opts); err != nil {
		return err
	}
	if get[string](c, "transport") == "sim" {
		return simulate(c, std, opts)
	}
	if err := realOnly(c); err != nil {
		return err
	}
	opts.Transport = testnet.Transport(get[string](c, "transport"))
	if opts.Transport != testnet.WS {
		if err := webSocketOnly(c); err != nil {
			return err
		}
	}
	return runNet(c, std, opts)
}

func testnetOptions(c *cli.Context, std streams) testnet.Options {
	latency, cut := get[timeSpan](c, "latency"), get[partition](c, "partition")
	opts := testnet.Options{
		Nodes: get[int](c, "nodes"), MaxPeers: get[int](c, "max-peers"), MaxLeaves: get[int](c, "max-leaves"),
		Leaves: get[float64](c, "leaves"), Seed: get[uint64](c, "seed"),
		LatencyMin: latency.min, LatencyMax: latency.max, Loss: get[float64](c, "loss"),
		Session: get[time.Duration](c, "session"), Duration: get[time.Duration](c, "duration"),
		Kill: get[float64](c, "kill"), Silent: get[float64](c, "silent"),
		Partition: cut.share, Cut: cut.time, Sybils: get[int](c, "sybils"),
		Nearest: c.Bool("nearest"), PlainGreedy: c.Bool("plain-greedy"),
		Messages: get[int](c, "messages"), Progress: std.err,
	}
	setLine(c, &opts)
	if c.Bool("keep") && !c.IsSet("messages") {
		opts.Messages = 0
	}
	return opts
}

// realOnly refuses flags that real nodes cannot obey.
func realOnly(c *cli.Context) error {
	for _, name := range []string{"latency", "session", "sybils", "nearest", "plain-greedy"} {
		if c.IsSet(name) {
			return &usageError{
				command: c.Command.Name,
				text:    dashed(name) + " is for virtual time alone: real sockets are as they are",
				hints:   []string{"give --transport sim"},
			}
		}
	}
	return nil
}

// webSocketOnly refuses faults that links over WebRTC cannot be given.
func webSocketOnly(c *cli.Context) error {
	for _, name := range []string{"silent", "partition", "rate", "delay", "jitter", "buffer", "loss"} {
		if c.IsSet(name) {
			return &usageError{
				command: c.Command.Name,
				text:    dashed(name) + " is for links over WebSocket alone",
				hints:   []string{"give --transport ws or sim"},
			}
		}
	}
	return nil
}

// simulate runs a network in virtual time.
func simulate(c *cli.Context, std streams, opts testnet.Options) error {
	if c.Bool("keep") {
		return &usageError{
			command: c.Command.Name,
			text:    "--keep is for real nodes: nobody can join a simulation",
			hints:   []string{"give --transport ws"},
		}
	}
	collectAt(simGCPercent)
	s, err := testnet.Sim(opts)
	if err != nil {
		return &usageError{command: c.Command.Name, text: err.Error(), cause: err}
	}
	done := make(chan testnet.Report, 1)
	go func() { done <- s.Run() }()
	select {
	case r := <-done:
		return printReport(c, std, r)
	case <-c.Context.Done(): // the simulation ends with the process
		return context.Cause(c.Context)
	}
}

// runNet runs a network of real nodes.
func runNet(c *cli.Context, std streams, opts testnet.Options) error {
	n, err := testnet.New(c.Context, opts)
	if err != nil {
		return err
	}
	defer n.Close()
	if !c.Bool("keep") {
		r, err := n.Run(c.Context)
		return errors.Join(printReport(c, std, r), err)
	}
	if err := announceNet(c, std, n); err != nil {
		return err
	}
	var broken error
	if opts.Messages > 0 || opts.Kill > 0 || opts.Partition > 0 {
		r, err := n.Run(c.Context)
		if broken = printReport(c, std, r); broken != nil && err == nil {
			fmt.Fprintln(std.err, broken)
		}
	}
	<-c.Context.Done()
	if broken == nil {
		return bySignal(c.Context)
	}
	return broken
}

// announceNet prints, once the network has settled, where it can be joined.
func announceNet(c *cli.Context, std streams, n *testnet.Net) error {
	ctx, cancel := context.WithTimeout(c.Context, settleTime)
	defer cancel()
	if err := n.WaitReady(ctx); err != nil {
		return err
	}
	var urls []string
	for _, node := range n.Nodes() {
		urls = append(urls, node.URLs()...)
	}
	if c.Bool("json") {
		return printJSON(std.out, netLine{V: jsonVersion, Event: "ready", URLs: urls})
	}
	_, err := fmt.Fprintf(std.out, "%d nodes run, each can be joined by one of:\n  %s\n", len(n.Nodes()), strings.Join(urls, "\n  "))
	return err
}

// netLine tells that a network is ready.
type netLine struct {
	V     int      `json:"v"`
	Event string   `json:"event"` // "ready"
	URLs  []string `json:"urls"`
}

// printReport prints a report; its last line is the JSON. The error is what was
// broken.
func printReport(c *cli.Context, std streams, r testnet.Report) error {
	if !c.Bool("json") {
		tellReport(std.out, &r)
	}
	if err := printJSON(std.out, r); err != nil || len(r.Failures) == 0 {
		return err
	}
	return &shownError{errors.New(strings.Join(r.Failures, "\n"))}
}

// tellReport prints a report for people.
func tellReport(w io.Writer, r *testnet.Report) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-12s "+format+"\n", append([]any{name}, args...)...)
	}
	spread := func(name string, s testnet.Spread) {
		row(name, "mean %.2f  p50 %.2f  p99 %.2f  max %.2f", s.Mean, s.P50, s.P99, s.Max)
	}
	row("nodes", "%d", r.Nodes)
	row("relay links", "mean %.2f  max %d", r.Links.Mean, r.Links.Max)
	row("leaf links", "mean %.2f  max %d", r.LeafLinks.Mean, r.LeafLinks.Max)
	row("links", "%s", carriersText(r.Carriers))
	row("settled", "%.2f s after the last start", r.SettledMs/1000)
	if r.Sent > 0 {
		row("messages", "%d sent, %d arrived first, %d acknowledged", r.Sent, r.First, r.Delivered)
		spread("hops", r.Hops)
		spread("latency ms", r.LatencyMs)
	}
}

// carriersText is how many links there are by each kind of carrier, the most
// first: "120 webrtc, 8 ws".
func carriersText(counts map[string]int) string {
	kinds := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	words := make([]string, len(kinds))
	for i, kind := range kinds {
		words[i] = fmt.Sprintf("%d %s", counts[kind], kind)
	}
	return cmp.Or(strings.Join(words, ", "), "none")
}
