package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/node"
)

func sendCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:      "send",
		Usage:     "send a message and wait until it is acknowledged",
		ArgsUsage: "ID [DATA|-]",
		Description: describe("Sends DATA, or standard input when DATA is - or left out. Done means that the other\n"+
			"node has it in its queue; anything else is an error that says what is known.",
			"peermesh send 3f9a07c1d2b84e5f60718293a4b5c6d7e8f90a1b hello --bootstrap ws://127.0.0.1:8080",
			"date | peermesh send 3f9a07c1d2b84e5f60718293a4b5c6d7e8f90a1b -b ws://127.0.0.1:8080"),
		Flags:  actFlags(onFlag()),
		Action: func(c *cli.Context) error { return send(c, std) },
	}
}

func send(c *cli.Context, std streams) error {
	to, data, err := targetAndData(c, std.in)
	if err != nil {
		return err
	}
	return asLeaf(c, std, func(ctx context.Context, n *node.Node) error {
		from, addr, err := onPort(c, n, to)
		if err == nil {
			err = from.Send(ctx, addr, data)
		}
		if err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(std.out, sentLine{V: jsonVersion, Event: "sent", To: to, Bytes: len(data)})
		}
		fmt.Fprintf(std.err, "%s acknowledged %d bytes\n", to.Short(), len(data))
		return nil
	})
}
