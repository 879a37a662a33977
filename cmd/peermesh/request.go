package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/node"
)

func requestCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:      "request",
		Usage:     "send a message and print the answer",
		ArgsUsage: "ID [DATA|-]",
		Description: describe("Sends DATA, or standard input when DATA is - or left out, and prints the bytes of the\n"+
			"answer as they are. The other side answers with: peermesh listen --echo",
			"peermesh request 3f9a07c1d2b84e5f60718293a4b5c6d7e8f90a1b 'what time is it?' -b ws://127.0.0.1:8080"),
		Flags:  actFlags(onFlag()),
		Action: func(c *cli.Context) error { return request(c, std) },
	}
}

func request(c *cli.Context, std streams) error {
	to, data, err := targetAndData(c, std.in)
	if err != nil {
		return err
	}
	return asLeaf(c, std, func(ctx context.Context, n *node.Node) error {
		from, addr, err := onPort(c, n, to)
		if err != nil {
			return err
		}
		answer, err := from.Request(ctx, addr, data)
		if err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(std.out, answerLine{V: jsonVersion, Event: "answer", From: to, payload: newPayload(answer)})
		}
		_, err = std.out.Write(answer)
		return err
	})
}
