package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

func pingCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:      "ping",
		Usage:     "measure the way to a node: time, hops, first hop",
		ArgsUsage: "ID",
		Description: describe("Prints a line for each answer, then a summary. Fails only if none came.",
			"peermesh ping 3f9a07c1d2b84e5f60718293a4b5c6d7e8f90a1b -c 10 --bootstrap ws://127.0.0.1:8080"),
		Flags: actFlags(
			valueFlag("count", "how many, `N`", number(4, 1, maxCount), "c"),
			valueFlag("interval", "`TIME` from one to the next", duration(time.Second), "i"),
		),
		Action: func(c *cli.Context) error { return ping(c, std) },
	}
}

func ping(c *cli.Context, std streams) error {
	if err := wantWords(c, "ID"); err != nil {
		return err
	}
	to, err := targetOf(c)
	if err != nil {
		return err
	}
	return asLeaf(c, std, func(_ context.Context, n *node.Node) error {
		p := &pinger{n: n, to: to, patience: get[time.Duration](c, "timeout"), tell: pongText(std.out)}
		if c.Bool("json") {
			p.tell = pongJSON(std.out)
		}
		err := p.run(c.Context, get[int](c, "count"), get[time.Duration](c, "interval"))
		if !c.Bool("json") {
			fmt.Fprintln(std.out, p.summary())
		}
		return err
	})
}

// pinger sends pings one after another and keeps the figures.
type pinger struct {
	n        *node.Node
	to       routing.ID
	patience time.Duration // for each answer
	tell     func(to routing.ID, seq int, r node.PingResult, err error) error

	sent, received int
	min, max, sum  time.Duration
	lost           error // why the last one that had no answer had none
}

// run sends count pings, one each interval, or the next as soon as an answer
// that took longer is there. Without any answer it returns the last cause.
func (p *pinger) run(ctx context.Context, count int, interval time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for p.sent < count {
		if err := p.one(ctx); err != nil {
			return err
		}
		if p.sent == count {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if p.received > 0 {
		return nil
	}
	return p.lost
}

// one sends a ping and tells how it went. Its error ends the pinging.
func (p *pinger) one(ctx context.Context) error {
	p.sent++
	wait, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	r, err := p.n.Ping(wait, p.to)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		p.lost = err
	} else {
		p.count(r.RTT)
	}
	return p.tell(p.to, p.sent, r, err)
}

func (p *pinger) count(rtt time.Duration) {
	if p.received == 0 {
		p.min = rtt
	}
	p.received++
	p.min, p.max, p.sum = min(p.min, rtt), max(p.max, rtt), p.sum+rtt
}

// summary is the last line.
func (p *pinger) summary() string {
	s := fmt.Sprintf("%d sent, %d received", p.sent, p.received)
	if p.received == 0 {
		return s
	}
	mean := p.sum / time.Duration(p.received)
	return s + fmt.Sprintf(", min/avg/max %.3f/%.3f/%.3f ms", millis(p.min), millis(mean), millis(p.max))
}

// pongText prints answers in words.
func pongText(w io.Writer) func(routing.ID, int, node.PingResult, error) error {
	return func(to routing.ID, seq int, r node.PingResult, err error) error {
		if err != nil {
			_, err = fmt.Fprintf(w, "no answer from %s: %v\n", to.Short(), err)
			return err
		}
		way := "direct"
		if !r.Direct {
			way = "via " + r.Via.Short()
		}
		_, err = fmt.Fprintf(w, "pong from %s in %.3f ms  %s %s\n", to.Short(), millis(r.RTT), hopCount(r.Hops), way)
		return err
	}
}

func hopCount(n int) string {
	if n == 1 {
		return "1 hop"
	}
	return fmt.Sprintf("%d hops", n)
}

// pongJSON prints answers as JSON.
func pongJSON(w io.Writer) func(routing.ID, int, node.PingResult, error) error {
	return func(_ routing.ID, seq int, r node.PingResult, err error) error {
		if err != nil {
			return printJSON(w, lostLine{V: jsonVersion, Seq: seq, Error: err.Error(), Reason: reasonName(err)})
		}
		return printJSON(w, pongLine{V: jsonVersion, Seq: seq, RTTMs: millis(r.RTT), Hops: r.Hops, Via: r.Via, Direct: r.Direct})
	}
}
