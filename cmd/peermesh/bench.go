package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// benchModes are what bench can send, in the order of its help page.
var benchModes = []string{"send", "request", "dgram"}

func benchCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:      "bench",
		Usage:     "measure messages per second and latency to a node",
		ArgsUsage: "[send|request|dgram] ID",
		Description: describe("Sends as fast as it can, or at --rate, for --duration or until --count messages went. The other\n"+
			"side runs peermesh listen, for request with --echo; its output is best thrown away. Counted are\n"+
			"with send those acknowledged and with request those answered, each with its time; with dgram\n"+
			"those that the first link took, which nobody answers: at the end a listener is asked how many\n"+
			"it has printed and dropped; what is missing then was lost on the way, or still waits there.\n"+
			"One message more goes first, makes the session and fails where nobody listens. It fails if half\n"+
			"of the messages or the last of each client did, and takes as long as what is under way at its end.\n\n"+
			"With --csv the last column is the histogram: pairs UPTO:COUNT, the shortest first, with a\n"+
			"space between; COUNT messages took at most UPTO milliseconds and longer than the pair before.",
			"peermesh listen --echo --state DIR > /dev/null   (peermesh id --state DIR prints its ID)",
			"peermesh bench 3f9a07c1d2b84e5f60718293a4b5c6d7e8f90a1b --bootstrap ws://127.0.0.1:8080",
			"peermesh bench request 3f9a07c1d2b84e5f60718293a4b5c6d7e8f90a1b --size 64 --clients 1 --csv",
			"peermesh bench dgram 3f9a07c1d2b84e5f60718293a4b5c6d7e8f90a1b --rate 1000 --duration 1m --json"),
		Flags: actFlags(
			textFlag("to", "the `ID`, if it is no argument"),
			onFlag(),
			valueFlag("size", "`BYTES` of each message, such as 64 or 1KiB", size(1<<10)),
			valueFlag("count", "end after `N` messages; 0: go on for --duration", number(0, 0, maxCount), "c"),
			valueFlag("duration", "`TIME` to send", duration(10*time.Second)),
			valueFlag("clients", "how many send at once, `N`; each waits for the end of its message before the next", number(4, 1, maxClients)),
			valueFlag("rate", "at most `N` messages per second, of all clients; 0: as fast as it goes", number(0, 0, maxCount)),
			boolFlag("csv", "print two lines of comma-separated values, names and figures"),
		),
		Action: func(c *cli.Context) error { return bench(c, std) },
	}
}

// maxClients is far above what one node's queues take at once.
const maxClients = 4096

// size reads bytes of a message.
func size(unset int) *value[int] {
	return &value[int]{v: unset, text: sizeText(unset), read: func(text string) (int, error) {
		n, ok := parseBytes(text)
		if !ok || n > limits.MaxMessage {
			return 0, fmt.Errorf("want bytes from 0 to %d, such as 64 or 1KiB", limits.MaxMessage)
		}
		return n, nil
	}}
}

func sizeText(n int) string {
	if n >= 1<<10 && n%(1<<10) == 0 {
		return strconv.Itoa(n>>10) + "KiB"
	}
	return strconv.Itoa(n)
}

func bench(c *cli.Context, std streams) error {
	b, err := newBenchmark(c)
	if err != nil {
		return err
	}
	return asLeaf(c, std, func(ctx context.Context, n *node.Node) error {
		if err := b.open(c, n); err != nil {
			return err
		}
		if err := b.first(ctx); err != nil {
			return err
		}
		r := b.measure(c.Context, ctx, std.err)
		if err := r.print(c, std.out); err != nil {
			return err
		}
		if c.Context.Err() != nil {
			return context.Cause(c.Context)
		}
		return b.verdict(r)
	})
}

// measure runs b. Of datagrams it also asks the target what arrived: a listener
// answers, other programs have no tally.
func (b *benchmark) measure(ctx, joining context.Context, talk io.Writer) *benchResult {
	if b.mode != "dgram" {
		return b.run(ctx, talk)
	}
	before, err := askTally(joining, b.port, b.to)
	r := b.run(ctx, talk)
	if err != nil || ctx.Err() != nil {
		return r
	}
	if r.arrived, err = b.arrivals(ctx, before, r.done); err != nil {
		fmt.Fprintf(talk, "asking what arrived: %v\n", err)
	}
	return r
}

// newBenchmark reads the command line.
func newBenchmark(c *cli.Context) (*benchmark, error) {
	if err := wantWords(c, "["+strings.Join(benchModes, "|")+"]", "[ID]"); err != nil {
		return nil, err
	}
	mode, word, err := benchWords(c)
	mistakes := []error{err, excluding(c, "count", "duration"), excluding(c, "csv", "json")}
	var to routing.ID
	if err == nil || word != "" {
		to, err = idOf("bench", word)
		mistakes = append(mistakes, err)
	}
	b := &benchmark{
		mode: mode, to: to, data: make([]byte, get[int](c, "size")), clients: get[int](c, "clients"),
		patience: get[time.Duration](c, "timeout"), length: get[time.Duration](c, "duration"), left: int64(get[int](c, "count")),
		rate: get[int](c, "rate"),
	}
	if b.left > 0 {
		b.length = 0
	} else {
		b.left = math.MaxInt64
	}
	return b, errors.Join(mistakes...)
}

// benchWords returns the mode and the ID, which is an argument or that of --to.
func benchWords(c *cli.Context) (mode, id string, err error) {
	mode, id = benchModes[0], c.String("to")
	words := c.Args().Slice()
	if len(words) > 0 && (slices.Contains(benchModes, words[0]) || len(words) > 1 || id != "") {
		mode, words = words[0], words[1:]
	}
	wrong := func(format string, args ...any) error {
		return &usageError{command: "bench", text: fmt.Sprintf(format, args...)}
	}
	if !slices.Contains(benchModes, mode) {
		err = wrong("unknown mode %q: want one of %s", mode, strings.Join(benchModes, ", "))
	}
	switch {
	case len(words) > 0 && id != "":
		err = errors.Join(err, wrong("bench has its ID twice: %s and --to %s", words[0], id))
	case len(words) > 0:
		id = words[0]
	case id == "":
		err = errors.Join(err, wrong("bench needs ID"))
	}
	return mode, id, err
}

// excluding refuses two flags that contradict each other.
func excluding(c *cli.Context, a, b string) error {
	if c.IsSet(a) && c.IsSet(b) {
		return &usageError{command: c.Command.Name, text: fmt.Sprintf("--%s and --%s exclude each other", a, b)}
	}
	return nil
}
